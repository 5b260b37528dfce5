"""Spend a resident's coins at a merchant, at once: claim what pays, post the coins, keep the redemption.

Everything happens in the caller's transaction; what a decline leaves half done, the caller rolls back.
"""

import uuid

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import MerchantName
from schemas.redemptions import MerchantRedemption, OwnRedemption, OwnRedemptionRequest
from service.auth import Merchant, Resident
from service.errors import InsufficientCoins, MerchantUnknown, PayCodeExpired, PayCodeUnknown, PayCodeUsed, TanbiError
from service.ledger.posting import post_redemption
from service.redemption import queries


async def redeem_own(connection: AsyncConnection, resident: Resident, wanted: OwnRedemptionRequest) -> OwnRedemption:
    """The resident pays a merchant. Raises MerchantUnknown or InsufficientCoins. Three round trips."""
    merchant = await queries.find_merchant(connection, wanted.merchant_id)
    if merchant is None:
        raise MerchantUnknown(f"There is no merchant {wanted.merchant_id}. Scan the merchant's code again.")
    redemption_id = uuid.uuid4()
    try:
        wallet = await post_redemption(
            connection,
            owner_id=resident.id,
            merchant_account_id=merchant.account_id,
            coins=wanted.coins,
            redemption_id=redemption_id,
        )
    except InsufficientCoins as declined:
        raise InsufficientCoins(
            f"{wanted.coins} coins were asked for and {declined.available_coins} are available. Nothing was changed."
        ) from None
    created_at = await queries.insert_redemption(
        connection, owner_id=resident.id, id=redemption_id, merchant_id=wanted.merchant_id, coins=wanted.coins
    )
    return OwnRedemption(
        id=redemption_id,
        state="captured",
        merchant=MerchantName(id=wanted.merchant_id, name=merchant.name),
        coins=wanted.coins,
        balance_coins=wallet.available,
        created_at=created_at,
    )


async def redeem_pay_code(
    connection: AsyncConnection, merchant: Merchant, pay_code_digest: bytes, coins: int
) -> MerchantRedemption:
    """The merchant, or its machine, takes coins from the resident whose pay-code it was shown.

    Raises PayCodeUnknown, PayCodeExpired, PayCodeUsed or InsufficientCoins; then the code stays as good as it was.
    Three round trips.
    """
    claimed = await queries.use_pay_code(connection, digest=pay_code_digest, merchant_id=merchant.id)
    if claimed is None:
        raise await _why_not(connection, pay_code_digest)
    redemption_id = uuid.uuid4()
    await post_redemption(
        connection,
        owner_id=claimed.owner_id,
        merchant_account_id=claimed.account_id,
        coins=coins,
        redemption_id=redemption_id,
    )
    created_at = await queries.insert_redemption(
        connection,
        owner_id=claimed.owner_id,
        id=redemption_id,
        merchant_id=merchant.id,
        machine_id=merchant.machine_id,
        coins=coins,
    )
    return MerchantRedemption(id=redemption_id, state="captured", coins=coins, created_at=created_at)


async def _why_not(connection: AsyncConnection, pay_code_digest: bytes) -> TanbiError:
    used = await queries.pay_code_is_used(connection, pay_code_digest)
    if used is None:
        return PayCodeUnknown()
    return PayCodeUsed() if used else PayCodeExpired()
