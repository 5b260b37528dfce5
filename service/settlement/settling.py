"""Close a merchant's month, once; and agree on what it is paid."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import DriverConnection, database_now
from service.errors import MerchantUnknown, MonthNotOver, RateInThePast
from service.moments import by_the_clock, whole_second
from service.settlement import queries
from service.settlement.months import Month
from service.webhooks.outbox import Message, write_messages

# A rate that supersedes another takes effect later than it is written: nobody's captures change their price.
RATE_LEAD = timedelta(minutes=1)
# A transfer has the time of its decision and is seen when it is committed. By then the last of a month is.
CLOSING_LAG = timedelta(minutes=2)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one merchant's month. `number` is the statement's, issued now where `issued`.

    `unrated` captures, the first of them at `unrated_from`, keep it from being issued; `later` is a month that was
    closed before this one, and has on its statement what was to settle in this one.
    """

    merchant_id: str
    number: str | None
    issued: bool
    net_coins: int = 0
    payable_fen: int = 0
    unrated: int = 0
    unrated_from: datetime | None = None
    later: Month | None = None


async def require_over(connection: AsyncConnection, month: Month, zone: str) -> None:
    """Over, and its last transaction committed. Raises MonthNotOver."""
    closes_at = month.ends_at(zone) + CLOSING_LAG
    if await database_now(connection) < closes_at:
        raise MonthNotOver(f"{month} is not over; it can be settled from {by_the_clock(closes_at, zone)} on.")


async def settle(connection: AsyncConnection, *, merchant: Any, month: Month, zone: str) -> Settled:
    """Issue the merchant's statement of this month, with its webhook message, in the caller's transaction.

    Nothing is changed where there is one, where there is nothing to settle, where a capture has no rate, or where a
    later month is closed: what is left of this one is on that statement or will be on the next.
    """
    number = number_of(merchant.id, month)
    # Who closes another month of the merchant at this moment is done with it before we look.
    await queries.lock_merchant(connection, merchant.id)
    last = await queries.last_month(connection, merchant.id)
    if last is not None and last >= month:
        return await _closed_before(connection, merchant, month, last, zone)
    row = await queries.issue(
        connection,
        merchant_id=merchant.id,
        account_id=merchant.account_id,
        number=number,
        month=month.first_day,
        begins_at=EPOCH if last is None else last.begins_at(zone),
        ends_at=month.ends_at(zone),
    )
    net_coins = row.captured_coins - row.refunded_coins
    if row.number is None:
        return Settled(merchant.id, None, False, net_coins, row.payable_fen, row.unrated, row.unrated_from)
    data = {"number": number, "month": str(month), "net_coins": net_coins, "payable_fen": row.payable_fen}
    raw: Any = await connection.get_raw_connection()
    message = Message(merchant.id, "statement.issued", row.issued_at, data)
    await write_messages(cast("DriverConnection", raw.driver_connection), [message])
    return Settled(merchant.id, number, True, net_coins, row.payable_fen)


async def _closed_before(connection: AsyncConnection, merchant: Any, month: Month, last: Month, zone: str) -> Settled:
    number = number_of(merchant.id, month)
    found = await queries.find_statement(connection, number)
    if found is not None:
        return Settled(merchant.id, number, False, found.net_coins, found.payable_fen)
    moved = await queries.has_any(
        connection,
        merchant_id=merchant.id,
        account_id=merchant.account_id,
        begins_at=month.begins_at(zone),
        ends_at=month.ends_at(zone),
    )
    return Settled(merchant.id, None, False, later=last if moved else None)


async def set_rate(
    connection: AsyncConnection, *, merchant_id: str, fen_per_1000_coins: int, effective_from: datetime | None
) -> datetime:
    """Supersede what a merchant is paid, from a moment on; which. A moment of the past is good where no rate was in
    force: what was captured then waits for one.

    Raises RateInThePast, RateExists, MerchantUnknown.
    """
    if not await queries.lock_merchant(connection, merchant_id):
        raise MerchantUnknown(f"There is no merchant {merchant_id}.")
    earliest = whole_second(await database_now(connection) + RATE_LEAD)
    starts_at = effective_from or earliest
    if starts_at < earliest and await queries.has_rate(connection, merchant_id, starts_at):
        raise RateInThePast
    await queries.insert_rate(
        connection, merchant_id=merchant_id, effective_from=starts_at, fen_per_1000_coins=fen_per_1000_coins
    )
    return starts_at


def number_of(merchant_id: str, month: Month) -> str:
    return f"{merchant_id}-{month.year:04}{month.number:02}"
