"""A machine is known by its signature: what it may do with it, and what nobody else may."""

import io
import json
import time
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.signatures import Algorithm, sign_request
from service.db import transaction
from service.keys import REFERENCE
from service.redemption.merchants import add_machine_key, revoke_machine_key
from service.secrets import Keyring
from service.tables.redemption import redemption
from tests.machine import REDEMPTIONS, MachineCaller, install_machine
from tests.redemption.calls import Caller, code_of
from tests.world import World, earn, post, weigh_event

Client = TestClient[Any, Any]


@pytest.fixture
async def machine(world: World, shop: Caller, engine: AsyncEngine, keyring: Keyring) -> MachineCaller:
    return MachineCaller(shop.client, await install_machine(engine, keyring))


async def refused(response: ClientResponse, status: int, code: str) -> None:
    assert (response.status, await code_of(response)) == (status, code), await response.text()


async def balance(resident: Caller) -> int:
    coins: int = (await (await resident.get("/v1/me")).json())["balance_coins"]
    return coins


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("covers_key", [False, True])
async def test_a_machine_authorises_looks_and_captures_with_its_signature(
    world: World,
    client: Client,
    resident: Caller,
    shop: Caller,
    engine: AsyncEngine,
    keyring: Keyring,
    algorithm: Algorithm,
    covers_key: bool,
) -> None:
    await earn(client, world, 100)
    machine = MachineCaller(client, await install_machine(engine, keyring, algorithm=algorithm), covers_key)
    authorised = await machine.take(await resident.new_pay_code(), 50, capture=False)
    assert authorised.status == 201, await authorised.text()
    held = await authorised.json()
    assert (held["state"], held["machine_id"]) == ("authorised", "NK-W-01")
    assert await (await machine.get(f"{REDEMPTIONS}/{held['id']}")).json() == held
    captured = await (await machine.post(f"{REDEMPTIONS}/{held['id']}/capture", {"coins": 30})).json()
    assert (captured["state"], captured["captured_coins"]) == ("captured", 30)
    assert await balance(resident) == 70
    # What a machine took its merchant sees, and gives back.
    assert (await shop.get(f"{REDEMPTIONS}/{held['id']}")).status == 200
    await refused(await machine.post(f"{REDEMPTIONS}/{held['id']}/refund", {}), 403, "forbidden")
    assert (await shop.post(f"{REDEMPTIONS}/{held['id']}/refund", {})).status == 200
    async with engine.connect() as connection:
        row = (await connection.execute(sa.select(redemption))).one()
    assert (row.merchant_id, row.machine_id) == ("NK-M-01", "NK-W-01")


async def test_a_bin_is_no_machine_and_a_machine_no_bin_whatever_they_are_called(
    world: World, client: Client, resident: Caller, machine: MachineCaller, engine: AsyncEngine, keyring: Keyring
) -> None:
    namesake = await install_machine(engine, keyring, world.hmac.keyid)
    await earn(client, world, 100)
    pay_code = await resident.new_pay_code()
    # A key that only a bin has, and one whose keyid a machine has too.
    await refused(await MachineCaller(client, world.ed25519).take(pay_code, 50), 401, "key_unknown")
    await refused(await MachineCaller(client, world.hmac).take(pay_code, 50), 401, "signature_wrong")
    await refused(await post(client, machine.key, weigh_event("NK-W-01")), 401, "key_unknown")
    await refused(await post(client, namesake, weigh_event(namesake.keyid)), 401, "signature_wrong")
    # Each where it belongs is known.
    assert (await post(client, world.hmac, weigh_event(world.hmac.keyid))).status == 200
    assert (await MachineCaller(client, namesake).take(pay_code, 50)).status == 201


