"""SQL of settlement, one function a statement."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from importlib import resources
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import violated_constraint
from service.errors import RateExists
from service.settlement.months import Month
from service.tables.ledger import transfer
from service.tables.people import merchant, merchant_rate
from service.tables.redemption import redemption, uncovered_capture
from service.tables.settlement import settlement_line, settlement_statement

ISSUE = sa.text(resources.files("service.settlement").joinpath("issue.sql").read_text()).bindparams(
    sa.bindparam("month", type_=sa.Date),
    sa.bindparam("begins_at", type_=sa.DateTime(timezone=True)),
    sa.bindparam("ends_at", type_=sa.DateTime(timezone=True)),
)

# Taken from the driver without a pause: more at once hold everyone else's requests up, fewer cost round trips.
LINES_AT_ONCE: Final = 500

Rows: TypeAlias = Sequence[Any]

_of = settlement_statement.c


async def list_merchants(connection: AsyncConnection, merchant_id: str | None) -> Rows:
    """id, name and account of all merchants, or of one."""
    query = sa.select(merchant.c.id, merchant.c.name, merchant.c.account_id).order_by(merchant.c.id)
    if merchant_id is not None:
        query = query.where(merchant.c.id == merchant_id)
    return (await connection.execute(query)).all()


async def last_month(connection: AsyncConnection, merchant_id: str) -> Month | None:
    """The newest month that is closed."""
    newest = (
        await connection.execute(sa.select(sa.func.max(_of.month)).where(_of.merchant_id == merchant_id))
    ).scalar_one()
    return None if newest is None else Month.of(newest)


async def issue(connection: AsyncConnection, **values: Any) -> sa.Row[Any]:
    """Issue a statement; see issue.sql."""
    return (await connection.execute(ISSUE, values)).one()


async def lock_merchant(connection: AsyncConnection, merchant_id: str) -> bool:
    """A merchant's rates are set, and its months closed, one after the other; False where there is no such merchant."""
    query = sa.select(merchant.c.id).where(merchant.c.id == merchant_id).with_for_update(key_share=True)
    return (await connection.execute(query)).one_or_none() is not None


async def has_any(
    connection: AsyncConnection, *, merchant_id: str, account_id: int, begins_at: datetime, ends_at: datetime
) -> bool:
    """Whether the merchant took or gave back anything in that time, or told of a capture too late."""
    account, at = sa.literal(account_id), transfer.c.created_at
    found = sa.or_(
        # The kinds are spelled out, so that their indexes are used.
        *(
            sa.exists().where(
                transfer.c.kind == sa.literal_column(f"'{kind}'"), side == account, at >= begins_at, at < ends_at
            )
            for kind, side in (
                ("redemption", transfer.c.credit_account_id),
                ("refund", transfer.c.debit_account_id),
                ("reversal", transfer.c.debit_account_id),
            )
        ),
        sa.exists().where(
            uncovered_capture.c.merchant_id == merchant_id,
            uncovered_capture.c.received_at >= begins_at,
            uncovered_capture.c.received_at < ends_at,
        ),
    )
    return bool((await connection.execute(sa.select(found))).scalar_one())


async def has_rate(connection: AsyncConnection, merchant_id: str, at: datetime) -> bool:
    """Whether a rate was in force at that moment."""
    of = merchant_rate.c
    query = sa.select(sa.exists().where(of.merchant_id == merchant_id, of.effective_from <= at))
    found: bool = (await connection.execute(query)).scalar_one()
    return found


async def insert_rate(
    connection: AsyncConnection, *, merchant_id: str, effective_from: datetime, fen_per_1000_coins: int
) -> None:
    """Raises RateExists; the caller rolls back."""
    try:
        await connection.execute(
            sa.insert(merchant_rate).values(
                merchant_id=merchant_id, effective_from=effective_from, fen_per_1000_coins=fen_per_1000_coins
            )
        )
    except IntegrityError as error:
        if violated_constraint(error) == "pk_merchant_rate":
            raise RateExists from None
        raise


async def list_rates(connection: AsyncConnection) -> Rows:
    return (
        await connection.execute(
            sa.select(merchant_rate).order_by(merchant_rate.c.merchant_id, merchant_rate.c.effective_from)
        )
    ).all()


