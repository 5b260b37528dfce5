"""Held drops are decided once, credited as of their time, and again only after an appeal, by somebody else."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.reviews import RejectRequest
from service.db import create_engine, transaction
from service.errors import OwnRejection, ReviewDecided, ReviewUnknown, ValidationFailed
from service.plausibility.rule_book import RuleBook
from service.residents.cards import bind_card, credit_bound_card
from service.residents.claiming import Terms
from service.residents.waiting import credit_bound_since
from service.review.deciding import reject
from service.settings import Settings
from service.tables.bins import bin_placement
from service.tables.places import site
from service.tables.reference import tariff
from service.tables.weighing import resident_day, review_decision, weigh_event
from tests.blocking import until_blocked
from tests.review.conftest import ZONE, Office, bind_at
from tests.review.held import Held
from tests.world import EPOCH

NEW_CARD = "04C0FFEE5C6180"
DAY = timedelta(days=1)
EVER = timedelta(days=400)
TERMS = Terms(EVER, ZONE, demo=False, rules=RuleBook())


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - days * DAY


async def set_tariff(engine: AsyncEngine, coins_per_kg: int, effective_from: datetime, material: str = "paper") -> None:
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(tariff).values(material_id=material, effective_from=effective_from, coins_per_kg=coins_per_kg)
        )


async def bind(office: Office, resident_id: int, card: str = NEW_CARD) -> int:
    """What the binding of the card has credited."""
    digest = office.digest(card)
    async with transaction(office.engine) as connection:
        await bind_card(connection, resident_id, digest, cards_max=9, waiting_max=EVER, demo=False)
    async with transaction(office.engine) as connection:
        credited = await credit_bound_card(connection, resident_id, digest, TERMS)
    assert credited.balance_coins == await office.posted(resident_id)
    return credited.coins


async def days(office: Office) -> dict[int, tuple[int, int, int]]:
    """What each resident was credited for, all days together."""
    async with office.engine.connect() as connection:
        rows = await connection.execute(sa.select(resident_day))
        return {row.owner_id: (row.drops, row.grams, row.coins) for row in rows}


async def test_a_released_drop_is_credited_to_whose_card_was_shown(office: Office) -> None:
    held = await office.hold()
    decided = await office.release(held)
    assert (decided.state, decided.outcome, decided.coins) == ("released", "credited", 125)
    assert decided.resident_id == office.world.resident_id
    assert await office.credits(held) == [(office.world.resident_id, 125)]
    assert await office.posted() == 125
    assert await days(office) == {office.world.resident_id: (1, 1250, 125)}


async def test_it_earns_by_the_tariff_of_its_own_time(office: Office) -> None:
    await set_tariff(office.engine, 300, days_ago(1))
    old, new = await office.hold(occurred_at=days_ago(2)), await office.hold()
    assert (await office.release(old)).coins == 125
    assert (await office.release(new)).coins == 375


async def test_it_earns_by_the_tariff_of_the_time_at_which_an_operator_places_it(office: Office) -> None:
    await set_tariff(office.engine, 300, days_ago(1))
    held = await office.hold(occurred_at=datetime(1970, 1, 1, tzinfo=UTC), coins_per_kg=None)
    placed_at = days_ago(0.5)
    decided = await office.release(held, placed_at=placed_at)
    assert decided.coins == 375
    [decision] = (await office.read(held)).decisions
    assert (decision.placed_at, decision.coins_per_kg, decision.coins) == (placed_at, 300, 375)


async def test_a_drop_of_another_time_counts_where_the_bin_stood_then(office: Office) -> None:
    async with transaction(office.engine) as connection:
        await connection.execute(
            sa.insert(site).values(id="site-2", area_id="xuefu-1", kind="community", name="二号点", name_en="Site 2")
        )
        await connection.execute(
            sa.insert(bin_placement).values(bin_id="NK-0001", effective_from=days_ago(9), site_id="site-2")
        )
    placed = await office.hold()
    decided = await office.release(placed, placed_at=days_ago(3))
    assert decided.site.id == "site-2"
    # Its own time is where its own event says.
    assert (await office.release(await office.hold(occurred_at=days_ago(3)))).site.id == "site-1"


async def test_without_a_tariff_the_operator_says_what_it_earns(office: Office) -> None:
    held = await office.hold(occurred_at=EPOCH - DAY, coins_per_kg=None, code="no_tariff")
    with pytest.raises(ValidationFailed) as refused:
        await office.release(held)
    assert [error["pointer"] for error in refused.value.errors] == ["/coins_per_kg"]
    assert (await office.read(held)).coins is None
    assert (await office.release(held, coins_per_kg=40)).coins == 50
    with pytest.raises(ValidationFailed):
        await office.release(await office.hold(), coins_per_kg=40)


async def test_a_drop_that_is_yet_to_come_needs_a_time(office: Office) -> None:
    held = await office.hold(occurred_at=days_ago(-3), code="time_in_future")
    wrong: list[dict[str, Any]] = [{}, {"placed_at": days_ago(-1)}]
    for wanted in wrong:
        with pytest.raises(ValidationFailed) as refused:
            await office.release(held, **wanted)
        assert [error["pointer"] for error in refused.value.errors] == ["/placed_at"]
    assert await office.outcome(held) == "held"
    assert (await office.release(held, placed_at=days_ago(1))).outcome == "credited"


async def test_a_release_for_nothing_posts_no_transfer(office: Office) -> None:
    held = await office.hold(grams=9)
    assert (await office.release(held)).outcome == "credited"
    assert await office.credits(held) == []
    assert await days(office) == {office.world.resident_id: (1, 9, 0)}


async def test_a_released_drop_of_nobody_waits_for_its_card_and_earns_what_was_decided(office: Office) -> None:
    await set_tariff(office.engine, 300, days_ago(1))
    held = await office.hold(NEW_CARD, occurred_at=datetime(1970, 1, 1, tzinfo=UTC), coins_per_kg=None)
    decided = await office.release(held, placed_at=days_ago(0.5))
    assert (decided.outcome, decided.coins, decided.resident_id) == ("unclaimed", 375, None)
    assert await office.credits(held) == []
    newcomer = await office.register()
    assert await bind(office, newcomer) == 375
    assert await office.credits(held) == [(newcomer, 375)]
    assert await days(office) == {newcomer: (1, 1250, 375)}
    assert (await office.read(held)).resident_id == newcomer


async def test_what_a_binding_credited_is_told_again_whatever_has_become_of_transactions_ids(
    office: Office, admin_engine: AsyncEngine
) -> None:
    held, newcomer = await office.hold(NEW_CARD), await office.register()
    await office.release(held)
    assert await bind(office, newcomer) == 125
    async with transaction(admin_engine) as connection:
        # A rebuild writes ids of another cluster down to one and the same.
        await connection.execute(sa.update(weigh_event).values(xid=5, claimed_xid=5))
        await connection.execute(sa.update(review_decision).values(xid=5))
        credited = await credit_bound_card(connection, newcomer, office.digest(NEW_CARD), TERMS)
    assert (credited.events, credited.coins) == (1, 125)


@pytest.mark.parametrize("code", ["time_in_future", "time_before_visit", "time_too_old"])
async def test_a_held_drop_of_a_wrong_clock_becomes_whose_card_it_was(office: Office, code: str) -> None:
    of_1970 = await office.hold(NEW_CARD, code=code, occurred_at=datetime(1970, 1, 1, tzinfo=UTC))
    came_long_ago = await office.hold(NEW_CARD, code=code, held_at=days_ago(500))
    other_doubt = await office.hold(NEW_CARD, code="no_tariff", occurred_at=datetime(1970, 1, 1, tzinfo=UTC))
    newcomer = await office.register()
    assert await bind(office, newcomer) == 0
    whose = [(await office.read(held)).resident_id for held in (of_1970, came_long_ago, other_doubt)]
    assert whose == [newcomer, None, None]


async def test_a_drop_is_credited_to_whoever_has_bound_the_card_by_its_release(office: Office) -> None:
    held, earlier = await office.hold(NEW_CARD), await office.hold(NEW_CARD, occurred_at=days_ago(500))
    newcomer = await office.register()
    assert await bind(office, newcomer) == 0
    assert (await office.read(held)).resident_id == newcomer
    assert (await office.release(held)).resident_id == newcomer
    # From before the card was theirs, as far back as drops may wait.
    assert (await office.release(earlier)).outcome == "unclaimed"
    # Credited by the release, and not because the card was bound.
    async with transaction(office.engine) as connection:
        credited = await credit_bound_card(connection, newcomer, office.digest(NEW_CARD), TERMS)
    assert (credited.events, credited.coins, credited.balance_coins) == (0, 0, 125)


async def test_the_worker_finds_what_was_released_for_a_card_that_was_being_bound(office: Office) -> None:
    held, undecided = await office.hold(NEW_CARD), await office.hold(NEW_CARD)
    await office.release(held)
    newcomer = await office.register()
    # As if the service had died between the two transactions of the binding.
    await bind_at(office.engine, office.digest(NEW_CARD), newcomer)
    assert await credit_bound_since(office.engine, EPOCH, TERMS) == 1
    assert await office.credits(held) == [(newcomer, 125)]
    assert (await office.read(undecided)).resident_id == newcomer


async def test_a_rejected_drop_earns_nothing_and_is_decided_once(office: Office) -> None:
    held = await office.hold()
    assert (await office.reject(held)).state == "rejected"
    assert await office.outcome(held) == "rejected"
    with pytest.raises(ReviewDecided, match="李工 Li rejected this drop"):
        await office.release(held, "wang")
    with pytest.raises(ReviewDecided):
        await office.reject(held)
    assert await office.posted() == 0


async def test_a_released_drop_is_released_for_ever(office: Office) -> None:
    held = await office.hold()
    await office.release(held)
    for decide in (office.release, office.reject):
        with pytest.raises(ReviewDecided):
            await decide(held, "wang")
    assert await office.credits(held) == [(office.world.resident_id, 125)]


async def test_after_an_appeal_somebody_else_decides(office: Office) -> None:
    held = await office.hold()
    await office.reject(held)
    await office.appeal(held)
    for who in ("li", "li again"):
        for decide in (office.release, office.reject):
            with pytest.raises(OwnRejection):
                await decide(held, who)
    assert (await office.release(held, "wang")).outcome == "credited"
    assert await office.credits(held) == [(office.world.resident_id, 125)]
    decisions = (await office.read(held)).decisions
    assert [(each.decision, each.decided_by.name) for each in decisions] == [
        ("rejected", "李工 Li"),
        ("released", "王工"),
    ]


async def test_an_appeal_that_is_rejected_stays_so(office: Office) -> None:
    held = await office.hold()
    await office.reject(held)
    await office.appeal(held)
    assert (await office.reject(held, "wang")).state == "upheld"
    with pytest.raises(ReviewDecided):
        await office.release(held, "wang")
    assert await office.outcome(held) == "rejected"


async def test_an_appeal_before_the_first_decision_is_heard_with_it(office: Office) -> None:
    held = await office.hold()
    await office.appeal(held)
    assert (await office.reject(held)).state == "upheld"
    assert len((await office.read(held)).decisions) == 1


async def test_a_drop_whose_coins_alone_waited_keeps_its_volume_and_gets_them(office: Office) -> None:
    credited, refused = [await office.hold(verdict="credit", outcome="unclaimed") for _ in range(2)]
    with pytest.raises(ValidationFailed):
        await office.release(credited, placed_at=days_ago(1))
    assert (await office.release(credited)).outcome == "credited"
    assert (await office.reject(refused)).outcome == "unclaimed"
    assert await office.posted() == 125


async def test_a_review_that_is_not_there_is_unknown(office: Office) -> None:
    held = Held("NK-0001", "x", (await office.hold()).review_id)
    stranger = held._replace(review_id=office.operators["li"].key_id)
    with pytest.raises(ReviewUnknown):
        await office.release(stranger)
    with pytest.raises(ReviewUnknown):
        await office.reject(stranger)


async def test_two_operators_at_the_same_moment_decide_once(office: Office, settings: Settings) -> None:
    """At two replicas: each has connections of its own."""
    held = [await office.hold() for _ in range(8)]
    elsewhere = create_engine(settings)
    try:
        away = Office(elsewhere, office.keyring, office.world, office.operators, office.keys)
        attempts: list[Any] = []
        for number, each in enumerate(held):
            attempts += [office.release(each), away.release(each, "wang") if number % 2 else away.reject(each, "wang")]
        done = await asyncio.gather(*attempts, return_exceptions=True)
    finally:
        await elsewhere.dispose()
    failed = [each for each in done if isinstance(each, BaseException)]
    assert len(failed) == len(held)
    assert all(isinstance(each, ReviewDecided) for each in failed), failed
    outcomes = [await office.outcome(each) for each in held]
    assert await office.posted() == 125 * outcomes.count("credited")
    assert [len(await office.credits(each)) for each in held] == [outcome == "credited" for outcome in outcomes]


async def test_a_second_decision_waits_for_the_first_and_sees_it(office: Office, admin_engine: AsyncEngine) -> None:
    held = await office.hold()
    async with office.engine.connect() as deciding:
        await reject(deciding, office.operators["li"], held.review_id, RejectRequest(reason="the box is wet"))
        second = asyncio.create_task(office.release(held, "wang"))
        await until_blocked(admin_engine, unless_done=second)
        await deciding.commit()
    with pytest.raises(ReviewDecided):
        await second
    assert await office.posted() == 0
