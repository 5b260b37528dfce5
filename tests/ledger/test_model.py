"""Random operations against a model of the ledger that fits on a screen: every balance agrees after every step."""

import asyncio
import contextlib
import hashlib
import itertools
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.weigh_events import Outcome
from service.db import Writers, create_engine, transaction
from service.errors import CardTaken, InsufficientCoins
from service.ledger.queries import open_merchant_account, read_wallet
from service.plausibility.rule_book import RuleBook
from service.residents.cards import bind_card, credit_bound_card
from service.residents.claiming import Terms
from service.residents.residents import register_resident
from service.secrets import Keyring
from service.settings import Settings
from service.tables.columns import ISSUER_ACCOUNT_ID
from service.tables.ledger import transfer
from service.weighing.pending import PendingEvent, Settled
from tests.world import NO_RULES, SEQUENCE, adjust, build_world, spend

Value = TypeVar("Value")

RESIDENTS = 2
CARDS = 3
EVER = timedelta(days=10_000)
TERMS = Terms(EVER, "Asia/Shanghai", demo=False, rules=RuleBook())
residents = st.integers(0, RESIDENTS - 1)
cards = st.none() | st.integers(0, CARDS - 1)
drops = st.tuples(st.integers(0, 5), st.sampled_from([10, 500, 2000]), cards)


class Ledger(RuleBasedStateMachine):
    """Two residents, three cards, one merchant. Drops choose from six ids, so that ids are often used again."""

    runner: ClassVar[asyncio.Runner]
    engine: ClassVar[AsyncEngine]
    writers: ClassVar[Writers]
    run_numbers: ClassVar[Iterator[int]] = itertools.count()

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """People, cards and ids of their own: earlier examples are in the same database."""
        self.number = next(self.run_numbers)
        # The model: balances, whose card, and what each event said and brought to whom.
        self.balances = [0] * RESIDENTS
        self.owners: dict[int, int] = {}
        self.events: dict[int, tuple[int, int | None]] = {}
        self.ids = self.run(self._open())

    async def _open(self) -> list[int]:
        async with transaction(self.engine) as connection:
            self.merchant_account_id = await open_merchant_account(connection)
            return [await register_resident(connection) for _ in range(RESIDENTS)]

    def digest(self, card: int | None) -> bytes | None:
        return None if card is None else hashlib.sha256(f"{self.number}/{card}".encode()).digest()

    @rule(batch=st.lists(drops, min_size=1, max_size=5))
    def drop(self, batch: list[tuple[int, int, int | None]]) -> None:
        results = self.run(NO_RULES.commit(self.writers, [self._pending(*drop) for drop in batch]))
        for (event, grams, card), result in zip(batch, results, strict=True):
            assert isinstance(result, Settled)
            if event in self.events:
                same = self.events[event] == (grams, card)
                assert result.outcome is (Outcome.DUPLICATE if same else Outcome.CONFLICT)
                continue
            self.events[event] = (grams, card)
            owner = None if card is None else self.owners.get(card)
            assert result.outcome is (Outcome.UNCLAIMED if owner is None else Outcome.CREDITED)
            if owner is not None:
                self.balances[owner] += grams // 10
                assert result.balance_coins == self.balances[owner]

    def _pending(self, event: int, grams: int, card: int | None) -> PendingEvent:
        content = hashlib.sha256(f"{grams}/{card}".encode()).digest()
        event_id = f"{self.number}-{event}"
        digest = self.digest(card)
        return PendingEvent(
            "NK-0001",
            event_id,
            content,
            next(SEQUENCE),
            "paper",
            grams,
            None,
            digest,
            1_790_000_000.0,
            100,
            grams // 10,
        )

    @rule(resident=residents, card=st.integers(0, CARDS - 1))
    def bind(self, resident: int, card: int) -> None:
        if self.owners.get(card, resident) != resident:
            with pytest.raises(CardTaken):
                self.run(self._bind(resident, card))
            return
        if card not in self.owners:
            self.balances[resident] += sum(grams // 10 for grams, of in self.events.values() if of == card)
        self.owners[card] = resident
        self.run(self._bind(resident, card))

    async def _bind(self, resident: int, card: int) -> None:
        digest = self.digest(card)
        assert digest is not None
        async with transaction(self.engine) as connection:
            await bind_card(
                connection,
                self.ids[resident],
                digest,
                cards_max=CARDS,
                waiting_max=EVER,
                demo=False,
            )
        async with transaction(self.engine) as connection:
            await credit_bound_card(connection, self.ids[resident], digest, TERMS)

    @rule(resident=residents, coins=st.integers(1, 300))
    def redeem(self, resident: int, coins: int) -> None:
        enough = self.balances[resident] >= coins
        with contextlib.nullcontext() if enough else pytest.raises(InsufficientCoins):
            self.run(self._redeem(resident, coins))
        self.balances[resident] -= coins if enough else 0

    async def _redeem(self, resident: int, coins: int) -> None:
        async with transaction(self.engine) as connection:
            await spend(
                connection,
                owner_id=self.ids[resident],
                merchant_account_id=self.merchant_account_id,
                coins=coins,
                redemption_id=(await connection.execute(sa.text("SELECT gen_random_uuid()"))).scalar_one(),
            )

    @rule(resident=residents, coins=st.integers(-300, 300).filter(bool))
    def adjust(self, resident: int, coins: int) -> None:
        enough = self.balances[resident] + coins >= 0
        with contextlib.nullcontext() if enough else pytest.raises(InsufficientCoins):
            self.run(self._adjust(resident, coins))
        self.balances[resident] += coins if enough else 0

    async def _transfers(self, resident: int) -> list[Any]:
        async with self.engine.connect() as connection:
            query = sa.select(transfer).where(transfer.c.owner_id == self.ids[resident]).order_by(transfer.c.id)
            return list((await connection.execute(query)).all())

    async def _adjust(self, resident: int, coins: int) -> None:
        async with transaction(self.engine) as connection:
            await adjust(connection, self.ids[resident], coins)

    @invariant()
    def every_wallet_is_what_the_model_and_its_transfers_say(self) -> None:
        if not hasattr(self, "ids"):
            return
        for resident, owner_id in enumerate(self.ids):
            rows = self.run(self._transfers(resident))
            moved = sum(row.coins if row.credit_account_id == owner_id else -row.coins for row in rows)
            assert self.run(self._posted(owner_id)) == moved == self.balances[resident]
            assert all(
                ISSUER_ACCOUNT_ID in (row.debit_account_id, row.credit_account_id) for row in rows if row.event_id
            )

    async def _posted(self, owner_id: int) -> int:
        async with self.engine.connect() as connection:
            return (await read_wallet(connection, owner_id)).posted


async def test_any_sequence_of_operations_ends_where_the_model_does(settings: Settings) -> None:
    await asyncio.to_thread(_run_machine, settings)


def _run_machine(service_settings: Settings) -> None:
    """In a thread with a loop of its own, because Hypothesis calls the rules without one."""
    with asyncio.Runner() as runner:
        engine = create_engine(service_settings)
        runner.run(build_world(engine, Keyring.of(service_settings)))
        Ledger.runner, Ledger.engine, Ledger.writers = runner, engine, Writers(service_settings)
        try:
            run_state_machine_as_test(
                Ledger,
                settings=effort(
                    max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            Ledger.writers.close()
            runner.run(engine.dispose())
