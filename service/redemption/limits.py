"""Limits on spending, as operators set them."""

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.business_days import business_day, day_begins_at, next_day_begins_at
from service.db import database_now, violated_constraint
from service.errors import LimitInThePast, MerchantUnknown, ValidationFailed
from service.limits import LimitKind, LimitRow
from service.moments import by_the_clock, whole_second
from service.reference import raise_revision
from service.standings import Standing, standings
from service.tables.redemption import spending_limit

# Every process has read a new limit by then: none decides by the old one after the new one holds.
LIMIT_LEAD: Final = timedelta(minutes=1)
# Of one that takes the place of another from the same moment on, so that a slip never holds.
REPLACEMENT_LEAD: Final = timedelta(seconds=10)


async def set_limit(
    connection: AsyncConnection,
    *,
    kind: LimitKind,
    coins: int | None,
    merchant_id: str | None,
    effective_from: datetime | None,
    zone: str,
) -> datetime:
    """Supersede a limit from a moment on; when it takes effect. `coins` None: no limit from then on.

    At the earliest in a minute, which is also when it takes effect where nothing is said. Limits of a day begin with a
    business day in `zone`, the next one where nothing is said: what was spent on a day is added up for its limit from
    the day's first redemption on, or not at all. One that begins at the moment of another of its kind and merchant
    takes its place, until ten seconds before.

    Raises LimitInThePast, MerchantUnknown, or ValidationFailed: for a moment within a day, for fewer than 0 coins, and
    for a resident's day at one merchant.
    """
    now = await database_now(connection)
    earliest = whole_second(now + LIMIT_LEAD)
    if kind != "redemption":
        earliest = next_day_begins_at(earliest, zone)
    starts_at = effective_from or earliest
    replaces = starts_at >= now + REPLACEMENT_LEAD and await _begins_one(connection, kind, merchant_id, starts_at)
    if starts_at < earliest and not replaces:
        raise LimitInThePast(
            f"This limit can take effect at {by_the_clock(earliest, zone)} at the earliest: what was granted by the one"
            " in force stays."
        )
    if kind != "redemption" and starts_at != day_begins_at(business_day(starts_at, zone), zone):
        next_day = by_the_clock(next_day_begins_at(starts_at, zone), zone)
        raise ValidationFailed(f"A day's limit takes effect when a business day begins, such as {next_day}.")
    row = LimitRow(kind, merchant_id, starts_at, coins)
    try:
        await connection.execute(sa.insert(spending_limit).values(row._asdict()))
    except IntegrityError as error:
        match violated_constraint(error):
            case "fk_spending_limit_merchant_id_merchant":
                raise MerchantUnknown(f"There is no merchant {merchant_id}.") from None
            case "ck_spending_limit_resident_day":
                raise ValidationFailed(
                    "A resident's day is one day at all merchants together: resident_day has no merchant."
                ) from None
            case "ck_spending_limit_coins":
                raise ValidationFailed("A limit is 0 coins or more.") from None
        raise
    await raise_revision(connection)
    return starts_at


async def _begins_one(connection: AsyncConnection, kind: LimitKind, merchant_id: str | None, at: datetime) -> bool:
    rows = spending_limit.c
    found = sa.exists().where(
        rows.kind == kind, rows.merchant_id.is_not_distinct_from(merchant_id), rows.effective_from == at
    )
    return bool((await connection.execute(sa.select(found))).scalar_one())


async def list_limits(connection: AsyncConnection) -> list[tuple[LimitRow, Standing]]:
    """Every limit that was ever set and what it is now, by kind and merchant in the order of time; general ones
    first."""
    rows = spending_limit.c
    found = [
        LimitRow(*row)
        for row in await connection.execute(
            sa.select(rows.kind, rows.merchant_id, rows.effective_from, rows.coins).order_by(
                rows.kind, rows.merchant_id.nulls_first(), rows.effective_from, rows.id
            )
        )
    ]
    at = await database_now(connection)
    return list(zip(found, standings([(row[:2], row.effective_from) for row in found], at), strict=True))
