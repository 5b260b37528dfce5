"""What waited for a card is credited within the limits of its day; the coins of what is beyond wait for an operator."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.reviews import RejectRequest, ReleaseRequest
from service.api_keys import create_api_key
from service.auth import authenticate_operator
from service.db import transaction
from service.ledger.waiting import LOCK_WAITING, Waiting
from service.plausibility.drop import AccountDay, AccountKind
from service.plausibility.rule_book import RuleBook, RuleRow
from service.residents.claiming import Terms, claim_waiting, within_the_day
from service.residents.queries import find_waiting_credentials
from service.review.deciding import reject, release
from service.tables.weighing import held_event, resident_day
from tests.blocking import until_blocked
from tests.folding.drops import NOON, bind, commit_drops, drop
from tests.residents.conftest import Client, bearer_of, count, register
from tests.world import World

DAY = date(2026, 3, 1)
CARDS = [b"one", b"two", b"three"]
ZONE = "Asia/Shanghai"


def rule(code: str, *, resident: int | None, trader: int | None, action: str = "hold", number: int = 1) -> RuleRow:
    began = datetime(2020, 1, 1, tzinfo=UTC)
    return RuleRow(number, code, began, action, {"resident": resident, "trader": trader})


TWO_DROPS = RuleBook([rule("day_drops", resident=2, trader=4)])
TERMS = Terms(timedelta(days=4000), ZONE, demo=False, rules=TWO_DROPS)


def waiting(number: int, **changes: Any) -> Waiting:
    """1 kg, 100 coins, on the hour."""
    at = NOON + timedelta(hours=number)
    event = Waiting(
        "NK-0001", f"e{number}", 7, "resident", "paper", 1000, 100, False, at.timestamp(), at.timestamp(), DAY
    )
    return event._replace(**changes)


def of_day(kind: AccountKind, drops: int) -> dict[tuple[int, date], AccountDay]:
    return {(7, DAY): AccountDay(kind, drops, drops * 1000, drops * 100)}


def test_the_day_is_filled_in_the_order_in_which_the_drops_happened() -> None:
    credited, held = within_the_day([waiting(number) for number in range(4)], {}, TWO_DROPS)
    assert [each.event_id for each in credited] == ["e0", "e1"]
    assert [(each.event_id, [finding.code for finding in found]) for each, found in held] == [
        ("e2", ["day_drops"]),
        ("e3", ["day_drops"]),
    ]
    assert held[0][1][0].figures == {"drops": 3, "drops_max": 2}


def test_what_was_credited_at_the_bin_counts_too_and_traders_have_their_own_limits() -> None:
    events = [waiting(number) for number in range(2)]
    credited, held = within_the_day(events, of_day("resident", 1), TWO_DROPS)
    assert (len(credited), len(held)) == (1, 1)
    credited, held = within_the_day(events, of_day("trader", 1), TWO_DROPS)
    assert (len(credited), len(held)) == (2, 0)


def test_another_day_and_another_account_are_not_asked() -> None:
    events = [waiting(0), waiting(1), waiting(2, day=DAY + timedelta(days=1)), waiting(3, owner_id=8)]
    credited, held = within_the_day(events, of_day("resident", 0), TWO_DROPS)
    assert (len(credited), held) == (4, [])


def test_grams_and_coins_have_limits_as_well_and_each_that_acts_is_told() -> None:
    book = RuleBook(
        [
            rule("day_grams", resident=1500, trader=None),
            rule("day_coins", resident=150, trader=None, number=2),
            rule("day_drops", resident=1, trader=None, action="credit", number=3),
        ]
    )
    credited, [(beyond, found)] = within_the_day([waiting(0), waiting(1)], {}, book)
    assert [each.event_id for each in (*credited, beyond)] == ["e0", "e1"]
    # A rule that lets drops through does not hold them.
    assert {finding.code: finding.figures for finding in found} == {
        "day_grams": {"grams": 2000, "grams_max": 1500, "grams_over": 500},
        "day_coins": {"coins": 200, "coins_max": 150, "coins_over": 50},
    }


def test_what_an_operator_has_released_is_not_asked_again_but_counts() -> None:
    events = [waiting(0), waiting(1, released=True), waiting(2, released=True), waiting(3)]
    credited, held = within_the_day(events, {}, TWO_DROPS)
    assert [each.event_id for each in credited] == ["e0", "e1", "e2"]
    assert len(held) == 1


async def claim(engine: AsyncEngine, terms: Terms = TERMS) -> int:
    async with transaction(engine) as connection:
        return await claim_waiting(connection, CARDS, terms)


async def days(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(sa.select(resident_day))]


async def drops_under_many_cards(engine: AsyncEngine, resident_id: int) -> None:
    """Two drops under each of three cards, all of one day, and then the cards are bound."""
    await commit_drops(engine, *(drop(grams=1000, card=card) for card in CARDS for _ in range(2)))
    async with transaction(engine) as connection:
        for card in CARDS:
            await bind(connection, card, resident_id)


async def test_who_collects_under_many_cards_gets_no_more_than_a_day(engine: AsyncEngine, world: World) -> None:
    newcomer = await register(engine)
    await drops_under_many_cards(engine, newcomer)
    assert await claim(engine) == 6
    assert await days(engine) == [(newcomer, DAY, 2, 2000, 200)]
    assert await count(engine, "SELECT count(*) FROM held_event WHERE state = 'open'") == 4
    assert await count(engine, f"SELECT posted FROM wallet WHERE owner_id = {newcomer}") == 200
    # Their volume counts as it did: they are unclaimed, and wait for an operator, not for a card.
    assert await count(engine, "SELECT count(*) FROM weigh_event WHERE outcome = 'unclaimed'") == 4
    assert await claim(engine) == 0
    # They do not even stand in the way of others that wait: of a thousand cards, a hundred at once are looked at.
    async with transaction(engine) as connection:
        asked = {"credential_digests": CARDS, "waiting_max": TERMS.waiting_max, "demo": False}
        assert (await connection.execute(LOCK_WAITING, asked)).all() == []
        found = await find_waiting_credentials(
            connection, NOON - timedelta(days=3000), waiting_max=TERMS.waiting_max, demo=False, limit=9
        )
        assert found == []


async def test_the_resident_sees_and_an_operator_decides(engine: AsyncEngine, world: World, client: Client) -> None:
    newcomer = await register(engine)
    await drops_under_many_cards(engine, newcomer)
    await claim(engine)
    page = await (await client.get("/v1/me/held-drops", headers=await bearer_of(engine, newcomer))).json()
    assert [each["reasons"][0]["code"] for each in page["held_drops"]] == ["day_drops"] * 4
    assert all(each["may_appeal"] and each["coins"] == 100 for each in page["held_drops"])
    async with transaction(engine) as connection:
        key = await create_api_key(connection, role="operator", name="李工")
        operator = await authenticate_operator(connection, key, demo=False)
        first, second = (await connection.execute(sa.select(held_event.c.id).limit(2))).scalars().all()
        released = await release(connection, operator, first, ReleaseRequest(reason="a move"), zone=ZONE, demo=False)
        rejected = await reject(connection, operator, second, RejectRequest(reason="a dealer"))
    assert (released.outcome, released.resident_id) == ("credited", newcomer)
    assert (rejected.outcome, rejected.state) == ("unclaimed", "rejected")
    assert await days(engine) == [(newcomer, DAY, 3, 3000, 300)]
    assert await claim(engine) == 0


async def test_two_that_claim_at_once_hold_and_credit_each_once(
    engine: AsyncEngine, admin_engine: AsyncEngine, world: World
) -> None:
    """Of a worker and a binding the second waits for the first, and sees what it has held."""
    newcomer = await register(engine)
    await drops_under_many_cards(engine, newcomer)
    async with engine.connect() as first, engine.connect() as second:
        assert await claim_waiting(first, CARDS, TERMS) == 6
        waits = asyncio.create_task(claim_waiting(second, CARDS, TERMS))
        await until_blocked(admin_engine, unless_done=waits)
        await first.commit()
        assert await waits == 0
        await second.commit()
    assert await days(engine) == [(newcomer, DAY, 2, 2000, 200)]
    assert await count(engine, "SELECT count(*) FROM held_event") == 4


@pytest.mark.parametrize("limit", [0, None])
async def test_rules_of_another_time_do_not_act(engine: AsyncEngine, world: World, limit: int | None) -> None:
    newcomer = await register(engine)
    later = rule("day_drops", resident=limit, trader=limit)._replace(effective_from=NOON + timedelta(days=1))
    await drops_under_many_cards(engine, newcomer)
    assert await claim(engine, Terms(TERMS.waiting_max, ZONE, demo=False, rules=RuleBook([later]))) == 6
    assert await days(engine) == [(newcomer, DAY, 6, 6000, 600)]
