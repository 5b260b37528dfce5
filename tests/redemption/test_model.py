"""Random commands, many in one transaction, clock moves and coins that expire, against a small model: every balance,
the stock and the merchant's day agree."""

import asyncio
import hashlib
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

from schemas.weigh_events import Outcome
from service.auth import Machine
from service.db import Writers, create_engine, transaction
from service.errors import HoldsDue, InsufficientCoins, TanbiError
from service.idempotency import KeyedRequest, StoredAnswer
from service.ledger.book import Wallet
from service.ledger.expiring import expire_step
from service.ledger.queries import read_wallet
from service.redemption.commands import ApiKey, Capture, Command, Refund, Spend, Void, Wanted
from service.redemption.committing import Committing
from service.redemption.merchants import add_machine
from service.redemption.pay_codes import issue_pay_code
from service.reference import Reference, raise_revision
from service.residents.residents import register_resident
from service.secrets import Keyring, token_hash
from service.settings import Settings
from service.tables.ledger import coin_life, hold, hold_resolution, transfer
from service.tables.people import credential, merchant
from service.tables.redemption import merchant_day, offer, redemption, spending_limit
from service.weighing.pending import PendingEvent, Settled
from tests.redemption.batches import noon_zone
from tests.world import EPOCH, NO_RULES, SEQUENCE, add_shop, adjust, build_world

Value = TypeVar("Value")

# Seconds; all of the model's time passes in many minutes, so that the real time of a game is of no matter.
HOLD, GRACE = 1200, 6000
RESIDENT_DAY, MERCHANT_DAY, STOCK, PRICE = 400, 500, 2, 25
# Longer than coins live.
LONG = timedelta(days=62)
owners = st.integers(0, 1)
coins = st.integers(1, 60)
parts = st.none() | st.integers(1, 70)


@dataclass
class Held:
    """What the model knows of a redemption; `age` is in seconds. `freed`: that it expired is written down."""

    owner: int
    coins: int
    age: int = 0
    outcome: str | None = None
    captured: int | None = None
    covered: int = 0
    refunded: int = 0
    piece: bool = False
    freed: bool = False


@dataclass
class Lot:
    """Coins that came in, less what expired of them."""

    coins: int
    old: bool = False


