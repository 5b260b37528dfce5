"""Transactions of commands that a test composes itself, on the database and without HTTP."""

import itertools
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pydantic_core
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import Writers, transaction
from service.groupcommit import Later
from service.idempotency import KeyedRequest, StoredAnswer
from service.ledger.book import Wallet
from service.ledger.queries import read_wallet
from service.redemption.commands import ApiKey, Asker, Capture, Command, Refund, SessionToken, Spend, Void, Wanted
from service.redemption.committing import Committing, Decided
from service.redemption.pay_codes import issue_pay_code
from service.reference import Reference, raise_revision
from service.residents.residents import register_resident
from service.secrets import Keyring, token_hash
from service.settings import Settings
from service.tables.redemption import spending_limit
from tests.world import EPOCH, add_shop, adjust, open_session


@dataclass(frozen=True)
class Customer:
    id: int
    asker: SessionToken


@dataclass(frozen=True)
class Shop:
    id: str
    asker: ApiKey


@dataclass
class Batches:
    """It is noon where its days are counted: none ends while it is looked at."""

    engine: AsyncEngine
    keyring: Keyring
    committing: Committing
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def customer(self, coins: int = 0) -> Customer:
        """A new resident, with so many coins."""
        async with transaction(self.engine) as connection:
            resident_id = await register_resident(connection)
            if coins:
                await adjust(connection, resident_id, coins)
        return Customer(resident_id, SessionToken(token_hash(await open_session(self.engine, resident_id))))

    async def shop(self, *, day_coins: int | None = None) -> Shop:
        """A new merchant with a till, and with a limit of its days where one is given."""
        shop_id = f"M{uuid.uuid4().hex[:8]}"
        shop = Shop(shop_id, ApiKey(token_hash(await add_shop(self.engine, shop_id))))
        if day_coins is not None:
            await self.limit("merchant_day", day_coins, shop)
        return shop

    async def limit(self, kind: str, coins: int, shop: Shop | None = None) -> None:
        """As if it had been in force for ever."""
        row = {"kind": kind, "merchant_id": shop and shop.id, "coins": coins, "effective_from": EPOCH}
        async with transaction(self.engine) as connection:
            await connection.execute(sa.insert(spending_limit).values(row))
            await raise_revision(connection)
        await self.committing.reference.refresh()

    async def new_code(self, customer: Customer) -> bytes:
        """The digest of a code that replaces the customer's earlier one."""
        async with transaction(self.engine) as connection:
            code = await issue_pay_code(
                connection, self.keyring, resident_id=customer.id, lifetime=timedelta(minutes=10)
            )
        return self.keyring.pay_code_digest(code.pay_code)

    async def wallet(self, customer: Customer) -> Wallet:
        async with self.engine.connect() as connection:
            return await read_wallet(connection, customer.id)

    # -- commands, each under a key of its own --

    def command(self, asker: Asker, wanted: Wanted) -> Command:
        return Command(asker, KeyedRequest(f"key-{next(self.numbers)}", os.urandom(32), chinese=False), wanted)

    def own(self, customer: Customer, shop: Shop, coins: int) -> Command:
        return self.command(customer.asker, Spend(shop.id, None, coins, None, capture=True))

    def take(
        self, shop: Shop, code: bytes, coins: int | None, *, offer_id: str | None = None, capture: bool = True
    ) -> Command:
        return self.command(shop.asker, Spend(None, code, coins, offer_id, capture))

    def capture(self, shop: Shop, redemption_id: uuid.UUID, coins: int | None = None) -> Command:
        return self.command(shop.asker, Capture(redemption_id, coins))

    def void(self, shop: Shop, redemption_id: uuid.UUID) -> Command:
        return self.command(shop.asker, Void(redemption_id))

    def refund(self, shop: Shop, redemption_id: uuid.UUID, coins: int | None = None) -> Command:
        return self.command(shop.asker, Refund(redemption_id, coins, None))

    async def commit(self, *commands: Command) -> list[Decided]:
        """In one transaction, and nobody else has a wallet of theirs."""
        done = await self.committing.commit(list(commands))
        decided = [each for each in done if not isinstance(each, Later)]
        assert len(decided) == len(commands)
        return decided

    async def granted(self, *commands: Command) -> list[uuid.UUID]:
        """In one transaction, in which nothing is refused; the redemptions' ids."""
        answers = await self.commit(*commands)
        assert [said(each) for each in answers] == ["done"] * len(answers)
        stored = [each for each in answers if isinstance(each, StoredAnswer)]
        return [uuid.UUID(pydantic_core.from_json(each.body)["id"]) for each in stored]

    async def hold(self, shop: Shop, customer: Customer, coins: int) -> uuid.UUID:
        (held,) = await self.granted(self.take(shop, await self.new_code(customer), coins, capture=False))
        return held


def said(decided: Decided) -> str:
    """`done`, or the code of what it was declined with."""
    return decided.code or "done"


def noon_zone() -> str:
    """Where it is noon."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


@asynccontextmanager
async def batches_of(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Batches]:
    keyring = Keyring.of(settings)
    writers = Writers(settings, by_key=True)
    reference = Reference(engine, keyring, demo=False)
    try:
        await reference.refresh()
        yield Batches(engine, keyring, Committing(writers, reference, zone=noon_zone(), demo=False))
    finally:
        writers.close()
