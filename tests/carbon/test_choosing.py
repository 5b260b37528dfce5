"""Which set is in force; and that no choice changes what was told before."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.business_days import business_day, day_begins_at
from service.carbon import choosing
from service.carbon.choosing import choose_set, list_choices
from service.carbon.factor_sets import list_sets
from service.carbon.rules import SINCE_EVER
from service.db import create_engine, transaction
from service.errors import CarbonChoiceTooEarly
from service.folding.rebuild import rebuild
from service.folding.worker import tick
from service.secrets import Keyring
from service.settings import Settings
from service.tables.carbon import carbon_set_choice
from service.tables.volumes import fold_position, resident_volume, volume
from service.tables.weighing import weigh_event
from service.verifying import volumes as volume_checks
from service.verifying.check import run_check
from tests.folding.drops import commit_drops, drop, fold_all, rows
from tests.review.held import decide, hold
from tests.world import CARD, World

ZONE = "Asia/Shanghai"
[VERIFY] = [check for check in volume_checks.CHECKS if check.name == "resident_volumes_equal_events"]


@dataclass
class Clock:
    """The day that it is for whoever chooses: noon of it."""

    today: date = date(2026, 3, 1)

    def noon(self, day: date | None = None) -> datetime:
        return datetime.combine(day or self.today, time(4), UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    async def now(_: AsyncConnection) -> datetime:
        return clock.noon()

    monkeypatch.setattr(choosing, "database_now", now)
    return clock


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"fold_interval_seconds": 1e-6})


@pytest.fixture
def card(settings: Settings) -> bytes:
    return Keyring.of(settings).credential_digest("card", CARD)


async def choose(engine: AsyncEngine, set_id: str, effective_from: date | None = None) -> date:
    async with transaction(engine) as connection:
        return await choose_set(connection, set_id, effective_from=effective_from, zone=ZONE)


async def of_residents(engine: AsyncEngine) -> list[tuple[Any, ...]]:
    """Material, set and grams of each row."""
    return [row[1:] for row in await rows(engine, resident_volume, ("owner_id", "material_id", "set_id"))]


async def test_the_first_choice_is_since_ever_and_counts_all_that_was_brought(
    factors: None, engine: AsyncEngine, settings: Settings, clock: Clock, card: bytes
) -> None:
    await commit_drops(engine, drop(grams=1000, card=card, occurred_at=clock.noon(date(2026, 1, 1))))
    await fold_all(engine, settings)
    assert await of_residents(engine) == [("paper", "", 1000)]
    assert await choose(engine, "b") == SINCE_EVER
    assert await of_residents(engine) == [("paper", "b", 1000)]
    await commit_drops(engine, drop(grams=5, card=card, occurred_at=clock.noon(date(2025, 1, 1))))
    await fold_all(engine, settings)
    assert await of_residents(engine) == [("paper", "b", 1005)]


async def test_a_choice_waits_for_what_is_being_folded_however_long(
    factors: None, engine: AsyncEngine, settings: Settings, clock: Clock
) -> None:
    hasty = create_engine(settings.model_copy(update={"statement_timeout_seconds": 1}))
    async with engine.connect() as folding:
        await folding.execute(sa.select(fold_position).with_for_update())
        choosing_one = asyncio.create_task(choose(hasty, "a"))
        # Longer than a statement of the service may take, and twice as long as it waits for a lock.
        await asyncio.sleep(1.3)
        assert not choosing_one.done()
        await folding.rollback()
    assert await choosing_one == SINCE_EVER
    await hasty.dispose()


async def test_a_choice_is_of_a_day_that_is_still_to_come(factors: None, engine: AsyncEngine, clock: Clock) -> None:
    tomorrow = clock.today + timedelta(days=1)
    # Also the first, where it names a day.
    for day in (date(2020, 1, 1), clock.today):
        with pytest.raises(CarbonChoiceTooEarly, match=f"The first day that can be chosen now is {tomorrow}"):
            await choose(engine, "a", day)
    assert await choose(engine, "a", tomorrow) == tomorrow
    # There is a first one now.
    assert await choose(engine, "b") == tomorrow


async def test_the_day_begins_by_the_citys_clock(
    factors: None, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def now(_: AsyncConnection) -> datetime:
        return datetime(2026, 2, 28, 16, tzinfo=UTC)

    monkeypatch.setattr(choosing, "database_now", now)
    with pytest.raises(CarbonChoiceTooEarly):
        await choose(engine, "a", date(2026, 3, 1))
    assert await choose(engine, "a", date(2026, 3, 2))


async def test_a_day_on_which_something_counts_already_is_not_chosen(
    factors: None, engine: AsyncEngine, settings: Settings, clock: Clock, card: bytes
) -> None:
    """A bin's clock is a minute ahead, a minute before midnight."""
    tomorrow = clock.today + timedelta(days=1)
    await commit_drops(engine, drop(card=card, occurred_at=day_begins_at(tomorrow, ZONE)))
    await fold_all(engine, settings)
    with pytest.raises(CarbonChoiceTooEarly, match=f"now is {tomorrow + timedelta(days=1)}"):
        await choose(engine, "a", tomorrow)
    assert await choose(engine, "a", tomorrow + timedelta(days=1))


async def test_nothing_is_folded_while_a_choice_is_written(
    factors: None, engine: AsyncEngine, settings: Settings, clock: Clock, card: bytes
) -> None:
    tomorrow = clock.today + timedelta(days=1)
    async with engine.connect() as choosing_one:
        await choose_set(choosing_one, "a", effective_from=tomorrow, zone=ZONE)
        await commit_drops(engine, drop(grams=7, card=card, occurred_at=day_begins_at(tomorrow, ZONE)))
        assert await tick(engine, settings) is False
        await choosing_one.commit()
    await fold_all(engine, settings)
    assert await of_residents(engine) == [("paper", "a", 7)]


