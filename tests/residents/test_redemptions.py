"""GET /v1/me/redemptions."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import transaction
from service.ledger.queries import insert_transfer, move_posted
from service.tables.ledger import hold, hold_resolution, wallet
from service.tables.people import merchant
from service.tables.redemption import redemption
from tests.residents.conftest import Client, bearer_of, register
from tests.world import World, add_shop, adjust

PATH = "/v1/me/redemptions"
NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Book:
    """Writes redemptions of one resident as the ledger does, one a minute from NOON on."""

    def __init__(self, connection: AsyncConnection, owner_id: int, shop: int) -> None:
        self.connection = connection
        self.owner_id = owner_id
        self.shop = shop
        self.minutes = 0

    async def redeem(self, coins: int, **values: Any) -> UUID:
        redemption_id = uuid.uuid4()
        self.minutes += 1
        row = {"owner_id": self.owner_id, "id": redemption_id, "merchant_id": "NK-M-01", "coins": coins}
        row |= {"created_at": NOON + self.minutes * timedelta(minutes=1)} | values
        await self.connection.execute(sa.insert(redemption).values(row))
        return redemption_id

    async def take(self, redemption_id: UUID, coins: int) -> int:
        return await self._move("redemption", redemption_id, -coins)

    async def refund(self, redemption_id: UUID, coins: int, capture_id: int) -> None:
        await self._move("refund", redemption_id, coins, reverses_id=capture_id)

    async def _move(self, kind: str, redemption_id: UUID, coins: int, **values: Any) -> int:
        await move_posted(self.connection, self.owner_id, coins)
        debit, credit = (self.shop, self.owner_id) if coins > 0 else (self.owner_id, self.shop)
        return await insert_transfer(
            self.connection,
            owner_id=self.owner_id,
            kind=kind,
            debit_account_id=debit,
            credit_account_id=credit,
            coins=abs(coins),
            redemption_id=redemption_id,
            **values,
        )

    async def hold(self, redemption_id: UUID, coins: int, expires_at: datetime) -> None:
        await self.connection.execute(
            sa.insert(hold).values(
                owner_id=self.owner_id,
                redemption_id=redemption_id,
                coins=coins,
                held_at=expires_at - HOUR,
                expires_at=expires_at,
            )
        )
        await self.connection.execute(sa.update(wallet).values(held=wallet.c.held + coins))

    async def resolve(self, redemption_id: UUID, outcome: str, coins: int, captured_coins: int = 0) -> None:
        await self.connection.execute(
            sa.insert(hold_resolution).values(
                owner_id=self.owner_id,
                redemption_id=redemption_id,
                outcome=outcome,
                coins=coins,
                captured_coins=captured_coins,
                held_at=NOON,
                expires_at=NOON + HOUR,
                resolved_at=NOON + (2 * HOUR if outcome == "expired" else timedelta(0)),
            )
        )


@pytest.fixture
async def shop(engine: AsyncEngine, world: World) -> int:
    await add_shop(engine)
    async with transaction(engine) as connection:
        await adjust(connection, world.resident_id, 10_000)
        account_id: int = (await connection.execute(sa.select(merchant.c.account_id))).scalar_one()
        return account_id


async def test_each_redemption_says_what_became_of_it(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str], shop: int
) -> None:
    now = datetime.now(UTC)
    async with transaction(engine) as connection:
        book = Book(connection, world.resident_id, shop)
        at_once = await book.redeem(10)
        capture_id = await book.take(at_once, 10)
        await book.refund(at_once, 4, capture_id)
        given_back = await book.redeem(20, offer_id="water-5l")
        capture_id = await book.take(given_back, 20)
        for coins in (5, 15):
            await book.refund(given_back, coins, capture_id)
        held = await book.redeem(30, expires_at=now + DAY, machine_id="NK-W-01")
        await book.hold(held, 30, now + DAY)
        over = await book.redeem(40, expires_at=now - HOUR)
        await book.hold(over, 40, now - HOUR)
        voided, swept, partly, late = [await book.redeem(50 + n, expires_at=NOON + HOUR) for n in range(4)]
        await book.resolve(voided, "voided", 50)
        await book.resolve(swept, "expired", 51)
        await book.resolve(partly, "captured", 52, 12)
        await book.take(partly, 12)
        await book.resolve(late, "expired", 53)
        await book.take(late, 3)
    response = await client.get(PATH, headers=bearer)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    page = await response.json()
    assert page["next_cursor"] is None
    told = {UUID(each["id"]): each for each in page["redemptions"]}
    assert list(told) == [late, partly, swept, voided, over, held, given_back, at_once]
    outcomes = {
        redemption_id: (each["state"], each["coins"], each["captured_coins"], each["refunded_coins"])
        for redemption_id, each in told.items()
    }
    assert outcomes == {
        late: ("captured", 53, 3, 0),
        partly: ("captured", 52, 12, 0),
        swept: ("expired", 51, 0, 0),
        voided: ("voided", 50, 0, 0),
        over: ("expired", 40, 0, 0),
        held: ("authorised", 30, 0, 0),
        given_back: ("refunded", 20, 20, 20),
        at_once: ("captured", 10, 10, 4),
    }
    assert told[at_once]["merchant"] == {"id": "NK-M-01", "name": "学府便利店"}
    assert (told[at_once]["expires_at"], told[at_once]["machine_id"]) == (None, None)
    assert (told[given_back]["offer_id"], told[held]["machine_id"]) == ("water-5l", "NK-W-01")
    assert datetime.fromisoformat(told[held]["expires_at"]) == now + DAY
    # A hold whose time is over holds nothing, though nobody has written that down yet.
    me = await (await client.get("/v1/me", headers=bearer)).json()
    assert (me["balance_coins"], me["held_coins"]) == (10_000 - 10 + 4 - 12 - 3 - 30, 30)


async def test_pages_follow_each_other_also_within_one_moment(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str], shop: int
) -> None:
    async with transaction(engine) as connection:
        book = Book(connection, world.resident_id, shop)
        for moment in range(3):
            for _ in range(3):
                await book.take(await book.redeem(1, created_at=NOON + moment * HOUR), 1)
    seen: list[tuple[str, str]] = []
    query: dict[str, Any] = {"limit": "2"}
    for _ in range(5):
        page = await (await client.get(PATH, headers=bearer, params=query)).json()
        seen += [(each["created_at"], each["id"]) for each in page["redemptions"]]
        query["cursor"] = page["next_cursor"]
    assert query["cursor"] is None
    assert len(seen) == len(set(seen)) == 9
    assert seen == sorted(seen, reverse=True)


async def test_ones_own_are_shown_and_nobody_elses(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str], shop: int
) -> None:
    async with transaction(engine) as connection:
        book = Book(connection, world.resident_id, shop)
        for _ in range(2):
            await book.take(await book.redeem(1), 1)
    page = await (await client.get(PATH, headers=bearer, params={"limit": "1"})).json()
    stranger = await bearer_of(engine, await register(engine))
    response = await client.get(PATH, headers=stranger, params={"cursor": page["next_cursor"]})
    assert await response.json() == {"redemptions": [], "next_cursor": None}
    for query in ("limit=0", "limit=101", "cursor=AAAAAAAAAAA", "cursor=" + "_" * 32):
        assert (await client.get(f"{PATH}?{query}", headers=bearer)).status == 422
