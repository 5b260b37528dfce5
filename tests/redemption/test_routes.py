"""What residents and merchants see of redemption, over HTTP."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.redemptions import MerchantRedemption
from service.api_keys import create_api_key
from service.db import transaction
from service.keys import METRICS
from service.secrets import Keyring
from service.tables.redemption import redemption
from tests.machine import MachineCaller, install_machine
from tests.redemption.calls import BY_PAY_CODE, OWN, Caller, balance, code_of, redemptions
from tests.world import World, add_shop, earn

Client = TestClient[Any, Any]


async def test_a_resident_pays_a_merchant(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    response = await resident.redeem(120)
    assert response.status == 201
    answer = await response.json()
    assert uuid.UUID(answer.pop("id")).version == 4
    assert abs((datetime.now(UTC) - datetime.fromisoformat(answer.pop("created_at"))).total_seconds()) < 300
    assert answer == {
        "state": "captured",
        "merchant": {"id": "NK-M-01", "name": "学府便利店"},
        "coins": 120,
        "offer_id": None,
        "balance_coins": 380,
    }
    assert await balance(engine, world.resident_id) == 380


async def test_a_merchant_takes_coins_by_a_pay_code_and_learns_nothing_of_the_resident(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    response = await shop.take(await resident.new_pay_code(), 120)
    assert response.status == 201
    answer = await response.json()
    assert set(answer) == set(MerchantRedemption.model_fields)
    assert (answer["state"], answer["coins"]) == ("captured", 120)
    assert await balance(engine, world.resident_id) == 380


async def test_the_last_coin_can_be_spent(world: World, client: Client, resident: Caller, shop: Caller) -> None:
    await earn(client, world, 500)
    assert (await (await resident.redeem(500)).json())["balance_coins"] == 0


async def test_a_coin_too_many_is_declined_and_changes_nothing(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    response = await resident.redeem(501)
    assert response.status == 409
    problem = await response.json()
    assert problem["code"] == "insufficient_coins"
    assert "501" in problem["detail"]
    assert "500 are available" in problem["detail"]
    assert await balance(engine, world.resident_id) == 500
    assert await redemptions(engine) == 0


async def test_a_merchant_is_not_told_what_a_resident_has(
    world: World, client: Client, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 467)
    response = await shop.take(await resident.new_pay_code(), 1000)
    assert response.status == 409
    assert await code_of(response) == "insufficient_coins"
    assert "467" not in await response.text()
    assert str(world.resident_id) not in await response.text()


async def test_a_merchant_nobody_knows_is_not_paid(
    world: World, client: Client, engine: AsyncEngine, resident: Caller
) -> None:
    await earn(client, world, 500)
    response = await resident.redeem(1, merchant_id="NK-M-99")
    assert response.status == 404
    assert await code_of(response) == "merchant_unknown"
    assert await balance(engine, world.resident_id) == 500


async def test_a_redemption_names_the_machine_that_took_it(
    world: World, client: Client, engine: AsyncEngine, keyring: Keyring, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    machine = MachineCaller(client, await install_machine(engine, keyring))
    # The same key, but each is the first of its actor.
    assert (await machine.take(await resident.new_pay_code(), 10, key="1")).status == 201
    assert (await shop.take(await resident.new_pay_code(), 10, key="1")).status == 201
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(redemption.c.merchant_id, redemption.c.machine_id))).all()
    assert {tuple(row) for row in rows} == {("NK-M-01", "NK-W-01"), ("NK-M-01", None)}


async def test_a_merchant_looks_up_its_own_redemptions_only(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    taken = await (await shop.take(await resident.new_pay_code(), 120)).json()
    found = await shop.get(f"{BY_PAY_CODE}/{taken['id']}")
    assert found.status == 200
    assert await found.json() == taken
    other = Caller(client, await add_shop(engine, "NK-M-02"))
    refused = await other.get(f"{BY_PAY_CODE}/{taken['id']}")
    assert refused.status == 404
    assert await code_of(refused) == "redemption_unknown"


async def test_a_resident_cannot_call_as_a_merchant_nor_a_merchant_as_a_resident(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    code = await resident.new_pay_code()
    assert await code_of(await resident.take(code, 1)) == "token_invalid"
    assert await code_of(await shop.redeem(1)) == "token_invalid"
    assert await code_of(await shop.post("/v1/me/pay-codes")) == "token_invalid"
    async with transaction(engine) as connection:
        operator = Caller(client, await create_api_key(connection, role="operator", name="Ms Li"))
    assert await code_of(await operator.take(code, 1)) == "forbidden"
    assert await code_of(await operator.get(f"{BY_PAY_CODE}/{uuid.uuid4()}")) == "forbidden"
    for path in (OWN, BY_PAY_CODE, "/v1/me/pay-codes"):
        assert (await client.post(path)).status == 401


async def test_a_metric_counts_each_redemption_once_by_outcome(
    world: World, client: Client, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    for _ in range(3):
        await resident.redeem(10, key="captured")
        await resident.redeem(1000, key="declined")
    await shop.take("0" * 18, 10)
    assert client.server is not None
    exported = {
        sample.labels["outcome"]: sample.value
        for metric in client.server.app[METRICS].registry.collect()  # type: ignore[attr-defined]
        for sample in metric.samples
        if sample.name == "tanbi_redemptions_total"
    }
    assert exported == {"captured": 1, "insufficient_coins": 1, "pay_code_unknown": 1}


async def test_no_token_and_no_code_is_ever_logged(
    world: World, client: Client, resident: Caller, shop: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    await earn(client, world, 500)
    code = await resident.new_pay_code()
    await shop.take(code, 501)
    await shop.take(code, 5)
    await shop.take(code, 5)
    text = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("asyncio"))
    assert code not in text
    assert not re.search(f"{shop.token}|{resident.token}", text)


async def test_a_call_without_a_body_is_told_what_to_send(client: Client, shop: Caller) -> None:
    path = f"/v1/redemptions/{uuid.uuid4()}/void"
    nothing = await shop.post(path, b"")
    assert (nothing.status, (await nothing.json())["detail"]) == (
        400,
        "There is no body. Send a JSON object; `{}` where there is nothing to say.",
    )
    headers = {"Authorization": f"Bearer {shop.token}", "Idempotency-Key": "no-type"}
    untyped = await client.post(path, headers=headers, skip_auto_headers=["Content-Type"])
    assert (untyped.status, (await untyped.json())["detail"]) == (
        415,
        "Send application/json, and name it as Content-Type.",
    )
