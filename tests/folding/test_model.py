"""Late drops, holds, decisions, appeals and claims at random, in two transactions that stay open as they like, folded
in windows of any size: at every moment volumes by day and by month are what the folded events add up to, by the words
of `tanbi verify` and by those of a rebuild, which finds nothing to change since any day."""

import asyncio
import hashlib
import itertools
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import create_engine, transaction
from service.folding.mending import Mended
from service.folding.rebuild import rebuild_since
from service.folding.worker import tick
from service.secrets import Keyring
from service.settings import Settings
from service.verifying import volumes
from service.verifying.check import run_check
from tests.folding.drops import NOON, bind, credit_waiting_for, drop, fold_all, new_bin, new_resident, write
from tests.review.held import Held, decide, hold
from tests.world import build_world

Value = TypeVar("Value")

WRITERS = 2
CHECKS = [each for each in volumes.CHECKS if each.name in {"volumes_equal_events", "month_volumes_equal_volumes"}]
# From the middle of February to the middle of March.
hours = st.integers(-24 * 14, 24 * 14)
writers = st.integers(0, WRITERS - 1)
materials = st.sampled_from(["paper", "metal"])
grams = st.integers(1, 5000)


@dataclass
class Writer:
    """A transaction with a bin, a resident and a card of its own, and the held drops that its commit makes known."""

    connection: AsyncConnection
    bin_id: str
    resident_id: int
    card: bytes
    bound: bool = False
    holding: list["Waiting"] = field(default_factory=list)


@dataclass
class Waiting:
    """A held drop and what was decided on it, one after the other."""

    held: Held
    decisions: list[str] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Not decided, or rejected once and appealed."""
        return self.decisions in ([], ["rejected"])


class Folding(RuleBasedStateMachine):
    runner: ClassVar[asyncio.Runner]
    engine: ClassVar[AsyncEngine]
    admin_engine: ClassVar[AsyncEngine]
    service_settings: ClassVar[Settings]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """Writers of their own: earlier examples are in the same database."""
        self.waiting: list[Waiting] = []
        self.writers = [self.run(self._writer()) for _ in range(WRITERS)]

    async def _writer(self) -> Writer:
        bin_id, resident_id = await new_bin(self.engine), await new_resident(self.engine)
        card = hashlib.sha256(str(next(self.numbers)).encode()).digest()
        return Writer(await self.engine.connect(), bin_id, resident_id, card)

    @rule(by=writers, grams=grams, material=materials, late=hours, of_card=st.booleans())
    def drop(self, by: int, grams: int, material: str, late: int, *, of_card: bool) -> None:
        writer = self.writers[by]
        event = drop(
            grams=grams,
            material=material,
            card=writer.card if of_card else None,
            occurred_at=NOON + timedelta(hours=late),
            bin_id=writer.bin_id,
        )
        self.run(write(writer.connection, event))

    @rule(by=writers, grams=grams, late=hours)
    def hold(self, by: int, grams: int, late: int) -> None:
        writer = self.writers[by]
        held = self.run(hold(writer.connection, grams=grams, occurred_at=NOON + timedelta(hours=late)))
        writer.holding.append(Waiting(held))

    @precondition(lambda self: self.waiting)
    @rule(by=writers, pick=st.integers(0, 1000), decision=st.sampled_from(["released", "rejected"]), placed=hours)
    def decide(self, by: int, pick: int, decision: str, placed: int) -> None:
        """Known again when it is committed: two who decide at once would wait for each other."""
        writer, waiting = self.writers[by], self.waiting.pop(pick % len(self.waiting))
        self.run(decide(writer.connection, waiting.held, decision, placed_at=NOON + timedelta(hours=placed)))
        writer.holding.append(Waiting(waiting.held, [*waiting.decisions, decision]))

    @rule(by=writers)
    def claim(self, by: int) -> None:
        """Bind the card, and credit what waits for it."""
        writer = self.writers[by]
        self.run(self._claim(writer))
        writer.bound = True

    async def _claim(self, writer: Writer) -> None:
        if not writer.bound:
            await bind(writer.connection, writer.card, writer.resident_id)
        await credit_waiting_for(writer.connection, writer.card)

    @rule(by=writers)
    def commit(self, by: int) -> None:
        writer = self.writers[by]
        self.run(writer.connection.commit())
        self.waiting.extend(each for each in writer.holding if each.open)
        writer.holding.clear()

    @rule(window=st.integers(0, 4))
    def fold(self, window: int) -> None:
        self.run(tick(self.engine, self.service_settings, window_rows_max=window))

    @rule(days=st.integers(-20, 20))
    def rebuild(self, days: int) -> None:
        assert self.run(self._rebuild(days)) == Mended(0, ())

    async def _rebuild(self, days: int) -> Mended:
        async with transaction(self.admin_engine) as connection:
            since = NOON.date() + timedelta(days=days)
            return await rebuild_since(connection, since=since, timezone="Asia/Shanghai", shown=5)

    @invariant()
    def volumes_are_what_the_folded_events_add_up_to(self) -> None:
        assert self.run(self._breaches()) == []

    async def _breaches(self) -> list[Any]:
        async with self.engine.connect() as connection:
            results = [await run_check(connection, check, timezone="Asia/Shanghai") for check in CHECKS]
        return [(result.check.name, result.rows) for result in results if not result.holds]

    def teardown(self) -> None:
        for writer in getattr(self, "writers", ()):
            self.run(writer.connection.commit())
            self.run(writer.connection.close())
        self.run(fold_all(self.engine, self.service_settings))
        assert self.run(self._breaches()) == []
        assert self.run(self._rebuild(-20)) == Mended(0, ())


async def test_volumes_are_exact_after_any_order_of_events_decisions_claims_and_folds(settings: Settings) -> None:
    await asyncio.to_thread(_run_machine, settings)


def _run_machine(service_settings: Settings) -> None:
    """In a thread with a loop of its own, because Hypothesis calls the rules without one."""
    with asyncio.Runner() as runner:
        engine = create_engine(service_settings)
        owner = service_settings.model_copy(update={"database_url": service_settings.migration_database_url})
        admin_engine = create_engine(owner)
        Folding.runner, Folding.engine, Folding.admin_engine = runner, engine, admin_engine
        Folding.service_settings = service_settings
        try:
            runner.run(_prepare(engine, service_settings))
            run_state_machine_as_test(
                Folding,
                settings=effort(
                    max_examples=12, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            runner.run(engine.dispose())
            runner.run(admin_engine.dispose())


async def _prepare(engine: AsyncEngine, settings: Settings) -> None:
    await build_world(engine, Keyring.of(settings))
