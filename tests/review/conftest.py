"""A small city with held drops, operators, and the world's resident at their phone: 李工 has two keys."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.reviews import AppealRequest, HeldDrop, RejectRequest, ReleaseRequest, Review, ReviewItem
from service.api_keys import Role, create_api_key
from service.app import build_app
from service.auth import Operator, authenticate_operator
from service.db import snapshot, transaction
from service.residents.residents import register_resident
from service.review.appealing import appeal
from service.review.deciding import reject, release
from service.review.reading import read_review
from service.secrets import Keyring
from service.settings import Settings
from service.tables.ledger import transfer, wallet
from service.tables.people import credential
from service.tables.weighing import weigh_event
from tests.redemption.calls import Caller
from tests.review.held import Held, hold
from tests.world import CARD, World, open_session

ZONE = "Asia/Shanghai"
PEOPLE: dict[str, tuple[Role, str]] = {
    "li": ("operator", "李工 Li"),
    "li again": ("admin", " 李工  ＬＩ "),
    "wang": ("operator", "王工"),
    "viewer": ("viewer", "看板"),
}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No worker does in between what a test does itself."""
    return settings.model_copy(update={"waiting_interval_seconds": 3600, "fold_interval_seconds": 3600})


@dataclass(frozen=True)
class Office:
    """Operators by what they are called here; and what they do, each time in a transaction of its own."""

    engine: AsyncEngine
    keyring: Keyring
    world: World
    operators: dict[str, Operator]
    keys: dict[str, str]

    def digest(self, card: str) -> bytes:
        return self.keyring.credential_digest("card", card)

    async def hold(self, card: str | None = CARD, **changes: Any) -> Held:
        """A drop of 1 250 g of paper that is held; the world's resident has shown their card, unless it is another."""
        digest = None if card is None else self.digest(card)
        held_for = self.world.resident_id if card == CARD else None
        async with transaction(self.engine) as connection:
            return await hold(connection, held_for=held_for, credential_digest=digest, **changes)

    async def release(self, held: Held, who: str = "li", **wanted: Any) -> ReviewItem:
        document = {"reason": "weighed again"} | wanted
        request = ReleaseRequest.model_validate_json(json.dumps(document, default=datetime.isoformat))
        async with transaction(self.engine) as connection:
            operator = self.operators[who]
            return await release(connection, operator, held.review_id, request, zone=ZONE, demo=False)

    async def reject(self, held: Held, who: str = "li") -> ReviewItem:
        async with transaction(self.engine) as connection:
            return await reject(connection, self.operators[who], held.review_id, RejectRequest(reason="the box is wet"))

    async def appeal(self, held: Held, resident_id: int | None = None) -> HeldDrop:
        async with transaction(self.engine) as connection:
            return await appeal(
                connection, resident_id or self.world.resident_id, held.review_id, AppealRequest(text="it was dry")
            )

    async def read(self, held: Held) -> Review:
        async with snapshot(self.engine) as connection:
            return await read_review(connection, held.review_id, zone=ZONE)

    async def register(self) -> int:
        async with transaction(self.engine) as connection:
            return await register_resident(connection)

    async def credits(self, held: Held) -> list[tuple[int, int]]:
        """To whom this drop was credited, and how much."""
        query = sa.select(transfer.c.owner_id, transfer.c.coins).where(
            transfer.c.kind == "credit", transfer.c.bin_id == held.bin_id, transfer.c.event_id == held.event_id
        )
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(query)]

    async def posted(self, resident_id: int | None = None) -> int:
        query = sa.select(wallet.c.posted).where(wallet.c.owner_id == (resident_id or self.world.resident_id))
        async with self.engine.connect() as connection:
            coins: int = (await connection.execute(query)).scalar_one()
            return coins

    async def outcome(self, held: Held) -> str:
        query = sa.select(weigh_event.c.outcome).where(
            weigh_event.c.bin_id == held.bin_id, weigh_event.c.event_id == held.event_id
        )
        async with self.engine.connect() as connection:
            outcome: str = (await connection.execute(query)).scalar_one()
            return outcome


@pytest.fixture
async def office(engine: AsyncEngine, settings: Settings, world: World) -> Office:
    keyring = Keyring.of(settings)
    async with transaction(engine) as connection:
        keys = {who: await create_api_key(connection, role=role, name=name) for who, (role, name) in PEOPLE.items()}
        operators = {who: await authenticate_operator(connection, key, demo=False) for who, key in keys.items()}
    return Office(engine, keyring, world, operators, keys)


@dataclass(frozen=True)
class Screens:
    """The service over HTTP, with everybody at theirs."""

    client: TestClient[Any, Any]
    office: Office
    resident: Caller

    def of(self, who: str) -> Caller:
        return Caller(self.client, self.office.keys[who])


@pytest.fixture
async def screens(office: Office, settings: Settings) -> AsyncIterator[Screens]:
    token = await open_session(office.engine, office.world.resident_id)
    async with TestClient(TestServer(build_app(settings))) as client:
        yield Screens(client, office, Caller(client, token))


async def told(call: Any) -> tuple[int, str]:
    """The status and code of a problem."""
    response = await call
    return response.status, (await response.json())["code"]


async def said(call: Any) -> Any:
    """What a call that succeeds is answered."""
    response = await call
    assert response.status in (200, 201), await response.text()
    return await response.json()


async def bind_at(engine: AsyncEngine, digest: bytes, resident_id: int, **changes: Any) -> None:
    """A card as if it had been bound then."""
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(credential).values(digest=digest, kind="card", resident_id=resident_id, **changes)
        )
