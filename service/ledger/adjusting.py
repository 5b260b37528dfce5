"""Post what two operators have agreed on: coins from the issuer to a resident, or back."""

from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from service.errors import CorrectionExceeds, HoldsDue, InsufficientCoins
from service.ledger import queries
from service.tables.columns import ISSUER_ACCOUNT_ID


async def post_adjustment(
    connection: AsyncConnection,
    *,
    owner_id: int,
    direction: Literal["credit", "debit"],
    coins: int,
    adjustment_id: UUID,
    requested_by: UUID,
    approved_by: UUID,
    reason: str,
    corrects_id: int | None,
) -> int:
    """The new transfer's id; it names both operators by their keys, and the transfer that it corrects if there is one.

    Raises, with nothing changed, InsufficientCoins, where a debit is more than is available; CorrectionExceeds;
    HoldsDue, where holds that are over are to be released first. The unique index uq_transfer_adjustment lets an
    adjustment be posted once.
    """
    credit = direction == "credit"
    moved = coins if credit else -coins
    if corrects_id is not None:
        # Of two corrections of one transfer at once, the second sees the first.
        await queries.lock_wallet(connection, owner_id)
        _check_correction(moved, corrects_id, await queries.corrected_coins(connection, owner_id, corrects_id))
    if await queries.move_posted(connection, owner_id, moved) is None:
        if (await queries.read_wallet(connection, owner_id)).available >= coins:
            raise HoldsDue(owner_id)
        raise InsufficientCoins(
            f"This debit takes {coins} coins, and fewer are there that are not held. Nothing was changed."
        )
    return await queries.insert_transfer(
        connection,
        owner_id=owner_id,
        kind="adjustment",
        debit_account_id=ISSUER_ACCOUNT_ID if credit else owner_id,
        credit_account_id=owner_id if credit else ISSUER_ACCOUNT_ID,
        coins=coins,
        adjustment_id=adjustment_id,
        requested_by=requested_by,
        approved_by=approved_by,
        reason=reason,
        reverses_id=corrects_id,
    )


def _check_correction(moved: int, corrects_id: int, found: tuple[int, int]) -> None:
    """Take back at most what there was; add as much as was missing, of which the transfer says nothing."""
    original, earlier = found
    if original * (original + earlier + moved) < 0:
        raise CorrectionExceeds(
            f"Transfer {corrects_id} moved {abs(original)} coins {'to' if original > 0 else 'from'} the resident. With"
            f" earlier corrections ({earlier:+d}) and this one ({moved:+d}) more would be taken back. Nothing was"
            " changed."
        )
