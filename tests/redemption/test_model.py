"""Random commands, many in one transaction, and clock moves, against a model of a page: every balance agrees."""

import asyncio
import itertools
import os
import uuid
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import sqlalchemy as sa
from hypothesis import HealthCheck
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from service.auth import Machine
from service.db import Writers, create_engine, transaction
from service.idempotency import KeyedRequest, StoredAnswer
from service.ledger.queries import read_wallet
from service.redemption.commands import ApiKey, Capture, Command, Refund, Spend, Void, Wanted
from service.redemption.committing import Committing
from service.redemption.pay_codes import issue_pay_code
from service.reference import Reference
from service.residents.residents import register_resident
from service.secrets import Keyring, token_hash
from service.settings import Settings
from service.tables import hold, hold_resolution, merchant, redemption
from tests.machine import install_machine
from tests.world import add_shop, adjust, build_world

Value = TypeVar("Value")

HOLD, GRACE = 120, 600
coins = st.integers(1, 60)
parts = st.none() | st.integers(1, 70)


@dataclass
class Held:
    """What the model knows of a redemption; `age` is in seconds."""

    owner: int
    coins: int
    age: int = 0
    outcome: str | None = None
    captured: int | None = None
    covered: int = 0
    refunded: int = 0


class Redemptions(RuleBasedStateMachine):
    """Two residents, one machine of one merchant with a grace, and everything that can be asked."""

    runner: ClassVar[asyncio.Runner]
    engine: ClassVar[AsyncEngine]
    admin: ClassVar[AsyncEngine]
    committing: ClassVar[Committing]
    keyring: ClassVar[Keyring]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        self.posted = [0, 0]
        self.of: dict[str, Held] = {}
        self.ids = self.run(self._open())

    async def _open(self) -> list[int]:
        async with transaction(self.engine) as connection:
            return [await register_resident(connection) for _ in range(2)]

    def held(self, owner: int) -> int:
        return sum(of.coins for of in self.of.values() if of.owner == owner and self.is_open(of))

    def is_open(self, of: Held) -> bool:
        return of.outcome is None and of.captured is None and of.age < HOLD

    @rule(owner=st.integers(0, 1), amount=st.integers(1, 200))
    def earn(self, owner: int, amount: int) -> None:
        self.run(self._adjust(owner, amount))
        self.posted[owner] += amount

    @rule(owner=st.integers(0, 1), amount=coins)
    def correct(self, owner: int, amount: int) -> None:
        # A correction asks for this where holds that are over are in its way.
        self.run(self.committing.sweep())
        if self.posted[owner] - self.held(owner) >= amount:
            self.run(self._adjust(owner, -amount))
            self.posted[owner] -= amount

    async def _adjust(self, owner: int, amount: int) -> None:
        async with transaction(self.engine) as connection:
            await adjust(connection, self.ids[owner], amount)

    @rule(wanted=st.lists(st.tuples(st.integers(0, 1), coins, st.booleans()), min_size=1, max_size=4))
    def spend(self, wanted: list[tuple[int, int, bool]]) -> None:
        answers = self.run(self._spend(wanted))
        paid: set[int] = set()
        for (owner, amount, capture), answer in zip(wanted, answers, strict=True):
            # A resident's newer code takes the place of the one before: of two in one batch the last is good.
            good = owner not in paid and self.posted[owner] - self.held(owner) >= amount
            assert (answer.status == 201) == good, (answer, owner, amount)
            if good:
                paid.add(owner)
                self.of[id_of(answer)] = Held(owner, amount, captured=amount if capture else None)
                self.posted[owner] -= amount if capture else 0

    async def _spend(self, wanted: list[tuple[int, int, bool]]) -> list[StoredAnswer]:
        codes = {}
        for owner, _, _ in wanted:
            async with transaction(self.engine) as connection:
                code = await issue_pay_code(
                    connection, self.keyring, resident_id=self.ids[owner], lifetime=timedelta(hours=1)
                )
            codes[owner] = self.keyring.pay_code_digest(code.pay_code)
        return await self._commit([Spend(None, codes[owner], amount, None, of) for owner, amount, of in wanted])

    @rule(data=st.data(), amounts=st.lists(st.tuples(st.sampled_from("cvr"), parts), min_size=1, max_size=3))
    def act(self, data: st.DataObject, amounts: list[tuple[str, int | None]]) -> None:
        """Several commands in one transaction, often about the same redemption."""
        if not self.of:
            return
        # Refunds are decided first; asked so, the model need not know it.
        amounts.sort(key=lambda wanted: wanted[0] != "r")
        self._act(amounts, [data.draw(st.sampled_from(sorted(self.of))) for _ in amounts])

    @rule(
        owner=st.integers(0, 1), amount=coins, given=parts, spent=coins, seconds=st.sampled_from([119, 130, 719, 730])
    )
    def fall_silent(self, owner: int, amount: int, given: int | None, spent: int, seconds: int) -> None:
        """A machine that holds, gives out and tells it later, while the resident goes on spending."""
        self.earn(owner, amount)
        known = set(self.of)
        self.spend([(owner, amount, False)])
        self.time_passes(seconds)
        self.spend([(owner, spent, True)])
        for id_ in sorted(set(self.of) - known):
            self._act([("c", given)], [id_])

    def _act(self, amounts: list[tuple[str, int | None]], chosen: list[str]) -> None:
        commands: list[Wanted] = []
        for (what, amount), id_ in zip(amounts, chosen, strict=True):
            of = uuid.UUID(id_)
            commands.append(
                Capture(of, amount) if what == "c" else Void(of) if what == "v" else Refund(of, amount, None)
            )
        answers = self.run(self._commit(commands, refunds=True))
        for (what, amount), id_, answer in zip(amounts, chosen, answers, strict=True):
            assert (answer.status == 200) == self._expect(what, amount, self.of[id_]), (what, amount, answer)

    def _expect(self, what: str, amount: int | None, of: Held) -> bool:
        if what == "r":
            left = (of.captured or 0) - of.refunded
            back = left if amount is None else amount
            if not 0 < back <= left:
                return False
            # What the resident paid comes back first, then the scheme's part goes to the scheme.
            own = (of.captured or 0) - of.covered
            self.posted[of.owner] += min(of.refunded + back, own) - min(of.refunded, own)
            of.refunded += back
            return True
        taken = of.coins if amount is None or what == "v" else amount
        late = of.outcome != "voided" and of.captured is None and HOLD <= of.age < HOLD + GRACE
        if taken > of.coins or not (self.is_open(of) or (what == "c" and late)):
            return False
        if what == "v":
            of.outcome = "voided"
            return True
        # What a late capture does not find, the scheme bears.
        covered = 0 if self.is_open(of) else max(0, taken - (self.posted[of.owner] - self.held(of.owner)))
        of.captured, of.covered = taken, covered
        self.posted[of.owner] -= taken - covered
        return True

    async def _commit(self, wanted: list[Wanted], *, refunds: bool = False) -> list[StoredAnswer]:
        commands = [
            # A merchant refunds; all else is asked by its machine, whose keys are its own.
            Command(
                self.till if isinstance(each, Refund) else Machine("NK-W-01", "NK-M-01"),
                KeyedRequest(str(next(self.numbers)), os.urandom(32), chinese=False),
                each,
            )
            for each in wanted
        ]
        answers = await self.committing.commit(commands)
        assert await self.committing.commit(commands) == [replayed(answer) for answer in answers]
        return [answer for answer in answers if isinstance(answer, StoredAnswer)]

    till: ClassVar[Any]

    @rule(seconds=st.sampled_from([1, 60, 119, 300, 700]))
    def time_passes(self, seconds: int) -> None:
        self.run(self._age(timedelta(seconds=seconds)))
        for of in self.of.values():
            of.age += seconds

    async def _age(self, by: timedelta) -> None:
        async with self.admin.begin() as connection:
            mine = hold.c.owner_id.in_(self.ids)
            await connection.execute(
                sa.update(hold).where(mine).values(held_at=hold.c.held_at - by, expires_at=hold.c.expires_at - by)
            )
            of = hold_resolution.c
            await connection.execute(
                sa.update(hold_resolution)
                .where(of.owner_id.in_(self.ids))
                .values(held_at=of.held_at - by, expires_at=of.expires_at - by, resolved_at=of.resolved_at - by)
            )
            await connection.execute(
                sa.update(redemption)
                .where(redemption.c.owner_id.in_(self.ids))
                .values(expires_at=redemption.c.expires_at - by)
            )

    @rule()
    def sweep(self) -> None:
        self.run(self.committing.sweep())

    @invariant()
    def balances_agree(self) -> None:
        wallets = self.run(self._wallets())
        assert [(each.posted, each.held) for each in wallets] == [
            (self.posted[owner], self.held(owner)) for owner in range(2)
        ]

    async def _wallets(self) -> list[Any]:
        async with transaction(self.engine) as connection:
            return [await read_wallet(connection, owner_id) for owner_id in self.ids]