async def find_statement(
    connection: AsyncConnection, number: str, *, merchant_id: str | None = None
) -> sa.Row[Any] | None:
    """With the merchant's name; only of `merchant_id`, where one is given."""
    query = (
        sa.select(settlement_statement, merchant.c.name, merchant.c.name_en)
        .join(merchant, merchant.c.id == _of.merchant_id)
        .where(_of.number == number)
    )
    if merchant_id is not None:
        query = query.where(_of.merchant_id == merchant_id)
    return (await connection.execute(query)).one_or_none()


async def list_statements(
    connection: AsyncConnection,
    *,
    merchant_id: str | None,
    month: Month | None,
    before: tuple[Any, str] | None,
    limit: int,
) -> Rows:
    """Newest month first, then by number; those after the row (month, number) `before`."""
    query = sa.select(settlement_statement).order_by(_of.month.desc(), _of.number.desc()).limit(limit)
    if merchant_id is not None:
        query = query.where(_of.merchant_id == merchant_id)
    if month is not None:
        query = query.where(_of.month == month.first_day)
    if before is not None:
        query = query.where(sa.tuple_(_of.month, _of.number) < sa.tuple_(*before))
    return (await connection.execute(query)).all()


def _kind() -> sa.ColumnElement[str]:
    """An old reversal of a redemption counts as its refund."""
    return sa.case((transfer.c.kind == "redemption", "redemption"), else_="refund")


async def lines_page(connection: AsyncConnection, number: str, *, after_id: int | None, limit: int) -> Rows:
    """Lines in the order of their transfers' ids."""
    page = (
        sa.select(settlement_line)
        .where(settlement_line.c.statement_number == number, settlement_line.c.transfer_id > (after_id or 0))
        .order_by(settlement_line.c.transfer_id)
        # Here and not at the end: the planner, which cannot know that each line has its transfer, would join all lines.
        .limit(limit)
        .subquery()
    )
    query = (
        sa.select(
            transfer.c.id,
            transfer.c.owner_id,
            transfer.c.created_at,
            _kind().label("kind"),
            transfer.c.coins,
            transfer.c.redemption_id,
            page.c.fen_per_1000_coins,
            redemption.c.offer_id,
            redemption.c.machine_id,
        )
        .select_from(page)
        .join(transfer, sa.and_(transfer.c.owner_id == page.c.owner_id, transfer.c.id == page.c.transfer_id))
        .outerjoin(
            redemption,
            sa.and_(redemption.c.owner_id == transfer.c.owner_id, redemption.c.id == transfer.c.redemption_id),
        )
        .order_by(page.c.transfer_id)
    )
    rows: Rows = (await connection.execute(query)).all()
    return rows


async def stream_lines(connection: AsyncConnection, number: str) -> AsyncIterator[Rows]:
    """All lines, LINES_AT_ONCE at a time: no statement takes longer for a long one, and lines do not change."""
    after_id = None
    while lines := await lines_page(connection, number, after_id=after_id, limit=LINES_AT_ONCE):
        yield lines
        after_id = lines[-1].id


async def days_of(connection: AsyncConnection, number: str, zone: str) -> Rows:
    """Captured and refunded coins by business day."""
    day = sa.cast(sa.func.timezone(zone, transfer.c.created_at), sa.Date)
    rows: Rows = (await connection.execute(_coins_by(number, day.label("day")))).all()
    return rows


async def rates_of(connection: AsyncConnection, number: str) -> Rows:
    """Captured and refunded coins by the rate that they are settled at."""
    rows: Rows = (await connection.execute(_coins_by(number, settlement_line.c.fen_per_1000_coins))).all()
    return rows


def _coins_by(number: str, what: sa.ColumnElement[Any]) -> sa.Select[Any]:
    # Summed each time, though lines never change: the page, with two such sums of half a million lines, takes a second
    # (docs/benchmarks.md) and is asked for a few times. Sums that were kept would be one more copy to prove.
    captured = sa.func.sum(sa.case((_kind() == "redemption", transfer.c.coins), else_=0))
    refunded = sa.func.sum(sa.case((_kind() == "refund", transfer.c.coins), else_=0))
    return (
        sa.select(
            what,
            sa.cast(captured, sa.BigInteger).label("captured_coins"),
            sa.cast(refunded, sa.BigInteger).label("refunded_coins"),
        )
        .select_from(settlement_line)
        .join(
            transfer,
            sa.and_(transfer.c.owner_id == settlement_line.c.owner_id, transfer.c.id == settlement_line.c.transfer_id),
        )
        .where(settlement_line.c.statement_number == number)
        .group_by(what)
        .order_by(what)
    )