class Redemptions(RuleBasedStateMachine):
    """Two residents, one machine of one merchant with a grace, an offer with a stock, a limit of each kind of day, and
    everything that can be asked."""

    runner: ClassVar[asyncio.Runner]
    engine: ClassVar[AsyncEngine]
    admin: ClassVar[AsyncEngine]
    committing: ClassVar[Committing]
    weighing: ClassVar[Writers]
    expiring: ClassVar[Settings]
    keyring: ClassVar[Keyring]
    numbers: ClassVar[Iterator[int]] = itertools.count()

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """People and a merchant of their own: earlier games are in the same database."""
        self.number = next(self.numbers)
        self.posted = [0, 0]
        self.lots: list[list[Lot]] = [[], []]
        self.of: dict[str, Held] = {}
        self.stock, self.day = STOCK, 0
        self.merchant_id = self.offer_id = f"M{self.number}"
        self.ids = self.run(self._open())

    async def _open(self) -> list[int]:
        self.till = ApiKey(token_hash(await add_shop(self.engine, self.merchant_id)))
        async with self.admin.begin() as connection:
            await connection.execute(sa.update(merchant).values(hold_seconds=HOLD, capture_grace_seconds=GRACE))
            await connection.execute(sa.insert(spending_limit).values(**day_limit(MERCHANT_DAY, self.merchant_id)))
            soap = {"id": self.offer_id, "title": "皂", "title_en": "Soap", "unit": "块", "unit_en": "bar"}
            of = {"merchant_id": self.merchant_id, "coins": PRICE, "valid_from": EPOCH, "stock_added": STOCK}
            await connection.execute(sa.insert(offer).values(**soap, **of))
        async with transaction(self.engine) as connection:
            machine = {"machine_id": f"W{self.number}", "merchant_id": self.merchant_id}
            await add_machine(connection, **machine, site_id="site-1", kind="water")
            ids = [await register_resident(connection) for _ in range(2)]
            for owner, resident_id in enumerate(ids):
                card = {"digest": self.card(owner), "kind": "card", "resident_id": resident_id, "counts_from": EPOCH}
                await connection.execute(sa.insert(credential).values(card))
            await raise_revision(connection)
        await self.committing.reference.refresh()
        return ids

    def card(self, owner: int) -> bytes:
        return hashlib.sha256(f"{self.number}/{owner}".encode()).digest()

    # -- what the model knows --

    def held(self, owner: int) -> int:
        return sum(of.coins for of in self.of.values() if of.owner == owner and self.is_open(of))

    def available(self, owner: int) -> int:
        return self.posted[owner] - self.held(owner)

    def is_open(self, of: Held) -> bool:
        return of.outcome is None and of.captured is None and of.age < HOLD

    def spent_today(self, owner: int) -> int:
        mine = [of for of in self.of.values() if of.owner == owner]
        return sum(of.coins * self.is_open(of) if of.captured is None else of.captured for of in mine)

    def settle(self, *of_owners: int) -> None:
        """Whose wallets a transaction has locked, their holds that are over are written down: only from then on have
        others the piece, and the merchant its day."""
        for of in self.of.values():
            over = of.outcome is None and of.captured is None and of.age >= HOLD
            if over and not of.freed and of.owner in of_owners:
                of.freed = True
                self.give_back(of)

    def give_back(self, of: Held) -> None:
        self.day -= of.coins
        self.stock += of.piece

    def come_in(self, owner: int, amount: int) -> None:
        self.posted[owner] += amount
        self.lots[owner].append(Lot(amount))

    def left(self, owner: int) -> list[tuple[Lot, int]]:
        """What is left of each lot, the newest first: the oldest coins went first."""
        missing, found = self.posted[owner], []
        for lot in reversed(self.lots[owner]):
            found.append((lot, min(lot.coins, missing)))
            missing -= found[-1][1]
        assert missing == 0
        return found

    # -- coins come, are corrected, and expire --

    @rule(owner=owners, amount=st.integers(1, 200), by_weight=st.booleans())
    def earn(self, owner: int, amount: int, by_weight: bool) -> None:
        self.come_in(owner, amount)
        if not by_weight:
            self.run(self._adjust(owner, amount))
            return
        event_id = f"event-{next(self.numbers)}"
        weighed = ("paper", amount * 10, None, self.card(owner), 1_790_000_000.0, 100, amount)
        event = PendingEvent("NK-0001", event_id, event_id.encode().ljust(32), next(SEQUENCE), *weighed)
        [credited] = self.run(NO_RULES.commit(self.weighing, [event]))
        assert credited == Settled(Outcome.CREDITED, amount, self.available(owner))

    @rule(owner=owners, amount=st.integers(1, 200))
    def correct(self, owner: int, amount: int) -> None:
        self._correct(owner, amount)

    def _correct(self, owner: int, amount: int) -> bool:
        """Whether holds that are over were in its way."""
        enough = self.available(owner) >= amount
        declined = self.run(self._declined(owner, -amount))
        in_its_way = isinstance(declined, HoldsDue)
        if in_its_way:
            released = self.run(self.committing.release_due(self.ids[owner]))
            assert released > 0
            self.settle(owner)
            declined = self.run(self._declined(owner, -amount))
        assert (declined is None) == enough
        self.posted[owner] -= amount if enough else 0
        return in_its_way

    async def _declined(self, owner: int, amount: int) -> TanbiError | None:
        try:
            await self._adjust(owner, amount)
        except (InsufficientCoins, HoldsDue) as declined:
            return declined
        return None

    @rule(owner=owners, amount=coins)
    def correct_what_was_held(self, owner: int, amount: int) -> None:
        self.earn(owner, amount, by_weight=True)
        before = len(self.of)
        self.spend([(owner, amount, False)])
        self.time_passes(HOLD)
        in_its_way = self._correct(owner, self.posted[owner])
        assert in_its_way or len(self.of) == before

    async def _adjust(self, owner: int, amount: int) -> None:
        async with transaction(self.engine) as connection:
            await adjust(connection, self.ids[owner], amount)

    @rule(owner=owners, fresh=coins, held=coins)
    def coins_expire(self, owner: int, fresh: int, held: int) -> None:
        """All that was earned is too old now; some came since, and some of the old is held or was given back."""
        self.time_passes(int(LONG.total_seconds()))
        for lot in itertools.chain(*self.lots):
            lot.old = True
        self.earn(owner, fresh, by_weight=True)
        self.spend([(owner, held, False)])
        self.sweep()
        self.run(self._expire())
        for each in range(2):
            free = self.available(each)
            for lot, left in self.left(each):
                free -= left
                # Held coins are the oldest: a lot of which some are held stays whole.
                if lot.old and free >= 0:
                    lot.coins -= left
                    self.posted[each] -= left

    async def _expire(self) -> None:
        while (await expire_step(self.engine, self.expiring, wallets_max=1000)).more:
            pass

    # -- coins are held and spent --

    @rule(wanted=st.lists(st.tuples(owners, st.none() | coins, st.booleans()), min_size=1, max_size=4))
    def spend(self, wanted: list[tuple[int, int | None, bool]]) -> None:
        """So many coins or, for None, a piece of the offer."""
        answers = self.run(self._spend(wanted))
        self.settle(*(owner for owner, _, _ in wanted))
        paid: set[int] = set()
        for (owner, price, capture), answer in zip(wanted, answers, strict=True):
            amount, piece = (PRICE, True) if price is None else (price, False)
            good = (
                # A resident's newer code takes the place of the one before: of two in one batch the last is good.
                owner not in paid
                and self.spent_today(owner) + amount <= RESIDENT_DAY
                and self.day + amount <= MERCHANT_DAY
                and self.stock >= piece
                and self.available(owner) >= amount
            )
            assert (answer.status == 201) == good, (answer, owner, amount)
            if good:
                paid.add(owner)
                self.of[id_of(answer)] = Held(owner, amount, captured=amount if capture else None, piece=piece)
                self.posted[owner] -= amount if capture else 0
                self.day += amount
                self.stock -= piece

    async def _spend(self, wanted: list[tuple[int, int | None, bool]]) -> list[StoredAnswer]:
        codes = {}
        for owner, _, _ in wanted:
            async with transaction(self.engine) as connection:
                code = await issue_pay_code(
                    connection, self.keyring, resident_id=self.ids[owner], lifetime=timedelta(hours=1)
                )
            codes[owner] = self.keyring.pay_code_digest(code.pay_code)
        return await self._commit(
            [
                Spend(None, codes[owner], price, self.offer_id if price is None else None, capture)
                for owner, price, capture in wanted
            ]
        )

    @rule(data=st.data(), amounts=st.lists(st.tuples(st.sampled_from("cvr"), parts), min_size=1, max_size=3))
    def act(self, data: st.DataObject, amounts: list[tuple[str, int | None]]) -> None:
        """Several commands in one transaction, often about the same redemption."""
        if not self.of:
            return
        self._act(amounts, [data.draw(st.sampled_from(sorted(self.of))) for _ in amounts])

    @rule(
        owner=owners,
        price=st.none() | coins,
        given=parts,
        spent=coins,
        seconds=st.sampled_from([HOLD - 300, HOLD, HOLD + GRACE - 300, HOLD + GRACE]),
    )
    def fall_silent(self, owner: int, price: int | None, given: int | None, spent: int, seconds: int) -> None:
        """A machine that holds, gives out and tells it later, while the resident goes on spending."""
        self.earn(owner, PRICE if price is None else price, by_weight=False)
        known = set(self.of)
        self.spend([(owner, price, False)])
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
        answers = self.run(self._commit(commands))
        self.settle(*(self.of[id_].owner for id_ in chosen))
        # Whatever their order, refunds are decided first.
        for n in sorted(range(len(chosen)), key=lambda n: amounts[n][0] != "r"):
            expected = self._expect(*amounts[n], self.of[chosen[n]])
            assert (answers[n].status == 200) == expected, (amounts[n], answers[n])

    def _expect(self, what: str, amount: int | None, of: Held) -> bool:
        if what == "r":
            left = (of.captured or 0) - of.refunded
            back = left if amount is None else amount
            if not 0 < back <= left:
                return False
            # What the resident paid comes back first, then the scheme's part goes to the scheme.
            own = (of.captured or 0) - of.covered
            self.come_in(of.owner, back)
            self.posted[of.owner] -= back - (min(of.refunded + back, own) - min(of.refunded, own))
            of.refunded += back
            return True
        taken = of.coins if amount is None or what == "v" else amount
        late = of.outcome != "voided" and of.captured is None and HOLD <= of.age < HOLD + GRACE
        if taken > of.coins or not (self.is_open(of) or (what == "c" and late)):
            return False
        if what == "v":
            of.outcome = "voided"
            self.give_back(of)
            return True
        self.day += taken - of.coins * self.is_open(of)
        # What a late capture does not find, the scheme bears.
        covered = 0 if self.is_open(of) else max(0, taken - self.available(of.owner))
        if covered:
            self.come_in(of.owner, covered)
        of.captured, of.covered = taken, covered
        self.posted[of.owner] -= taken
        return True

    async def _commit(self, wanted: list[Wanted]) -> list[StoredAnswer]:
        commands = [
            # A merchant refunds; all else is asked by its machine, whose keys are its own.
            Command(
                self.till if isinstance(each, Refund) else Machine(f"W{self.number}", self.merchant_id),
                KeyedRequest(str(next(self.numbers)), os.urandom(32), chinese=False),
                each,
            )
            for each in wanted
        ]
        answers = await self.committing.commit(commands)
        assert await self.committing.commit(commands) == [replayed(answer) for answer in answers]
        return [answer for answer in answers if isinstance(answer, StoredAnswer)]

    @rule(seconds=st.sampled_from([300, 900, 6000]))
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
            await connection.execute(
                sa.update(transfer)
                .where(transfer.c.owner_id.in_(self.ids))
                .values(created_at=transfer.c.created_at - by)
            )

    @rule()
    def sweep(self) -> None:
        self.run(self.committing.sweep())
        self.settle(0, 1)

    @invariant()
    def all_agrees(self) -> None:
        wallets, left, day = self.run(self._read())
        assert [(each.posted, each.held) for each in wallets] == [
            (self.posted[owner], self.held(owner)) for owner in range(2)
        ]
        assert (left, day) == (self.stock, self.day)

    async def _read(self) -> tuple[list[Wallet], int, int]:
        async with transaction(self.engine) as connection:
            wallets = [await read_wallet(connection, owner_id) for owner_id in self.ids]
            of_offer = sa.select(offer.c.stock_added - offer.c.stock_taken).where(offer.c.id == self.offer_id)
            of_day = sa.select(merchant_day.c.coins).where(merchant_day.c.merchant_id == self.merchant_id)
            left = (await connection.execute(of_offer)).scalar_one()
            return wallets, left, (await connection.execute(of_day)).scalar_one_or_none() or 0


