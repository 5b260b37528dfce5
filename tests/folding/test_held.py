"""Held drops: beside the volume until the first decision, in it once they are released, and nowhere when rejected."""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.folding import queries
from service.folding.worker import fold_step, tick
from service.settings import Settings
from service.tables.volumes import volume
from tests.folding.differences import month_volume_differences, volume_differences
from tests.folding.drops import NOON, Place, fold_all, rows
from tests.review.held import Held, decide, hold

DAY, BEFORE = date(2026, 3, 1), date(2026, 2, 28)
YESTERDAY = NOON - timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")

# The ways a held drop may go; with the first decision alone it may yet be appealed.
PATHS = ((), ("released",), ("rejected",), ("rejected", "released"), ("rejected", "rejected"))

Sums = dict[tuple[date, str], tuple[int, int, int, int]]


async def volumes(engine: AsyncEngine) -> Sums:
    """(day, site) → grams, drops, held grams, held drops; of days on which nothing is left, nothing."""
    found = await rows(engine, volume, ("day", "site_id"))
    return {(day, site): (*sums,) for day, site, _, _, *sums in found if any(sums)}


async def held_drop(engine: AsyncEngine, **changes: Any) -> Held:
    async with transaction(engine) as connection:
        return await hold(connection, **{"grams": 1000, "occurred_at": NOON, **changes})


async def decided(engine: AsyncEngine, held: Held, decision: str, **changes: Any) -> None:
    async with transaction(engine) as connection:
        await decide(connection, held, decision, **{"placed_at": NOON, **changes})


async def test_a_held_drop_is_beside_the_volume_until_it_is_decided(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    held = await held_drop(engine)
    await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "site-1"): (0, 0, 1000, 1)}
    await decided(engine, held, "released")
    await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "site-1"): (1000, 1, 0, 0)}


async def test_a_rejected_drop_counts_nowhere(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    await held_drop(engine, verdict="reject", outcome="rejected")
    await decided(engine, await held_drop(engine), "rejected")
    await fold_all(engine, settings)
    assert await volumes(engine) == {}


async def test_a_release_after_an_appeal_takes_nothing_from_what_is_held(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    await held_drop(engine)
    held = await held_drop(engine)
    for decision in ("rejected", "released"):
        await decided(engine, held, decision)
        await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "site-1"): (1000, 1, 1000, 1)}


async def test_a_release_counts_on_the_day_and_at_the_site_that_it_names(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    held = await held_drop(engine, occurred_at=datetime(2031, 1, 1, tzinfo=UTC))
    await fold_all(engine, settings)
    await decided(engine, held, "released", placed_at=YESTERDAY, site_id="site-9")
    await fold_all(engine, settings)
    assert await volumes(engine) == {(BEFORE, "site-9"): (1000, 1, 0, 0)}


async def test_a_decision_on_coins_alone_moves_no_volume(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    held = [await held_drop(engine, verdict="credit", outcome="unclaimed") for _ in range(2)]
    await decided(engine, held[0], "released")
    await decided(engine, held[1], "rejected")
    await fold_all(engine, settings)
    assert await volumes(engine) == {(DAY, "site-1"): (2000, 2, 0, 0)}


async def test_a_decision_by_a_transaction_older_than_the_drop_is_counted_once(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    async with engine.connect() as deciding:
        await deciding.execute(sa.text("SELECT pg_current_xact_id()"))
        held = await held_drop(engine)
        await decide(deciding, held, "rejected", placed_at=NOON)
        await deciding.commit()
    # One transaction a window: the decision is folded before its drop.
    while not await volumes(engine):
        assert await fold_step(engine, settings, 0) is not None
    assert await volumes(engine) == {(DAY, "site-1"): (0, 0, -1000, -1)}
    await fold_all(engine, settings)
    assert await volumes(engine) == {}


async def test_a_decision_that_is_not_folded_is_lag(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    held = await held_drop(engine)
    await fold_all(engine, settings)
    async with engine.connect() as connection:
        assert await queries.fold_lag_seconds(connection) == 0
    await decided(engine, held, "released")
    async with engine.connect() as connection:
        assert await queries.fold_lag_seconds(connection) > 0


@dataclass
class Item:
    """A held drop, how it will go, and how many decisions on it are committed."""

    held: Held
    at: datetime
    grams: int
    path: tuple[str, ...]
    decided: int = 0


@dataclass
class Model:
    """What was committed, as the test itself knows it: grams by day, of the volume and of what is held."""

    grams: Counter[date]
    held_grams: Counter[date]

    def take(self, item: Item, placed_at: datetime | None) -> None:
        """The drop itself, where no time is given, or the next decision on it."""
        if placed_at is None:
            self.held_grams[day_of(item.at)] += item.grams
            return
        decision = item.path[item.decided]
        item.decided += 1
        if item.decided == 1:
            self.held_grams[day_of(item.at)] -= item.grams
        if decision == "released":
            self.grams[day_of(placed_at)] += item.grams


@pytest.mark.parametrize("seed", range(4))
async def test_after_any_order_of_drops_decisions_and_folds_volumes_are_what_was_decided(
    seed: int, place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    """Four transactions stay open and end as they like; each drop is decided by whichever comes to it."""
    pick = random.Random(seed)  # noqa: S311  # a test that can be repeated
    model = Model(Counter(), Counter())
    writers = [await engine.connect() for _ in range(4)]
    pending: list[list[tuple[Item, datetime | None]]] = [[] for _ in writers]
    committed: list[Item] = []
    for _ in range(250):
        number = pick.randrange(4)
        writer, at = writers[number], NOON + timedelta(hours=pick.randrange(-60, 60))
        match pick.randrange(8):
            case 0 | 1:
                grams = pick.randrange(1, 5000)
                held = await hold(writer, grams=grams, occurred_at=at)
                pending[number].append((Item(held, at, grams, pick.choice(PATHS)), None))
            case 2 | 3 if committed:
                # Taken out until it is committed: two who decide at once would wait for each other.
                item = committed.pop(pick.randrange(len(committed)))
                if item.decided < len(item.path):
                    await decide(writer, item.held, item.path[item.decided], placed_at=at)
                    pending[number].append((item, at))
            case 4 | 5:
                if pick.random() < 0.7:
                    await writer.commit()
                    for item, placed_at in pending[number]:
                        model.take(item, placed_at)
                        committed.append(item)
                else:
                    await writer.rollback()
                pending[number].clear()
            case _:
                await tick(engine, settings, window_rows_max=pick.randrange(4))
                async with transaction(engine) as connection:
                    assert await volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
                    assert (
                        await month_volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
                    )
    for writer in writers:
        await writer.rollback()
        await writer.close()
    await fold_all(engine, settings)
    found = await volumes(engine)
    assert {day: sums[0] for (day, _), sums in found.items() if sums[0]} == dict(+model.grams)
    assert {day: sums[2] for (day, _), sums in found.items() if sums[2]} == dict(+model.held_grams)
    assert model.grams
    assert +model.held_grams


def day_of(at: datetime) -> date:
    return at.astimezone(SHANGHAI).date()