async def test_of_two_from_one_day_the_later_holds_and_each_is_told_as_what_it_is(
    factors: None, engine: AsyncEngine, clock: Clock
) -> None:
    await choose(engine, "a")
    day = clock.today + timedelta(days=9)
    await choose(engine, "b", day)
    await choose(engine, "a", day)
    async with transaction(engine) as connection:
        told = [(row.set_id, standing) for row, standing in await list_choices(connection, clock.today)]
        [a, b] = (await list_sets(connection)).sets
        later = [standing for _, standing in await list_choices(connection, day)]
    assert told == [("a", "in force"), ("b", "replaced"), ("a", "to come")]
    assert later == ["over", "replaced", "in force"]
    assert [(each.first_day, each.last_day) for each in a.in_force] == [(None, None)]
    assert b.in_force == []


async def test_a_release_counts_by_the_set_of_the_day_that_it_names(
    factors: None, world: World, engine: AsyncEngine, settings: Settings, clock: Clock
) -> None:
    """A bin believed that it was next month; an operator says when the drop was."""
    await choose(engine, "a")
    await choose(engine, "b", clock.today + timedelta(days=5))
    await release(engine, world, believed=clock.noon() + timedelta(days=30), placed_at=clock.noon(), grams=40)
    await fold_all(engine, settings)
    assert await of_residents(engine) == [("paper", "a", 40)]
    async with transaction(engine) as connection:
        assert (await run_check(connection, VERIFY, timezone=ZONE)).rows == []


async def release(engine: AsyncEngine, world: World, *, believed: datetime, placed_at: datetime, grams: int) -> None:
    async with transaction(engine) as connection:
        held = await hold(connection, occurred_at=believed, grams=grams)
        await decide(connection, held, "released", placed_at=placed_at)
        await connection.execute(
            sa.update(weigh_event)
            .where(weigh_event.c.event_id == held.event_id)
            .values(
                outcome="credited",
                resident_id=world.resident_id,
                claimed_xid=sa.text("pg_current_xact_id()::text::bigint"),
            )
        )


@dataclass
class Model:
    """What was chosen and dropped, as the test itself knows it."""

    sets: dict[date, str] = field(default_factory=dict)
    drops: list[tuple[date, str, int]] = field(default_factory=list)

    def set_on(self, day: date) -> str:
        return max(((begins, set_id) for begins, set_id in self.sets.items() if begins <= day), default=(day, ""))[1]

    def of_residents(self) -> list[tuple[str, str, int]]:
        grams: Counter[tuple[str, str]] = Counter()
        for day, material, weight in self.drops:
            grams[material, self.set_on(day)] += weight
        return [(*key, weight) for key, weight in sorted(grams.items())]


@pytest.mark.parametrize("seed", range(6))
async def test_no_choice_changes_what_was_told_before(
    seed: int,
    factors: None,
    world: World,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    settings: Settings,
    clock: Clock,
    card: bytes,
) -> None:
    """Weeks of drops, of bins that come back online, of releases and choices at random: whenever a set is chosen, what
    residents were told stays to the last row, and in the end each drop counts by the set of its own day."""
    pick = random.Random(seed)  # noqa: S311  # a test that can be repeated
    model = Model()
    for _ in range(25):
        day = clock.today - timedelta(days=pick.choice((0, 0, 0, 1, 3, 20)))
        material, grams = pick.choice(("paper", "plastic", "metal")), pick.randrange(1, 5000)
        match pick.randrange(8):
            case 0 | 1 | 2:
                at = clock.noon(day) + timedelta(hours=pick.randrange(-12, 12))
                model.drops.append((business_day(at, ZONE), material, grams))
                await commit_drops(engine, drop(grams=grams, material=material, card=card, occurred_at=at))
            case 3:
                believed = clock.noon() + timedelta(days=pick.randrange(40))
                model.drops.append((day, "paper", grams))
                await release(engine, world, believed=believed, placed_at=clock.noon(day), grams=grams)
            case 4 | 5:
                await fold_all(engine, settings)
                before = await of_residents(engine)
                wanted = pick.choice((None, clock.today + timedelta(days=pick.randrange(-1, 6))))
                set_id = pick.choice("ab")
                try:
                    model.sets[await choose(engine, set_id, wanted)] = set_id
                except CarbonChoiceTooEarly:
                    assert wanted is not None
                    assert wanted <= clock.today + timedelta(days=1)
                # The first choice since ever says by what all counts that counted by nothing.
                if list(model.sets) != [SINCE_EVER]:
                    assert await of_residents(engine) == before
            case _:
                clock.today += timedelta(days=pick.randrange(1, 4))
    await fold_all(engine, settings)
    assert await of_residents(engine) == model.of_residents()
    async with transaction(engine) as connection:
        assert (await run_check(connection, VERIFY, timezone=ZONE)).rows == []
        assert (
            sum(grams for *_, grams in model.of_residents())
            == (await connection.execute(sa.select(sa.func.coalesce(sa.func.sum(volume.c.grams), 0)))).scalar_one()
        )
    async with transaction(admin_engine) as connection:
        await rebuild(connection, timezone=ZONE)
    assert await of_residents(engine) == model.of_residents()
    assert len(model.sets) == len({row.effective_from for row in await choices(engine)})


async def choices(engine: AsyncEngine) -> list[Any]:
    async with transaction(engine) as connection:
        return list(await connection.execute(sa.select(carbon_set_choice)))