def id_of(answer: StoredAnswer) -> str:
    return answer.body.decode().split('"')[3]


def replayed(answer: Any) -> Any:
    return StoredAnswer(answer.status, answer.body, answer.code, replayed=True)


async def prepare(engine: AsyncEngine, admin: AsyncEngine, keyring: Keyring) -> str:
    await build_world(engine, keyring)
    key = await add_shop(engine)
    await install_machine(engine, keyring)
    async with admin.begin() as connection:
        await connection.execute(sa.update(merchant).values(hold_seconds=HOLD, capture_grace_seconds=GRACE))
    return key


def test_random_commands_agree_with_the_model(settings: Settings, postgres: Any, database: str) -> None:
    with asyncio.Runner() as runner:
        engine = create_engine(settings)
        admin = create_engine(settings.model_copy(update={"database_url": postgres.admin_url(database)}))
        keyring = Keyring.of(settings)
        writers = Writers(settings, by_key=True)
        reference = Reference(engine, keyring, demo=False)
        try:
            key = runner.run(prepare(engine, admin, keyring))
            runner.run(reference.refresh())
            Redemptions.runner, Redemptions.engine, Redemptions.admin = runner, engine, admin
            Redemptions.keyring, Redemptions.till = keyring, ApiKey(token_hash(key))
            Redemptions.committing = Committing(writers, reference, zone="Asia/Shanghai", demo=False)
            run_state_machine_as_test(
                Redemptions,
                settings=effort(
                    max_examples=40,
                    stateful_step_count=20,
                    deadline=None,
                    derandomize=True,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            writers.close()
            runner.run(engine.dispose())
            runner.run(admin.dispose())
