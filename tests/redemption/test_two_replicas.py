"""Two instances of the service on one database: what both answer adds up, to the coin."""

import asyncio
import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.secrets import Keyring
from service.settings import Settings
from service.tables.ledger import transfer, wallet
from service.tables.people import merchant
from service.tables.redemption import redemption
from tests.machine import MachineCaller, install_machine
from tests.redemption.calls import BY_PAY_CODE, OWN, Caller, code_of
from tests.redemption.crowd import Person, crowd
from tests.verifying.damage import breaches
from tests.world import World, add_shop

Client = TestClient[Any, Any]

PEOPLE, EARNED = 5, 200
# From each side of each resident's coins.
TIMES = 50
ENDINGS = ("at once", "whole", "part", "void", "capture or void", "refund twice", "left open")


@dataclass
class Told:
    """What the answers say of one redemption, in whatever order they came."""

    resident_id: int
    merchant_id: str
    coins: int
    captured: int
    refunded: int = 0
    is_over: bool = False


@dataclass(frozen=True)
class Seller:
    """A merchant's till or its machine, and who refunds for it, at each of the two instances."""

    merchant_id: str
    asks: tuple[Caller | MachineCaller, Caller | MachineCaller]
    refunds: tuple[Caller, Caller]


@dataclass
class Market:
    """Everybody who asks at once, and what they were told."""

    replicas: tuple[Client, Client]
    sellers: list[Seller]
    told: dict[str, Told] = field(default_factory=dict)
    spends: int = 0
    declined: int = 0
    acting: list[asyncio.Task[None]] = field(default_factory=list)

    def hear(self, person: Person, merchant_id: str, answer: Any) -> None:
        taken = answer["captured_coins"] if "captured_coins" in answer else answer["coins"]
        told = self.told.setdefault(answer["id"], Told(person.id, merchant_id, answer["coins"], 0))
        told.captured = max(told.captured, taken)
        told.refunded = max(told.refunded, answer.get("refunded_coins", 0))
        told.is_over = told.is_over or answer["state"] != "authorised"

    async def spend(
        self, asks: list[Caller | MachineCaller], path: str, document: Any, person: Person, merchant_id: str
    ) -> dict[str, Any] | None:
        """Ask each of `asks` under one key: all hear the same; None where it was declined."""
        key = str(uuid.uuid4())
        answers = await asyncio.gather(*(asking.post(path, document, key=key) for asking in asks))
        assert len({await answer.read() for answer in answers}) == 1
        self.spends += 1
        if answers[0].status == 409:
            assert await code_of(answers[0]) == "insufficient_coins"
            self.declined += 1
            return None
        assert answers[0].status == 201, await answers[0].text()
        found: dict[str, Any] = await answers[0].json()
        self.hear(person, merchant_id, found)
        return found

    async def pay_themselves(self, person: Person) -> None:
        for number in range(TIMES):
            asks: list[Caller | MachineCaller] = [person.at(client) for client in self.replicas]
            merchant_id = self.sellers[number % len(self.sellers)].merchant_id
            # Each third one is sent to both at once.
            asked = asks if number % 3 == 0 else asks[number % 2 :][:1]
            await self.spend(asked, OWN, {"merchant_id": merchant_id, "coins": 1 + number % 9}, person, merchant_id)

    async def show_codes(self, person: Person) -> None:
        for number, ending in zip(range(TIMES), itertools.cycle(ENDINGS), strict=False):
            seller = self.sellers[number % len(self.sellers)]
            code = await person.at(self.replicas[number % 2]).new_pay_code()
            document = {"pay_code": code, "coins": 2 + number % 9, "capture": ending in ("at once", "refund twice")}
            asked = list(seller.asks if number % 3 == 0 else seller.asks[number % 2 :][:1])
            found = await self.spend(asked, BY_PAY_CODE, document, person, seller.merchant_id)
            if found is not None:
                # The resident goes on meanwhile.
                self.acting.append(asyncio.create_task(self.end(ending, found, person, seller)))

    async def end(self, ending: str, found: dict[str, Any], person: Person, seller: Seller) -> None:
        path = f"{BY_PAY_CODE}/{found['id']}"
        here, there = seller.asks
        answers: list[ClientResponse] = []
        expected = [200]
        match ending:
            case "whole":
                answers = [await there.post(f"{path}/capture", {})]
            case "part":
                answers = [await here.post(f"{path}/capture", {"coins": found["coins"] - 1})]
            case "void":
                answers = [await there.post(f"{path}/void", {})]
            case "capture or void":
                answers += await asyncio.gather(here.post(f"{path}/capture", {}), there.post(f"{path}/void", {}))
                expected = [200, 409]
            case "refund twice":
                # More than half, from both: one is too much.
                half = {"coins": found["coins"] // 2 + 1}
                answers += await asyncio.gather(*(till.post(f"{path}/refund", half) for till in seller.refunds))
                expected = [200, 409]
            case _:
                return
        assert sorted(answer.status for answer in answers) == expected, ending
        for answer in answers:
            if answer.status == 200:
                self.hear(person, seller.merchant_id, await answer.json())


@pytest.fixture
async def market(
    world: World, client: Client, replica: Client, engine: AsyncEngine, keyring: Keyring, shop: Caller
) -> Market:
    replicas = (client, replica)
    other = await add_shop(engine, "NK-M-02")
    machine = await install_machine(engine, keyring)
    tills = (shop, Caller(replica, shop.token))
    others = (Caller(client, other), Caller(replica, other))
    machines = (MachineCaller(client, machine), MachineCaller(replica, machine))
    sellers = [Seller("NK-M-01", tills, tills), Seller("NK-M-02", others, others), Seller("NK-M-01", machines, tills)]
    return Market(replicas, sellers)


async def test_500_redemptions_from_both_sides_of_the_same_coins_end_at_what_the_answers_say(
    world: World, market: Market, engine: AsyncEngine, keyring: Keyring, settings: Settings
) -> None:
    people = await crowd(engine, keyring, market.replicas[0], world, [EARNED] * PEOPLE)
    await asyncio.gather(*(side(person) for person in people for side in (market.pay_themselves, market.show_codes)))
    await asyncio.gather(*market.acting)
    assert market.spends == 2 * PEOPLE * TIMES == 500
    assert market.declined > 0
    told = market.told.values()
    expected = {
        person.id: (
            EARNED - sum(of.captured - of.refunded for of in told if of.resident_id == person.id),
            sum(of.coins for of in told if of.resident_id == person.id and not of.is_over),
        )
        for person in people
    }
    async with engine.connect() as connection:
        rows = await connection.execute(sa.select(wallet).where(wallet.c.owner_id.in_(expected)))
        assert {row.owner_id: (row.posted, row.held) for row in rows} == expected
        assert {str(id_) for id_ in (await connection.execute(sa.select(redemption.c.id))).scalars()} == set(
            market.told
        )
        signed = sa.case(
            (transfer.c.credit_account_id == merchant.c.account_id, transfer.c.coins), else_=-transfer.c.coins
        )
        touches = merchant.c.account_id.in_([transfer.c.credit_account_id, transfer.c.debit_account_id])
        accounts = sa.select(merchant.c.id, sa.func.sum(signed).label("coins")).join_from(merchant, transfer, touches)
        assert {row.id: row.coins for row in await connection.execute(accounts.group_by(merchant.c.id))} == {
            merchant_id: sum(of.captured - of.refunded for of in told if of.merchant_id == merchant_id)
            for merchant_id in ("NK-M-01", "NK-M-02")
        }
    for person, client in itertools.product(people, market.replicas):
        posted, held = expected[person.id]
        assert (await (await person.at(client).get("/v1/me")).json())["balance_coins"] == posted - held
    assert await breaches(engine, settings) == {}


async def test_one_key_for_two_peoples_codes_at_two_replicas_pays_one(
    world: World, market: Market, engine: AsyncEngine, keyring: Keyring
) -> None:
    """They meet in no wallet, only in the key."""
    people = await crowd(engine, keyring, market.replicas[0], world, [100, 100])
    tills = market.sellers[0].refunds
    for number in range(10):
        codes = [await person.at(client).new_pay_code() for person, client in zip(people, market.replicas, strict=True)]
        calls = [till.take(code, 1, key=str(number)) for till, code in zip(tills, codes, strict=True)]
        answers = sorted(await asyncio.gather(*calls), key=lambda answer: answer.status)
        assert [answer.status for answer in answers] == [201, 422]
        assert await code_of(answers[1]) == "idempotency_key_reused"
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(sa.func.sum(wallet.c.posted)))).scalar_one() == 190
