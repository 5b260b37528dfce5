"""Coins are spent once and never twice, whoever asks at the same moment and whatever breaks in between."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis_settings
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.residents.residents import register_resident
from service.settings import Settings
from service.tables.ledger import wallet
from tests.blocking import blocked_connection, wait_until
from tests.redemption.calls import OWN, Caller, balance, code_of, redemptions, wallets_closed
from tests.world import World, adjust, earn, open_session

Client = TestClient[Any, Any]


@asynccontextmanager
async def wallet_locked(admin_engine: AsyncEngine, resident_id: int) -> AsyncIterator[None]:
    """Nobody can spend this resident's coins meanwhile; others' they can."""
    async with admin_engine.begin() as connection:
        await connection.execute(sa.select(wallet.c.owner_id).where(wallet.c.owner_id == resident_id).with_for_update())
        yield


async def test_of_100_redemptions_at_once_as_many_succeed_as_there_are_coins(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    answers = await asyncio.gather(*(resident.redeem(10) for _ in range(100)))
    assert sum(answer.status == 201 for answer in answers) == 50
    declined = [answer for answer in answers if answer.status != 201]
    assert {await code_of(answer) for answer in declined} == {"insufficient_coins"}
    # Each balance that was told was true at its moment, and no two the same.
    balances = [(await answer.json())["balance_coins"] for answer in answers if answer.status == 201]
    assert sorted(balances) == list(range(0, 500, 10))
    assert await balance(engine, world.resident_id) == 0


async def test_coins_that_come_while_others_go_are_all_counted(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    calls = [coroutine for _ in range(20) for coroutine in (earn(client, world, 7), resident.redeem(11))]
    await asyncio.gather(*calls)
    assert await balance(engine, world.resident_id) == 500 + 20 * 7 - 20 * 11


async def test_one_key_sent_20_times_at_once_takes_coins_once(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    answers = await asyncio.gather(*(resident.redeem(10, key="one") for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({await answer.read() for answer in answers}) == 1
    assert await balance(engine, world.resident_id) == 490


async def test_the_same_key_again_hears_the_first_answer_to_the_byte(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    first, again = [await resident.redeem(10, key="one") for _ in range(2)]
    assert (first.status, again.status) == (201, 201)
    assert await first.read() == await again.read()
    assert again.headers["Idempotent-Replayed"] == "true"
    reused = await resident.redeem(11, key="one")
    assert reused.status == 422
    assert await code_of(reused) == "idempotency_key_reused"
    assert await balance(engine, world.resident_id) == 490


async def test_a_decline_is_told_again_though_the_coins_have_come_since(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    first = await resident.redeem(10, key="one")
    await earn(client, world, 500)
    again = await resident.redeem(10, key="one")
    assert first.status == again.status == 409
    assert await first.read() == await again.read()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await resident.redeem(10, key="two")).status == 201
    assert await balance(engine, world.resident_id) == 490


async def test_a_merchant_who_asks_again_hears_that_the_code_paid(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    code = await resident.new_pay_code()
    first, again = [await shop.take(code, 10, key="one") for _ in range(2)]
    assert (first.status, again.status) == (201, 201)
    assert await first.read() == await again.read()
    assert await balance(engine, world.resident_id) == 490


async def call_and_hang_up(host: str, port: int, token: str, body: bytes, admin_engine: AsyncEngine) -> None:
    """Send a redemption under the key `one` and reset the socket when its transaction is under way."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"POST {OWN} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: one\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    await wait_until(lambda: blocked_connection(admin_engine))
    # A reset and no goodbye, as when a phone leaves the network.
    cut = struct.pack("ii", 1, 0)
    writer.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, cut)
    writer.transport.abort()
    assert await reader.read() == b""


BODY = json.dumps({"merchant_id": "NK-M-01", "coins": 10}).encode()


async def test_a_socket_cut_before_the_reply_leaves_an_answer_for_the_retry_at_another_replica(
    settings: Settings,
    world: World,
    client: Client,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    resident: Caller,
    shop: Caller,
) -> None:
    await earn(client, world, 500)
    # As in production, where a handler goes on when its client has left; aiohttp's TestServer cancels it.
    runner = web.AppRunner(build_app(settings))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        async with wallets_closed(admin_engine):
            await call_and_hang_up(host, port, resident.token, BODY, admin_engine)
        await wait_until(lambda: redemptions(engine))
    finally:
        await runner.cleanup()
    again = await resident.post(OWN, BODY, key="one")
    assert again.status == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await again.json())["balance_coins"] == 490
    assert await balance(engine, world.resident_id) == 490


