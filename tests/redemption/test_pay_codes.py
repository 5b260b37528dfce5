"""A pay-code is good once, for a minute, and for one machine of those that present it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.redemption.pay_codes import KEPT
from service.secrets import Keyring
from service.tables.redemption import pay_code
from tests.machine import MachineCaller, install_machine
from tests.redemption.calls import Caller, balance, code_of, redemptions
from tests.world import World, add_shop, earn

Client = TestClient[Any, Any]


async def age_pay_codes(engine: AsyncEngine, age: timedelta) -> None:
    """As if all this had been so long ago."""
    async with transaction(engine) as connection:
        await connection.execute(sa.update(pay_code).values(expires_at=pay_code.c.expires_at - age))


async def stored(engine: AsyncEngine) -> list[Any]:
    async with engine.connect() as connection:
        return list((await connection.execute(sa.select(pay_code).order_by(pay_code.c.created_at))).all())


async def test_a_code_is_18_digits_good_for_60_seconds_and_stored_as_a_keyed_digest(
    resident: Caller, engine: AsyncEngine
) -> None:
    response = await resident.post("/v1/me/pay-codes")
    assert response.status == 201
    assert response.headers["Cache-Control"] == "no-store"
    answer = await response.json()
    assert set(answer) == {"pay_code", "expires_at"}
    assert len(answer["pay_code"]) == 18
    assert answer["pay_code"].isdecimal()
    (row,) = await stored(engine)
    assert row.expires_at - row.created_at == timedelta(seconds=60)
    assert row.expires_at.isoformat().replace("+00:00", "Z") == answer["expires_at"]
    assert len(row.digest) == 32
    assert answer["pay_code"] not in str(tuple(row))


async def test_a_code_pays_once(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    code = await resident.new_pay_code()
    assert (await shop.take(code, 100)).status == 201
    again = await shop.take(code, 100)
    assert again.status == 409
    assert await code_of(again) == "pay_code_used"
    assert await balance(engine, world.resident_id) == 400


async def test_a_code_that_was_used_is_told_from_one_that_expired_unused(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    used = await resident.new_pay_code()
    await shop.take(used, 1)
    unused = await resident.new_pay_code()
    await age_pay_codes(engine, timedelta(seconds=60))
    assert await code_of(await shop.take(used, 1)) == "pay_code_used"
    expired = await shop.take(unused, 1)
    assert expired.status == 409
    assert await code_of(expired) == "pay_code_expired"
    assert await balance(engine, world.resident_id) == 499


async def test_a_code_is_good_until_the_end_of_its_minute(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    code = await resident.new_pay_code()
    async with transaction(engine) as connection:
        # The database's clock alone decides: however slow this machine is, the code is not old.
        await connection.execute(sa.update(pay_code).values(expires_at=sa.func.now() + timedelta(minutes=5)))
    assert (await shop.take(code, 1)).status == 201


async def test_a_code_nobody_was_given_is_unknown(shop: Caller) -> None:
    response = await shop.take("000000000000000000", 1)
    assert response.status == 404
    assert await code_of(response) == "pay_code_unknown"


async def test_a_new_code_makes_the_earlier_one_worthless(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    earlier, later = await resident.new_pay_code(), await resident.new_pay_code()
    assert await code_of(await shop.take(earlier, 1)) == "pay_code_unknown"
    assert (await shop.take(later, 1)).status == 201
    assert len(await stored(engine)) == 1


async def test_of_many_codes_asked_for_at_once_one_is_good(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    codes = await asyncio.gather(*(resident.new_pay_code() for _ in range(20)))
    answers = [(await shop.take(code, 1)).status for code in codes]
    assert sorted(answers) == [201] + [404] * 19
    assert await balance(engine, world.resident_id) == 499


async def test_a_decline_leaves_the_code_good(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    code = await resident.new_pay_code()
    assert await code_of(await shop.take(code, 501)) == "insufficient_coins"
    assert (await shop.take(code, 500)).status == 201
    assert await balance(engine, world.resident_id) == 0


async def test_50_machines_present_one_code_at_two_replicas_and_one_wins(
    world: World,
    client: Client,
    replica: Client,
    engine: AsyncEngine,
    keyring: Keyring,
    resident: Caller,
    shop: Caller,
) -> None:
    await earn(client, world, 500)
    machines = [
        MachineCaller((client, replica)[number % 2], await install_machine(engine, keyring, f"W-{number}"))
        for number in range(50)
    ]
    code = await resident.new_pay_code()
    answers = await asyncio.gather(*(machine.take(code, 7, key="1") for machine in machines))
    won = [answer for answer in answers if answer.status == 201]
    assert len(won) == 1
    assert {await code_of(answer) for answer in answers if answer.status != 201} == {"pay_code_used"}
    assert await balance(engine, world.resident_id) == 493
    assert await redemptions(engine) == 1


async def test_where_the_first_is_declined_the_next_machine_wins(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    other = Caller(client, await add_shop(engine, "NK-M-02"))
    code = await resident.new_pay_code()
    answers = await asyncio.gather(*(caller.take(code, coins) for coins in (501, 5) for caller in (shop, other) * 5))
    assert [answer.status for answer in answers].count(201) == 1
    assert await balance(engine, world.resident_id) == 495


async def test_codes_of_long_ago_are_tidied_and_others_kept(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    for _ in range(3):
        await shop.take(await resident.new_pay_code(), 1)
    await age_pay_codes(engine, KEPT - timedelta(minutes=5))
    await resident.new_pay_code()
    assert len(await stored(engine)) == 4
    await age_pay_codes(engine, timedelta(minutes=10))
    fresh = await resident.new_pay_code()
    assert len(await stored(engine)) == 1
    assert (await shop.take(fresh, 1)).status == 201


@pytest.mark.parametrize("body", [b"", b"{}", b"what"])
async def test_a_code_is_given_whatever_stands_in_the_body(resident: Caller, body: bytes) -> None:
    assert (await resident.post("/v1/me/pay-codes", body)).status == 201
