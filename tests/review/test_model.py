"""Drops held, released, rejected and appealed at random, cards bound in between, two operators who come at the same
moment; against a model that fits on two screens: a wallet is what was credited, and nothing is paid twice."""

import asyncio
import contextlib
import hashlib
import itertools
import uuid
from collections import Counter
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

import pytest
import sqlalchemy as sa
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
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.reviews import AppealRequest, RejectRequest, ReleaseRequest
from service.api_keys import create_api_key
from service.auth import Operator, authenticate_operator
from service.db import create_engine, transaction
from service.errors import AlreadyAppealed, HeldDropUnknown, NothingToAppeal, OwnRejection, ReviewDecided, TanbiError
from service.plausibility.rule_book import RuleBook, RuleRow
from service.residents.cards import bind_card, credit_bound_card
from service.residents.claiming import Terms
from service.residents.residents import register_resident
from service.review.appealing import appeal
from service.review.deciding import reject, release
from service.secrets import Keyring
from service.settings import Settings
from service.tables.ledger import transfer, wallet
from service.tables.reference import tariff
from service.tables.weighing import held_event, resident_day
from service.verifying.verify import verify
from tests.folding.drops import fold_all
from tests.review.held import Held, hold
from tests.world import build_world

Value = TypeVar("Value")

RESIDENTS, CARDS, OPERATORS, DROPS = 2, 2, 2, 4
ZONE = "Asia/Shanghai"
# The price is three times as high from the second day on.
FIRST_DAY = datetime(2026, 3, 1, 4, tzinfo=UTC)
SECOND_DAY = FIRST_DAY + timedelta(days=1)
EVER = timedelta(days=10_000)
# A resident is credited for one drop a day of what waited for a card.
DAY_DROPS = 1
RULES = RuleBook(
    [RuleRow(1, "day_drops", datetime(2020, 1, 1, tzinfo=UTC), "hold", {"resident": DAY_DROPS, "trader": None})]
)
TERMS = Terms(EVER, ZONE, demo=False, rules=RULES)

operators = st.integers(0, OPERATORS - 1)
some = st.integers(0, 10**6)
# Grams, the card that is shown, whether on the second day, and whether a rule holds it.
Wanted = tuple[int, int | None, bool, bool]
wanted = st.tuples(
    st.sampled_from([5, 500, 2000]),
    st.sampled_from([0, 0, 0, 1, 1, None]),
    st.booleans(),
    st.sampled_from([True, True, False]),
)


@dataclass
class Drop:
    """What the model knows of a drop; times are seconds since FIRST_DAY."""

    key: Held
    grams: int
    card: int | None
    at: int
    # held: by a rule; coins: its coins alone; None: it only waits for its card.
    held: str | None
    state: str = "open"
    appealed: bool = False
    # Who has decided, and what.
    decisions: list[tuple[int, str]] = field(default_factory=list)
    counts_at: int = 0
    paid: tuple[int, int] | None = None
    # Whose it is known to be.
    owner: int | None = None

    @property
    def waits(self) -> bool:
        """For its card: with nothing to decide, or released."""
        return self.paid is None and (self.held is None or self.state == "released")

    @property
    def coins(self) -> int:
        return self.grams * (100 if self.counts_at < 86_400 else 300) // 1000

    @property
    def day(self) -> int:
        return self.counts_at // 86_400