async def test_a_handler_that_is_cancelled_in_the_middle_leaves_its_answer_for_the_retry(
    world: World, client: Client, engine: AsyncEngine, admin_engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    """The transaction belongs to all who are in it: none of them takes it along when they leave."""
    await earn(client, world, 500)
    async with wallets_closed(admin_engine):
        await call_and_hang_up(str(client.host), int(client.port or 0), resident.token, BODY, admin_engine)
    await wait_until(lambda: redemptions(engine))
    again = await resident.post(OWN, BODY, key="one")
    assert again.status == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await balance(engine, world.resident_id) == 490


async def test_a_connection_lost_in_the_middle_is_replaced_and_the_answer_is_the_first(
    world: World, client: Client, engine: AsyncEngine, admin_engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    code = await resident.new_pay_code()
    async with wallets_closed(admin_engine):
        call = asyncio.create_task(shop.take(code, 10, key="one"))
        pid = await wait_until(lambda: blocked_connection(admin_engine))
        await cut(admin_engine, pid)
        # Another connection now waits with the same command.
        assert await wait_until(lambda: blocked_connection(admin_engine)) != pid
    answer = await call
    assert answer.status == 201
    assert "Idempotent-Replayed" not in answer.headers
    assert await balance(engine, world.resident_id) == 490


async def cut(admin_engine: AsyncEngine, pid: int) -> None:
    """Cut a connection of the service, and wait until its process is gone."""
    async with admin_engine.begin() as connection:
        await connection.execute(sa.select(sa.func.pg_terminate_backend(pid, 60_000)))


@pytest.fixture
async def hasty(settings: Settings, world: World) -> AsyncIterator[Client]:
    """A service that soon gives up: on a lock in a second, on a database that stays away in a third of one."""
    app = build_app(
        settings.model_copy(update={"statement_timeout_seconds": 2.0, "groupcommit_retry_seconds_max": 0.3})
    )
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_connections_lost_again_and_again_are_a_503_and_the_same_key_is_safe(
    world: World,
    client: Client,
    hasty: Client,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    resident: Caller,
    shop: Caller,
) -> None:
    await earn(client, world, 500)
    code = await resident.new_pay_code()
    async with wallets_closed(admin_engine):
        call = asyncio.create_task(Caller(hasty, shop.token).take(code, 10, key="one"))

        async def cut_whatever_waits() -> bool:
            pid = await blocked_connection(admin_engine)
            if pid is not None:
                await cut(admin_engine, pid)
            return call.done()

        await wait_until(cut_whatever_waits)
        answer = await call
    assert answer.status == 503
    assert await code_of(answer) == "database_unavailable"
    assert "Retry-After" in answer.headers
    assert await balance(engine, world.resident_id) == 500
    again = await shop.take(code, 10, key="one")
    assert again.status == 201
    assert "Idempotent-Replayed" not in again.headers
    assert await balance(engine, world.resident_id) == 490


async def test_a_wallet_that_is_locked_holds_up_nobody_else(
    world: World, client: Client, engine: AsyncEngine, admin_engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    async with transaction(engine) as connection:
        other_id = await register_resident(connection)
        await adjust(connection, other_id, 70)
    other = Caller(client, await open_session(engine, other_id))
    assert (await resident.redeem(20, key="stored")).status == 201
    async with wallet_locked(admin_engine, world.resident_id):
        held_up = [asyncio.create_task(resident.redeem(10, key=f"{n}")) for n in range(3)]
        for n in range(3):
            assert (await other.redeem(10)).status == 201
            # What was answered before is told again without a wallet.
            again = await resident.redeem(20, key="stored")
            assert (again.status, again.headers.get("Idempotent-Replayed")) == (201, "true"), n
        assert not any(task.done() for task in held_up)
    assert [(await task).status for task in held_up] == [201] * 3
    assert await balance(engine, world.resident_id) == 450
    assert await balance(engine, other_id) == 40


async def test_a_wallet_that_stays_locked_is_a_503_and_not_a_failure_of_the_service(
    world: World,
    client: Client,
    hasty: Client,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    resident: Caller,
    shop: Caller,
) -> None:
    await earn(client, world, 500)
    async with wallet_locked(admin_engine, world.resident_id):
        answer = await Caller(hasty, resident.token).redeem(10, key="one")
    assert answer.status == 503
    assert await code_of(answer) == "database_unavailable"
    assert await balance(engine, world.resident_id) == 500
    assert (await resident.redeem(10, key="one")).status == 201


@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=strategies.lists(strategies.tuples(strategies.booleans(), strategies.integers(1, 600)), max_size=8))
async def test_a_wallet_is_what_came_less_what_went_whatever_the_amounts(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller, steps: list[tuple[bool, int]]
) -> None:
    """`steps` are (earn or redeem, coins); the wallet goes on from one example to the next."""
    expected = await balance(engine, world.resident_id)
    for earns, coins in steps:
        if earns:
            await earn(client, world, coins)
            expected += coins
            continue
        answer = await resident.redeem(coins)
        assert answer.status == (201 if coins <= expected else 409)
        if answer.status == 201:
            expected -= coins
            assert (await answer.json())["balance_coins"] == expected
    assert await balance(engine, world.resident_id) == expected
