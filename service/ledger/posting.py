"""Moving coins: each function inserts a transfer and changes the wallet it touches, in the caller's transaction."""

from sqlalchemy.ext.asyncio import AsyncConnection

from service.errors import InsufficientCoins, NotFound, TransferReversed
from service.ledger import queries


async def reverse_transfer(connection: AsyncConnection, *, owner_id: int, transfer_id: int, reason: str) -> int:
    """The same coins the other way, naming the transfer that was a mistake; the new transfer's id.

    Raises NotFound, TransferReversed where that was done before, and InsufficientCoins where the coins are spent.
    """
    # Locked before it is read: of two reversals at once, the second sees the first.
    await queries.lock_wallet(connection, owner_id)
    original = await queries.read_transfer(connection, owner_id, transfer_id)
    if original is None:
        raise NotFound("This wallet has no transfer with this id.")
    if await queries.is_reversed(connection, owner_id, transfer_id):
        raise TransferReversed
    incoming = original.credit_account_id == owner_id
    moved = await queries.move_posted(connection, owner_id, -original.coins if incoming else original.coins)
    if moved is None:
        raise InsufficientCoins(
            "The coins of this transfer are spent or held; what is left does not cover its reversal."
        )
    return await queries.insert_transfer(
        connection,
        owner_id=owner_id,
        kind="reversal",
        debit_account_id=original.credit_account_id,
        credit_account_id=original.debit_account_id,
        coins=original.coins,
        reverses_id=original.id,
        reason=reason,
    )