async def test_a_request_is_signed_or_has_an_api_key_and_never_both(
    client: Client, resident: Caller, shop: Caller, machine: MachineCaller
) -> None:
    bearer = {"Authorization": f"Bearer {shop.token}"}
    await refused(await machine.post(REDEMPTIONS, {}, headers=bearer), 400, "two_credentials")
    await refused(await client.post(REDEMPTIONS, json={}, headers={"Idempotency-Key": "1"}), 401, "token_invalid")
    # Where machines do not call, a signature is no credential and takes none away.
    response = await machine.post("/v1/me/redemptions", {"merchant_id": "NK-M-01", "coins": 1})
    await refused(response, 401, "token_invalid")
    response = await client.get("/v1/me", headers={"Authorization": f"Bearer {resident.token}", "Signature-Input": "x"})
    assert response.status == 200


async def test_a_signature_that_does_not_hold_is_refused_with_the_profiles_code(
    world: World, client: Client, resident: Caller, machine: MachineCaller
) -> None:
    await earn(client, world, 100)
    body = json.dumps({"pay_code": await resident.new_pay_code(), "coins": 50, "capture": True}).encode()

    async def send(sent: bytes, signed: dict[str, str], key: str = "1") -> ClientResponse:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, **signed}
        return await client.post(REDEMPTIONS, data=io.BytesIO(sent), headers=headers)

    def signed(path: str = REDEMPTIONS, *, age_seconds: int = 0, also: dict[str, str] | None = None) -> dict[str, str]:
        created = int(time.time()) - age_seconds
        return sign_request(machine.key, method="POST", target=path, body=body, created=created, also=also or {})

    await refused(await send(body.replace(b"50", b"90"), signed()), 401, "content_digest_mismatch")
    await refused(await send(body, signed("/v1/other")), 401, "signature_wrong")
    await refused(await send(body, signed(age_seconds=310)), 401, "signature_stale")
    await refused(await send(body, {"Signature-Input": "sig1=()"}), 401, "signature_missing")
    # Who covers the key has it covered: under another one the request is not the machine's.
    covered = signed(also={"idempotency-key": "1"})
    await refused(await send(body, covered, key="2"), 401, "signature_wrong")
    assert await balance(resident) == 100
    assert (await send(body, covered)).status == 201


async def test_a_signature_that_is_replayed_under_another_key_moves_nothing(
    world: World, client: Client, resident: Caller, machine: MachineCaller
) -> None:
    await earn(client, world, 100)

    async def send_twice(path: str, document: dict[str, Any]) -> tuple[Any, ClientResponse]:
        body = json.dumps(document).encode()
        signed = sign_request(machine.key, method="POST", target=path, body=body, created=int(time.time()))
        headers = {"Content-Type": "application/json", **signed}
        first = await client.post(path, data=body, headers={**headers, "Idempotency-Key": str(uuid.uuid4())})
        again = await client.post(path, data=body, headers={**headers, "Idempotency-Key": str(uuid.uuid4())})
        return await first.json(), again

    asked = {"pay_code": await resident.new_pay_code(), "coins": 50, "capture": False}
    held, again = await send_twice(REDEMPTIONS, asked)
    await refused(again, 409, "pay_code_used")
    _, again = await send_twice(f"{REDEMPTIONS}/{held['id']}/capture", {"coins": 20})
    await refused(again, 409, "already_captured")
    assert await balance(resident) == 80


async def test_a_revoked_key_is_refused_and_a_second_one_stays_good(
    client: Client, shop: Caller, machine: MachineCaller, engine: AsyncEngine, keyring: Keyring
) -> None:
    async with transaction(engine) as connection:
        second = await add_machine_key(connection, keyring, machine_id="NK-W-01", algorithm=Algorithm.ED25519)
    path = f"{REDEMPTIONS}/00000000-0000-4000-8000-000000000000"
    for caller in (machine, MachineCaller(client, second)):
        await refused(await caller.get(path), 404, "redemption_unknown")
    async with transaction(engine) as connection:
        await revoke_machine_key(connection, machine.key.keyid)
    assert client.app is not None
    await client.app[REFERENCE].refresh()
    await refused(await machine.get(path), 401, "key_unknown")
    await refused(await MachineCaller(client, second).get(path), 404, "redemption_unknown")
