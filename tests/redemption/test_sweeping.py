"""The sweeper writes down what has expired, tells and counts it, and waits for nobody's wallet."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.embedded import EmbeddedPostgres
from service.keys import METRICS
from service.redemption.committing import SWEPT_HOLDS_MAX
from service.redemption.sweeping import sweep_forever
from service.settings import Settings
from service.tables.ledger import hold, hold_resolution, wallet
from service.tables.webhooks import webhook_message
from service.webhooks.endpoints import register_endpoint
from tests.blocking import blocked_connection, wait_until
from tests.conftest import TEMPLATE, admin_execute
from tests.redemption.batches import Batches, Customer, batches_of
from tests.world import add_due_hold

# Residents with a hold each that is due, far more than one transaction of the sweeper takes.
PLANT_MANY = (
    "CREATE TEMPORARY TABLE due AS"
    " SELECT nextval(pg_get_serial_sequence('account', 'id')) AS id, gen_random_uuid() AS of"
    " FROM generate_series(1, {count})",
    "INSERT INTO account (id, kind) OVERRIDING SYSTEM VALUE SELECT id, 'resident' FROM due",
    "INSERT INTO resident (id) SELECT id FROM due",
    "INSERT INTO wallet (owner_id, posted, held) SELECT id, 5, 5 FROM due",
    "INSERT INTO redemption (owner_id, id, merchant_id, coins, created_at, expires_at)"
    " SELECT id, of, '{shop}', 5, now() - interval '3 minutes', now() - interval '1 minute' FROM due",
    "INSERT INTO hold (owner_id, redemption_id, coins, held_at, expires_at)"
    " SELECT id, of, 5, now() - interval '3 minutes', now() - interval '1 minute' FROM due",
    "DROP TABLE due",
)


@pytest.fixture(scope="module")
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """One for all tests here: each sweeps what it has planted."""
    asyncio.run(admin_execute(postgres, f"CREATE DATABASE sweeping TEMPLATE {TEMPLATE}"))
    yield "sweeping"
    asyncio.run(admin_execute(postgres, "DROP DATABASE sweeping WITH (FORCE)"))


@pytest.fixture
async def batches(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Batches]:
    async with batches_of(settings, engine) as batches:
        yield batches


async def due(batches: Batches, admin_engine: AsyncEngine, shop_id: str) -> Customer:
    """A new resident whose coins were held until a moment ago."""
    customer = await batches.customer(100)
    async with admin_engine.begin() as connection:
        await add_due_hold(connection, customer.id, merchant_id=shop_id, coins=60)
    return customer


async def rows(engine: AsyncEngine, query: sa.Select[Any]) -> list[tuple[Any, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(query)]


async def test_a_running_service_tells_the_merchant_of_a_hold_that_expires_and_counts_it(
    batches: Batches, settings: Settings, admin_engine: AsyncEngine
) -> None:
    shop = await batches.shop()
    async with transaction(batches.engine) as connection:
        # Nothing is sent there: the address is private.
        await register_endpoint(
            connection, batches.keyring, merchant_id=shop.id, url="https://127.0.0.1/", endpoints_max=1, demo=False
        )
    app = build_app(settings.model_copy(update={"hold_sweep_interval_seconds": 0.05}))
    async with TestClient(TestServer(app)):
        anna = await due(batches, admin_engine, shop.id)
        registry = app[METRICS].registry
        await wait_until(lambda: asyncio.sleep(0, registry.get_sample_value("tanbi_expired_holds_total")))
    assert registry.get_sample_value("tanbi_expired_holds_total") == 1
    assert await rows(batches.engine, sa.select(hold.c.coins)) == []
    mine = wallet.c.owner_id == anna.id
    assert await rows(batches.engine, sa.select(wallet.c.posted, wallet.c.held).where(mine)) == [(100, 0)]
    resolved = sa.select(hold_resolution.c.redemption_id, hold_resolution.c.outcome)
    [(redemption_id, outcome)] = await rows(batches.engine, resolved.where(hold_resolution.c.owner_id == anna.id))
    assert outcome == "expired"
    messages = sa.select(webhook_message.c.type, webhook_message.c.payload)
    [(told, payload)] = await rows(batches.engine, messages.where(webhook_message.c.merchant_id == shop.id))
    data = json.loads(payload)["data"]
    assert (told, data["id"], data["state"]) == ("redemption.expired", str(redemption_id), "expired")


async def test_a_wallet_that_is_in_use_is_left_alone_and_the_others_are_swept(
    batches: Batches, admin_engine: AsyncEngine
) -> None:
    shop = await batches.shop()
    anna, bert = [await due(batches, admin_engine, shop.id) for _ in range(2)]
    async with admin_engine.begin() as connection:
        await connection.execute(sa.select(wallet).where(wallet.c.owner_id == anna.id).with_for_update())
        assert await batches.committing.sweep() == 1
        assert await rows(batches.engine, sa.select(hold.c.owner_id)) == [(anna.id,)]
    assert (await batches.wallet(bert)).held == 0
    assert await batches.committing.sweep() == 1
    assert await rows(batches.engine, sa.select(hold.c.owner_id)) == []
    assert await batches.committing.sweep() == 0


@asynccontextmanager
async def sweeping(batches: Batches, interval_seconds: float) -> AsyncIterator[list[int]]:
    """What the sweeper says, each time it found something."""
    said: list[int] = []
    task = asyncio.create_task(sweep_forever(batches.committing, interval_seconds=interval_seconds, swept=said.append))
    try:
        yield said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_where_much_has_expired_the_sweeper_goes_on_without_a_pause(
    batches: Batches, admin_engine: AsyncEngine
) -> None:
    shop = await batches.shop()
    async with admin_engine.begin() as connection:
        for statement in PLANT_MANY:
            await connection.execute(sa.text(statement.format(count=SWEPT_HOLDS_MAX + 7, shop=shop.id)))
    async with sweeping(batches, interval_seconds=3600) as said:
        await wait_until(lambda: asyncio.sleep(0, len(said) == 2))
    assert said == [SWEPT_HOLDS_MAX, 7]
    assert await rows(batches.engine, sa.select(hold.c.owner_id)) == []


async def test_a_sweeper_whose_connection_is_cut_says_so_once_and_goes_on(
    batches: Batches, admin_engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await batches.shop()
    await due(batches, admin_engine, shop.id)
    async with admin_engine.connect() as connection:
        await connection.execute(sa.text("LOCK TABLE hold IN ACCESS EXCLUSIVE MODE"))
        async with sweeping(batches, interval_seconds=0.01) as said:
            cut: set[int] = set()
            while len(cut) < 2:
                pid = await wait_until(lambda: blocked_connection(admin_engine))
                await connection.execute(sa.select(sa.func.pg_terminate_backend(pid, 60_000)))
                cut.add(pid)
            assert said == []
            await connection.rollback()
            await wait_until(lambda: asyncio.sleep(0, said))
    assert said == [1]
    warned = [record for record in caplog.records if record.name == "service.redemption.sweeping"]
    assert [(each.levelname, each.getMessage().partition(":")[0]) for each in warned] == [
        ("WARNING", "the sweeper waits for the database")
    ]
