"""A month is closed once; what comes late is on the next statement."""

import asyncio
import dataclasses
import random
import uuid
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from service.business_days import business_day
from service.db import snapshot, transaction
from service.errors import MonthNotOver, RateInThePast
from service.settlement import queries
from service.settlement.months import Month
from service.settlement.report import coins_outstanding
from service.settlement.settling import require_over, set_rate
from service.tables.ledger import wallet
from service.tables.settlement import settlement_line, settlement_statement
from tests.settlement import history
from tests.settlement.closing import JUNE, MAY, MERCHANT, ZONE, capture, close, refund
from tests.world import World, adjust, driver_connection

TICK = timedelta(microseconds=1)


async def test_a_statement_is_what_its_captures_and_refunds_come_to(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    early = await capture(engine, world, 101, datetime(2026, 5, 2, tzinfo=UTC))
    await capture(engine, world, 77, datetime(2026, 5, 20, tzinfo=UTC))
    # At its capture's rate, not at the one of its own day; and on the last moment of the month.
    await refund(engine, world, early, 50, datetime(2026, 5, 31, 15, 59, 59, tzinfo=UTC))
    settled = await close(engine, MAY)
    assert (settled.number, settled.issued, settled.net_coins) == ("NK-M-01-202605", True, 128)
    assert settled.payable_fen == (51 * 1500 + 77 * 1999) // 1000
    async with engine.connect() as connection:
        found = await queries.find_statement(connection, "NK-M-01-202605")
        days = await queries.days_of(connection, "NK-M-01-202605", ZONE)
    assert found is not None
    assert (found.captures, found.refunds, found.payable_fen) == (2, 1, settled.payable_fen)
    assert [(row.captured_coins, row.refunded_coins) for row in days] == [(101, 0), (77, 0), (0, 50)]
    again = await close(engine, MAY)
    assert (again.number, again.issued, again.payable_fen) == ("NK-M-01-202605", False, settled.payable_fen)


async def test_the_payable_is_exact_and_rounded_once_towards_zero(world: World, engine: AsyncEngine, shop: str) -> None:
    chance = random.Random(5)  # noqa: S311  # no secret
    # The last month's refunds are more than its captures.
    for month, refunded in ((MAY, 0.2), (JUNE, 0.5), (Month(2026, 7), 3)):
        exact, taken_coins, given_coins = Fraction(), 0, 0
        async with transaction(engine) as connection:
            for day in range(1, 29, 3):
                at, coins = datetime(month.year, month.number, day, tzinfo=UTC), chance.randrange(1, 10**9)
                rate = 1999 if (month, day) >= (MAY, 14) else 1500
                back = round(coins * refunded * chance.random())
                taken = await history.capture(connection, world.resident_id, coins, at)
                if back:
                    await history.refund(connection, world.resident_id, taken, back, at)
                exact += Fraction((coins - back) * rate, 1000)
                taken_coins, given_coins = taken_coins + coins, given_coins + back
        settled = await close(engine, month)
        assert (settled.net_coins, settled.payable_fen) == (taken_coins - given_coins, int(exact))
    assert settled.payable_fen < 0
    assert exact.denominator > 1


async def test_what_comes_late_is_on_the_next_statement_and_the_closed_one_stays(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    first = await capture(engine, world, 100, datetime(2026, 5, 20, tzinfo=UTC))
    closed = await close(engine, MAY)
    # Committed after May was closed, though it was made before its end; and a refund of June.
    await capture(engine, world, 7, datetime(2026, 5, 30, tzinfo=UTC))
    await refund(engine, world, first, 100, datetime(2026, 6, 3, tzinfo=UTC))
    june = await close(engine, JUNE)
    assert (june.net_coins, june.payable_fen) == (-93, -(93 * 1999 // 1000))
    assert await close(engine, MAY) == dataclasses.replace(closed, issued=False)


async def test_a_month_that_a_later_one_was_closed_before_says_so_only_where_there_was_something(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    await capture(engine, world, 100, datetime(2026, 5, 20, tzinfo=UTC))
    await capture(engine, world, 7, datetime(2026, 6, 20, tzinfo=UTC))
    assert (await close(engine, JUNE)).net_coins == 107
    late = await close(engine, MAY)
    assert (late.number, late.later) == (None, JUNE)
    before = await close(engine, Month(2026, 4))
    assert (before.number, before.later) == (None, None)
    async with transaction(engine) as connection:
        await history.tell_too_late(connection, world.resident_id, 5, datetime(2026, 4, 30, 16, tzinfo=UTC) - TICK)
    assert (await close(engine, Month(2026, 4))).later == JUNE


async def test_a_month_is_the_citys_to_the_microsecond(world: World, engine: AsyncEngine, shop: str) -> None:
    begins_at, ends_at = datetime(2026, 4, 30, 16, tzinfo=UTC), datetime(2026, 5, 31, 16, tzinfo=UTC)
    assert (MAY.begins_at(ZONE), MAY.ends_at(ZONE)) == (begins_at, ends_at)
    async with transaction(engine) as connection:
        owner = world.resident_id
        for coins, at in ((1, begins_at - TICK), (2, begins_at), (4, ends_at - TICK), (8, ends_at)):
            taken = await history.capture(connection, owner, coins * 100, at)
            await history.refund(connection, owner, taken, coins, at)
            await history.tell_too_late(connection, owner, coins * 1000, at)
    await close(engine, MAY)
    async with engine.connect() as connection:
        found = await queries.find_statement(connection, "NK-M-01-202605")
        assert found is not None
        days = await queries.days_of(connection, found.number, ZONE)
    assert (found.captured_coins, found.refunded_coins, found.uncovered_coins) == (700, 7, 7000)
    # Late evening in UTC is the next morning in the city.
    assert [(str(row.day), row.captured_coins, row.refunded_coins) for row in days] == [
        ("2026-04-30", 100, 1),
        ("2026-05-01", 200, 2),
        ("2026-05-31", 400, 4),
    ]
    await close(engine, JUNE)
    async with engine.connect() as connection:
        june = await queries.find_statement(connection, "NK-M-01-202606")
    assert june is not None
    assert (june.captured_coins, june.refunded_coins, june.uncovered_coins) == (800, 8, 8000)


async def test_what_was_told_too_late_is_on_one_statement_also_where_there_is_nothing_else(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    async def tell(coins: int, at: datetime) -> None:
        async with transaction(engine) as connection:
            await history.tell_too_late(connection, world.resident_id, coins, at)

    async def uncovered(month: Month) -> tuple[bool, int]:
        settled = await close(engine, month)
        async with engine.connect() as connection:
            found = await queries.find_statement(connection, settled.number or "")
        return settled.issued, -1 if found is None else found.uncovered_coins

    await tell(77, datetime(2026, 5, 3, tzinfo=UTC))
    assert await uncovered(MAY) == (True, 77)
    assert await uncovered(MAY) == (False, 77)
    # Of May, and committed after it was closed.
    await tell(55, datetime(2026, 5, 31, 15, 59, 59, tzinfo=UTC))
    await capture(engine, world, 100, datetime(2026, 6, 3, tzinfo=UTC))
    assert await uncovered(JUNE) == (True, 55)
    assert await uncovered(Month(2026, 7)) == (False, -1)


async def test_two_months_closed_at_once_are_closed_one_after_the_other(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    for month in (5, 6):
        await capture(engine, world, month, datetime(2026, month, 20, tzinfo=UTC))
    settled = await asyncio.gather(*(close(engine, month) for month in (MAY, JUNE) * 3))
    coins = {each.number: each.net_coins for each in settled if each.issued}
    # Whichever was first: June's takes May's too.
    assert coins in ({"NK-M-01-202605": 5, "NK-M-01-202606": 6}, {"NK-M-01-202606": 11})


async def test_lines_come_each_once_and_in_order_however_many_are_asked_for_at_once(
    world: World, engine: AsyncEngine, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for coins in (11, 12, 13, 14, 15):
        taken = await capture(engine, world, coins, datetime(2026, 5, 20, tzinfo=UTC))
    await refund(engine, world, taken, 5, datetime(2026, 5, 21, tzinfo=UTC))
    await close(engine, MAY)
    for at_once in (1, 2, 3, 6, 7):
        monkeypatch.setattr(queries, "LINES_AT_ONCE", at_once)
        async with engine.connect() as connection:
            parts = [[row.coins for row in rows] async for rows in queries.stream_lines(connection, "NK-M-01-202605")]
        assert [coins for part in parts for coins in part] == [11, 12, 13, 14, 15, 5]
        assert {len(part) for part in parts[:-1]} <= {at_once}


async def test_two_who_close_a_month_at_once_issue_one_statement(world: World, engine: AsyncEngine, shop: str) -> None:
    await capture(engine, world, 100, datetime(2026, 5, 20, tzinfo=UTC))
    settled = await asyncio.gather(*(close(engine, MAY) for _ in range(4)))
    assert [each.issued for each in settled].count(True) == 1
    assert {each.number for each in settled} == {"NK-M-01-202605"}
    async with engine.connect() as connection:
        lines = sa.select(sa.func.count()).select_from(settlement_line)
        assert (await connection.execute(lines)).scalar_one() == 1


async def test_a_capture_without_a_rate_keeps_its_merchant_from_being_settled(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    await capture(engine, world, 100, datetime(2026, 4, 2, tzinfo=UTC))
    settled = await close(engine, MAY)
    assert (settled.number, settled.unrated) == (None, 1)
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(settlement_statement))).all() == []


async def test_nothing_to_settle_is_no_statement(world: World, engine: AsyncEngine, shop: str) -> None:
    settled = await close(engine, MAY)
    assert (settled.number, settled.unrated, settled.later) == (None, 0, None)


async def test_what_was_reversed_before_there_were_refunds_counts_as_refunded(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    taken, _ = await capture(engine, world, 100, datetime(2026, 5, 2, tzinfo=UTC))
    async with transaction(engine) as connection:
        at = datetime(2026, 5, 20, tzinfo=UTC)
        await history.move(connection, world.resident_id, "reversal", 100, at, reverses_id=taken, reason="old")
    settled = await close(engine, MAY)
    assert (settled.issued, settled.net_coins, settled.payable_fen) == (True, 0, 0)
    async with engine.connect() as connection:
        assert [row.kind for row in await queries.lines_page(connection, "NK-M-01-202605", after_id=None, limit=9)] == [
            "redemption",
            "refund",
        ]
        assert [row.refunded_coins for row in await queries.days_of(connection, "NK-M-01-202605", ZONE)] == [0, 100]


async def test_a_month_is_closed_when_its_last_transaction_is_committed(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_month = Month.of(business_day(datetime.now(UTC), ZONE))
    last_month = Month.of(this_month.first_day - timedelta(days=1))
    async with engine.connect() as connection:
        with pytest.raises(MonthNotOver, match=f"from {this_month.next}-01T00:02:00"):
            await require_over(connection, this_month, ZONE)
        monkeypatch.setattr("service.settlement.settling.CLOSING_LAG", timedelta(0))
        await require_over(connection, last_month, ZONE)
        monkeypatch.setattr("service.settlement.settling.CLOSING_LAG", timedelta(days=32))
        with pytest.raises(MonthNotOver):
            await require_over(connection, last_month, ZONE)


async def test_a_rate_reaches_into_the_past_only_where_there_was_none(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    async def agree(at: datetime | None, fen: int = 1000) -> datetime:
        async with transaction(engine) as connection:
            return await set_rate(connection, merchant_id=MERCHANT, fen_per_1000_coins=fen, effective_from=at)

    await capture(engine, world, 100, datetime(2026, 4, 2, tzinfo=UTC))
    for at in (datetime(2026, 5, 20, tzinfo=UTC), datetime.now(UTC)):
        with pytest.raises(RateInThePast):
            await agree(at)
    unrated = await close(engine, MAY)
    assert (unrated.number, unrated.unrated_from) == (None, datetime(2026, 4, 2, tzinfo=UTC))
    await agree(unrated.unrated_from)
    settled = await close(engine, MAY)
    assert (settled.issued, settled.payable_fen) == (True, 100)
    with pytest.raises(RateInThePast):
        await agree(unrated.unrated_from, fen=1)
    assert await agree(None) > datetime.now(UTC)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("settlement_statement", "issued_at"),
        ("settlement_line", "statement_number"),
        ("settlement_uncovered", "statement_number"),
    ],
)
async def test_the_service_cannot_change_what_is_settled(
    world: World, engine: AsyncEngine, table: str, column: str
) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET {column} = {column}"):
        async with engine.connect() as connection:
            with pytest.raises(ProgrammingError, match="permission denied"):
                await connection.execute(sa.text(statement))


async def test_coins_outstanding_add_up_to_what_the_wallets_hold(world: World, engine: AsyncEngine, shop: str) -> None:
    owner = world.resident_id
    async with transaction(engine) as connection:
        taken = await history.capture(connection, owner, 100, datetime(2026, 4, 20, tzinfo=UTC))
        await history.refund(connection, owner, taken, 30, datetime(2026, 5, 3, tzinfo=UTC))
        late_id, at = uuid.uuid4(), datetime(2026, 5, 4, tzinfo=UTC)
        cover_id = await history.move(connection, owner, "cover", 20, at, redemption_id=late_id)
        late = await history.move(connection, owner, "redemption", 20, at, redemption_id=late_id), late_id
        await history.refund(connection, owner, late, 20, at)
        await history.move(connection, owner, "cover_refund", 20, at, redemption_id=late_id, reverses_id=cover_id)
        lot_id = await history.earn(connection, owner, 9, at)
        await history.move(connection, owner, "expiry", 4, datetime(2026, 6, 5, tzinfo=UTC), reverses_id=lot_id)
        await adjust(connection, owner, 50)
        await adjust(connection, owner, -7)
        # Held over the end of May.
        driver = await driver_connection(connection)
        await driver.execute(
            "INSERT INTO hold_resolution VALUES ($1, $2, 'voided', 3, 0, $3, $4, $5)",
            *(owner, uuid.uuid4(), datetime(2026, 5, 31, 15, 59, tzinfo=UTC)),
            *(datetime(2026, 5, 31, 16, 9, tzinfo=UTC), datetime(2026, 5, 31, 16, 5, tzinfo=UTC)),
        )
    this_month = Month.of(business_day(datetime.now(UTC), ZONE))
    async with snapshot(engine) as connection:
        months = await coins_outstanding(connection, first=MAY, last=this_month, zone=ZONE)
        held = (await connection.execute(sa.select(sa.func.sum(wallet.c.posted)))).scalar_one()
    may, june = months[0], months[1]
    # What was covered and given back is nobody's.
    assert (may["issued_coins"], may["redeemed_coins"], may["outstanding_coins"]) == (9, -30, 39)
    assert (may["held_coins"], june["held_coins"]) == (3, 0)
    assert (june["expired_coins"], june["outstanding_coins"]) == (4, 35)
    assert months[-1]["adjusted_in_coins"] - months[-1]["adjusted_out_coins"] == 43
    assert months[-1]["outstanding_coins"] == held == 78


async def test_months_that_have_not_begun_are_left_out_and_an_open_hold_is_counted_once(
    world: World, engine: AsyncEngine, shop: str
) -> None:
    now = datetime.now(UTC)
    this_month = Month.of(business_day(now, ZONE))
    async with transaction(engine) as connection:
        driver = await driver_connection(connection)
        await driver.execute(
            "INSERT INTO hold VALUES ($1, $2, 10, now() - interval '1 microsecond', now() + interval '1 hour')",
            *(world.resident_id, uuid.uuid4()),
        )
    async with snapshot(engine) as connection:
        for last in (this_month, this_month.next, this_month.next.next):
            months = await coins_outstanding(connection, first=this_month, last=last, zone=ZONE)
            assert [(month["month"], month["held_coins"]) for month in months] == [(str(this_month), 10)]
        later = this_month.next
        assert await coins_outstanding(connection, first=later, last=later, zone=ZONE) == []