def id_of(answer: StoredAnswer) -> str:
    return answer.body.decode().split('"')[3]


def replayed(answer: Any) -> Any:
    return StoredAnswer(answer.status, answer.body, answer.code, replayed=True)


def day_limit(most: int, merchant_id: str | None = None) -> dict[str, Any]:
    kind = "resident_day" if merchant_id is None else "merchant_day"
    return {"kind": kind, "merchant_id": merchant_id, "coins": most, "effective_from": EPOCH}


async def prepare(engine: AsyncEngine, keyring: Keyring) -> None:
    """As if the limit and the rule of coins' life had been in force for ever."""
    await build_world(engine, keyring)
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(spending_limit).values(**day_limit(RESIDENT_DAY)))
        await connection.execute(sa.insert(coin_life).values(effective_from=EPOCH - 20 * LONG, months=1))


def test_random_commands_agree_with_the_model(settings: Settings, postgres: Any, database: str) -> None:
    with asyncio.Runner() as runner:
        engine = create_engine(settings)
        admin = create_engine(settings.model_copy(update={"database_url": postgres.admin_url(database)}))
        keyring = Keyring.of(settings)
        writers, weighing = Writers(settings, by_key=True), Writers(settings)
        reference = Reference(engine, keyring, demo=False)
        try:
            runner.run(prepare(engine, keyring))
            Redemptions.runner, Redemptions.engine, Redemptions.admin = runner, engine, admin
            Redemptions.keyring, Redemptions.weighing = keyring, weighing
            Redemptions.expiring = settings.model_copy(update={"expiry_interval_seconds": 1e-6})
            Redemptions.committing = Committing(writers, reference, zone=noon_zone(), demo=False)
            run_state_machine_as_test(
                Redemptions,
                settings=effort(
                    max_examples=20,
                    stateful_step_count=20,
                    deadline=None,
                    # Other games each time; one that is lost is printed, with what plays it again.
                    print_blob=True,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            writers.close()
            weighing.close()
            runner.run(engine.dispose())
            runner.run(admin.dispose())