class Reviews(RuleBasedStateMachine):
    """Two residents with a card each, two operators, and so few drops that much becomes of each."""

    runner: ClassVar[asyncio.Runner]
    engine: ClassVar[AsyncEngine]
    deciders: ClassVar[list[Operator]]
    run_numbers: ClassVar[Iterator[int]] = itertools.count()

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self.runner.run(work)

    @initialize(wanted=st.lists(wanted, min_size=2, max_size=DROPS))
    def begin(self, wanted: list[Wanted]) -> None:
        """People, cards and drops of their own: earlier examples are in the same database."""
        self.number = next(self.run_numbers)
        self.clock = itertools.count()
        self.drops: list[Drop] = []
        self.owners: dict[int, int] = {}
        self.ids = self.run(self._register())
        for each in wanted:
            self._make(each)

    async def _register(self) -> list[int]:
        async with transaction(self.engine) as connection:
            return [await register_resident(connection) for _ in range(RESIDENTS)]

    def digest(self, card: int) -> bytes:
        return hashlib.sha256(f"{self.number}/{card}".encode()).digest()

    def owner_of(self, card: int | None) -> int | None:
        return None if card is None else self.owners.get(card)

    @precondition(lambda self: len(self.drops) < DROPS)
    @rule(wanted=wanted)
    def drop(self, wanted: Wanted) -> None:
        self._make(wanted)

    def _make(self, wanted: Wanted) -> None:
        """A drop that is held, or one that waits for its card; of a card that is bound already, one that is held."""
        grams, card, second, held = wanted
        held = held or card is None or card in self.owners
        at = 86_400 * second + next(self.clock)
        made = Drop(Held("", "", uuid.UUID(int=0)), grams, card, at, "held" if held else None, counts_at=at)
        made.owner = self.owner_of(card) if held else None
        made.key = self.run(self._drop(made))
        self.drops.append(made)

    async def _drop(self, made: Drop) -> Held:
        waiting: dict[str, Any] = {} if made.held else {"verdict": "credit", "outcome": "unclaimed", "reviewed": False}
        async with transaction(self.engine) as connection:
            return await hold(
                connection,
                held_for=None if made.owner is None else self.ids[made.owner],
                grams=made.grams,
                coins_per_kg=100 if made.at < 86_400 else 300,
                occurred_at=FIRST_DAY + timedelta(seconds=made.at),
                credential_digest=None if made.card is None else self.digest(made.card),
                **waiting,
            )

    @precondition(lambda self: len(self.owners) < CARDS)
    @rule()
    def bind(self) -> None:
        """The next resident their card."""
        card = resident = len(self.owners)
        self.owners[card] = resident
        self.run(self._bind(resident, card))
        of_card = [each for each in self.drops if each.card == card]
        for each in of_card:
            each.owner = resident
        for each in sorted((each for each in of_card if each.waits), key=lambda each: each.counts_at):
            if each.held is None and self._days(resident)[each.day] >= DAY_DROPS:
                each.held = "coins"
                each.key = self.run(self._review_of(each.key))
            else:
                each.paid = (resident, each.coins)

    def _days(self, resident: int) -> Counter[int]:
        return Counter(each.day for each in self.drops if each.paid is not None and each.paid[0] == resident)

    async def _bind(self, resident: int, card: int) -> None:
        digest, owner_id = self.digest(card), self.ids[resident]
        async with transaction(self.engine) as connection:
            await bind_card(connection, owner_id, digest, cards_max=CARDS, waiting_max=EVER, demo=False)
        async with transaction(self.engine) as connection:
            await credit_bound_card(connection, owner_id, digest, TERMS)

    async def _review_of(self, key: Held) -> Held:
        query = sa.select(held_event.c.id).where(held_event.c.event_id == key.event_id)
        async with self.engine.connect() as connection:
            return key._replace(review_id=(await connection.execute(query)).scalar_one())

    def _pick(self, pick: int, *likely: str) -> Drop:
        """Usually one in a state in which something can be done."""
        reviewed = [each for each in self.drops if each.held is not None]
        open_to = [each for each in reviewed if each.state in likely]
        among = open_to if open_to and pick % 5 else reviewed
        return among[pick % len(among)]

    def _any_review(self) -> bool:
        return any(each.held is not None for each in getattr(self, "drops", ()))

    @precondition(_any_review)
    @rule(pick=some, who=operators, released=st.booleans(), moved=st.booleans())
    def decide(self, pick: int, who: int, *, released: bool, moved: bool) -> None:
        """`moved`: the drop is placed on the other day."""
        each = self._pick(pick, "open", "appealed")
        moved = moved and released and each.held == "held"
        placed = (each.at + 86_400) % (2 * 86_400) if moved else each.at
        expected: type[TanbiError] | None = None
        if each.state not in ("open", "appealed"):
            expected = ReviewDecided
        elif who in [decider for decider, _ in each.decisions]:
            expected = OwnRejection
        with contextlib.nullcontext() if expected is None else pytest.raises(expected):
            self.run(self._decide(each.key, who, released=released, placed=placed if moved else None))
        if expected is None:
            self._decided(each, who, released=released, placed=placed)

    @precondition(_any_review)
    @rule(pick=some, verdicts=st.tuples(st.booleans(), st.booleans()))
    def decide_at_once(self, pick: int, verdicts: tuple[bool, bool]) -> None:
        """Both operators, at the same moment: at most one of them decides."""
        each = self._pick(pick, "open", "appealed")
        done = self.run(self._both(each.key, verdicts))
        decided = [who for who, result in enumerate(done) if not isinstance(result, BaseException)]
        may = [who for who in range(OPERATORS) if who not in [decider for decider, _ in each.decisions]]
        if each.state not in ("open", "appealed"):
            may = []
        assert len(decided) == min(1, len(may))
        assert set(decided) <= set(may)
        for who in decided:
            self._decided(each, who, released=verdicts[who], placed=each.at)

    async def _both(self, key: Held, verdicts: tuple[bool, bool]) -> list[Any]:
        attempts = (self._decide(key, who, released=each, placed=None) for who, each in enumerate(verdicts))
        done = await asyncio.gather(*attempts, return_exceptions=True)
        assert all(isinstance(each, ReviewDecided | OwnRejection | type(None)) for each in done), done
        return done

    async def _decide(self, key: Held, who: int, *, released: bool, placed: int | None) -> None:
        operator = self.deciders[who]
        async with transaction(self.engine) as connection:
            if not released:
                await reject(connection, operator, key.review_id, RejectRequest(reason="no"))
                return
            at = None if placed is None else (FIRST_DAY + timedelta(seconds=placed)).isoformat()
            wanted = ReleaseRequest.model_validate({"reason": "yes", "placed_at": at})
            await release(connection, operator, key.review_id, wanted, zone=ZONE, demo=False)

    def _decided(self, each: Drop, who: int, *, released: bool, placed: int) -> None:
        each.decisions.append((who, "released" if released else "rejected"))
        if not released:
            each.state = "upheld" if each.appealed else "rejected"
            return
        each.state, each.counts_at = "released", placed
        owner = self.owner_of(each.card)
        if owner is not None:
            each.paid, each.owner = (owner, each.coins), owner

    @precondition(_any_review)
    @rule(pick=some, stranger=some)
    def appeal(self, pick: int, stranger: int) -> None:
        """Whose drop it is; or, one time in four, somebody."""
        each = self._pick(pick, "rejected")
        resident = stranger % RESIDENTS if each.owner is None or stranger % 4 == 0 else each.owner
        expected: type[TanbiError] | None = None
        if each.owner != resident:
            expected = HeldDropUnknown
        elif each.appealed:
            expected = AlreadyAppealed
        elif each.state == "released":
            expected = NothingToAppeal
        with contextlib.nullcontext() if expected is None else pytest.raises(expected):
            self.run(self._appeal(each.key, self.ids[resident]))
        if expected is None:
            each.state, each.appealed = "appealed", True

    async def _appeal(self, key: Held, resident_id: int) -> None:
        async with transaction(self.engine) as connection:
            await appeal(connection, resident_id, key.review_id, AppealRequest(text="it was dry"))

    @invariant()
    def wallets_transfers_and_days_are_what_the_model_says(self) -> None:
        if not hasattr(self, "ids"):
            return
        paid = [(self.ids[each.paid[0]], each) for each in self.drops if each.paid is not None]
        transfers, wallets, days = self.run(self._read())
        assert transfers == Counter(
            (owner_id, each.key.event_id, each.coins) for owner_id, each in paid if each.coins > 0
        )
        earned: Counter[int] = Counter()
        counted: Counter[tuple[int, int]] = Counter()
        for owner_id, each in paid:
            earned[owner_id] += each.coins
            counted[owner_id, each.day] += 1
        assert wallets == {owner_id: earned[owner_id] for owner_id in self.ids}
        assert days == counted

    async def _read(self) -> tuple[Counter[Any], dict[int, int], Counter[Any]]:
        async with self.engine.connect() as connection:
            of_mine = sa.select(transfer).where(transfer.c.owner_id.in_(self.ids))
            moved = Counter((row.owner_id, row.event_id, row.coins) for row in await connection.execute(of_mine))
            rows = await connection.execute(sa.select(wallet).where(wallet.c.owner_id.in_(self.ids)))
            wallets = {row.owner_id: row.posted for row in rows}
            rows = await connection.execute(sa.select(resident_day).where(resident_day.c.owner_id.in_(self.ids)))
            first = FIRST_DAY.date()
            days = Counter({(row.owner_id, (row.day - first).days): row.drops for row in rows})
            return moved, wallets, days


