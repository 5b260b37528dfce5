"""Limits and stock while everybody asks at once at two instances: reached to the piece, and never passed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.examples import EXAMPLES
from service.business_days import next_day_begins_at
from service.db import transaction
from service.keys import REFERENCE
from service.limits import LimitKind
from service.reference import raise_revision
from service.secrets import Keyring
from service.settings import Settings
from service.tables.ledger import transfer
from service.tables.redemption import offer, spending_limit
from tests.redemption.batches import noon_zone
from tests.redemption.calls import BY_PAY_CODE, OWN, Caller
from tests.redemption.crowd import Person, crowd
from tests.verifying.damage import breaches
from tests.world import EPOCH, World

Client = TestClient[Any, Any]

PIECE = 10
REDEMPTION_MAX = 2 * PIECE
PEOPLE = 6
# Each asks by both ways at once; together that is more than any limit allows.
OWN_TIMES, CODE_TIMES = 12, 6


@dataclass(frozen=True)
class Rush:
    """Pieces are asked for by `price`; of them each resident has, or where `shared` all have, `most` in the end.

    What is declined for it has `code` and `members`, and says when the next day begins where it `frees`.
    """

    code: str
    most: int
    shared: bool = False
    price: dict[str, Any] = field(default_factory=lambda: {"coins": PIECE})
    members: dict[str, Any] = field(default_factory=dict)
    frees: bool = True


RUSHES = [
    Rush("resident_day_limit", 9, members={"limit_coins": 9 * PIECE}),
    Rush("merchant_day_limit", 31, shared=True, members={"limit_coins": 31 * PIECE}),
    Rush("offer_day_limit", 8, price={"offer_id": "soap"}, members={"limit": 8}),
    Rush("out_of_stock", 29, shared=True, price={"offer_id": "soap"}, frees=False),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """It is noon where this service is: no day ends while it is looked at."""
    return settings.model_copy(update={"business_timezone": noon_zone()})


async def set_limits(engine: AsyncEngine, limits: dict[tuple[LimitKind, str | None], int], *clients: Client) -> None:
    """As if they had been in force for ever."""
    async with transaction(engine) as connection:
        for (kind, merchant_id), coins in limits.items():
            row = {"kind": kind, "merchant_id": merchant_id, "coins": coins, "effective_from": EPOCH}
            await connection.execute(sa.insert(spending_limit).values(row))
        await raise_revision(connection)
    for client in clients:
        assert client.app is not None
        await client.app[REFERENCE].refresh()


@dataclass
class Counter:
    """A shop that is asked at both instances, and what was declined there."""

    rush: Rush
    replicas: tuple[Client, Client]
    people: list[Person]
    shop: Caller
    is_declined: Callable[[Any], None]

    async def ask(self, caller: Caller, path: str, document: dict[str, Any]) -> Any | None:
        """What was granted; None for a decline, which must be the one that is expected."""
        response = await caller.post(path, document)
        answer = await response.json()
        if response.status == 201:
            return answer
        assert response.status == 409, answer
        self.is_declined(answer)
        return None

    def at(self, person: Person, number: int) -> Client:
        """What is one resident's they ask for at both; what is everybody's at one, so that the transactions of the two
        instances share no wallet, only what is limited."""
        return self.replicas[(self.people.index(person) if self.rush.shared else number) % 2]

    async def pay(self, person: Person, times: int) -> None:
        wanted = {"merchant_id": "NK-M-01", **self.rush.price}
        for number in range(times):
            await self.ask(person.at(self.at(person, number)), OWN, wanted)

    async def show_codes(self, person: Person) -> None:
        """Two pieces are held where coins are asked for, and one is captured, or none."""
        priced_by_coins = "coins" in self.rush.price
        price = {"coins": 2 * PIECE} if priced_by_coins else self.rush.price
        for number in range(CODE_TIMES):
            here, there = self.at(person, number), self.at(person, number + 1)
            code = await person.at(here).new_pay_code()
            held = await self.ask(
                Caller(here, self.shop.token), BY_PAY_CODE, {"pay_code": code, "capture": False, **price}
            )
            if held is not None:
                ending, asked = (("void", {}), ("capture", {"coins": PIECE} if priced_by_coins else {}))[
                    number // 2 % 2
                ]
                path = f"{BY_PAY_CODE}/{held['id']}/{ending}"
                ended: ClientResponse = await Caller(there, self.shop.token).post(path, asked)
                assert ended.status == 200, await ended.text()

    async def ask_too_much(self, person: Person) -> None:
        response = await person.at(self.at(person, 0)).redeem(REDEMPTION_MAX + 1)
        problem = await response.json()
        assert (response.status, problem["code"]) == (409, "redemption_limit")
        assert problem["limit_coins"] == REDEMPTION_MAX


@pytest.mark.parametrize("rush", RUSHES, ids=lambda rush: str(rush.code))
async def test_all_that_is_allowed_is_had_and_no_piece_more(
    rush: Rush,
    settings: Settings,
    world: World,
    client: Client,
    replica: Client,
    engine: AsyncEngine,
    keyring: Keyring,
    shop: Caller,
) -> None:
    limits: dict[tuple[LimitKind, str | None], int] = {("redemption", None): REDEMPTION_MAX}
    if rush.code == "resident_day_limit":
        limits["resident_day", None] = rush.most * PIECE
    elif rush.code == "merchant_day_limit":
        limits["merchant_day", "NK-M-01"] = rush.most * PIECE
    else:
        soap = {**EXAMPLES["NewOffer"], "id": "soap", "coins": PIECE, "machine_kind": None, "resident_day_max": None}
        soap |= {"stock": rush.most} if rush.code == "out_of_stock" else {"resident_day_max": rush.most}
        assert (await shop.post("/v1/merchants/me/offers", soap)).status == 201
    await set_limits(engine, limits, client, replica)
    people = await crowd(engine, keyring, client, world, [1000] * PEOPLE)
    frees_at = next_day_begins_at(datetime.now(UTC), settings.business_timezone)

    def is_declined(problem: Any) -> None:
        assert problem["code"] == rush.code
        assert {name: problem.get(name) for name in rush.members} == rush.members
        if rush.frees:
            assert datetime.fromisoformat(problem["frees_at"]) == frees_at

    counter = Counter(rush, (client, replica), people, shop, is_declined)
    await asyncio.gather(
        *(
            work
            for person in people
            for work in (counter.show_codes(person), counter.pay(person, OWN_TIMES), counter.ask_too_much(person))
        )
    )
    # What was held for others may have been too much then: it is free again, and can be had.
    await asyncio.gather(*(counter.pay(person, rush.most) for person in people))
    async with engine.connect() as connection:
        taken = sa.select(transfer.c.owner_id, sa.func.sum(transfer.c.coins).label("coins")).group_by(
            transfer.c.owner_id
        )
        rows = (await connection.execute(taken.where(transfer.c.kind == "redemption"))).all()
        left = (await connection.execute(sa.select(offer.c.stock_added - offer.c.stock_taken))).scalar()
    pieces = {row.owner_id: row.coins / PIECE for row in rows}
    assert rush.code != "out_of_stock" or left == 0
    assert sum(pieces.values()) == rush.most if rush.shared else set(pieces.values()) == {rush.most}
    assert await breaches(engine, settings) == {}