async def test_any_sequence_of_decisions_pays_each_drop_once(settings: Settings) -> None:
    await asyncio.to_thread(_run_machine, settings)


def _run_machine(service_settings: Settings) -> None:
    """In a thread with a loop of its own, because Hypothesis calls the rules without one."""
    with asyncio.Runner() as runner:
        engine = create_engine(service_settings)
        Reviews.runner, Reviews.engine = runner, engine
        Reviews.deciders = runner.run(_prepare(engine, service_settings))
        try:
            run_state_machine_as_test(
                Reviews,
                settings=effort(
                    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
            assert runner.run(_breaches(engine, service_settings)) == []
        finally:
            runner.run(engine.dispose())


async def _prepare(engine: AsyncEngine, settings: Settings) -> list[Operator]:
    await build_world(engine, Keyring.of(settings))
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(tariff).values(material_id="paper", effective_from=SECOND_DAY, coins_per_kg=300)
        )
        keys = [await create_api_key(connection, role="operator", name=name) for name in ("李工", "王工")]
        return [await authenticate_operator(connection, key, demo=False) for key in keys]


async def _breaches(engine: AsyncEngine, settings: Settings) -> list[tuple[str, list[dict[str, Any]]]]:
    """What `tanbi verify` says of it all, once it is folded."""
    quick = settings.model_copy(update={"instance": "a", "fold_interval_seconds": 1e-6})
    await fold_all(engine, quick)
    return [(result.check.name, result.rows) for result in await verify(engine, settings) if not result.holds]
