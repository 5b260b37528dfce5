"""Accounts of traders: marked by an operator, with a reason, and shown to whoever has one."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import Role, create_api_key
from service.db import transaction
from tests.redemption.calls import Caller
from tests.residents.conftest import Client, bearer_of, register

PATH = "/v1/resident-kinds"
WHY = {"reason": "scrap dealer"}


async def caller(client: Client, engine: AsyncEngine, role: Role) -> Caller:
    async with transaction(engine) as connection:
        return Caller(client, await create_api_key(connection, role=role, name="李工"))


async def test_an_operator_marks_a_trader_who_sees_it(client: Client, engine: AsyncEngine) -> None:
    resident_id = await register(engine)
    bearer = await bearer_of(engine, resident_id)
    operator = await caller(client, engine, "operator")
    kinds = []
    for kind in ("trader", "trader", "resident"):
        response = await operator.post(PATH, WHY | {"resident_id": resident_id, "kind": kind})
        marked = await response.json()
        assert (response.status, marked["kind"], marked["changed_by"]["name"]) == (200, kind, "李工")
        kinds.append((await (await client.get("/v1/me", headers=bearer)).json())["kind"])
    assert kinds == ["trader", "trader", "resident"]


async def test_only_operators_mark_and_only_residents_who_are_there(client: Client, engine: AsyncEngine) -> None:
    resident_id = await register(engine)
    whom = {"resident_id": resident_id}
    viewer = await caller(client, engine, "viewer")
    assert (await viewer.post(PATH, whom | WHY | {"kind": "trader"})).status == 403
    operator = await caller(client, engine, "admin")
    bad: list[dict[str, Any]] = [
        {"kind": "merchant"} | WHY,
        {"kind": "trader"},
        {"kind": "trader", "reason": ""},
        *({"resident_id": no_number} | WHY | {"kind": "trader"} for no_number in (0, -1, "x", 10**19)),
    ]
    for document in bad:
        assert (await operator.post(PATH, whom | document)).status == 422
    response = await operator.post(PATH, {"resident_id": 999999} | WHY | {"kind": "trader"})
    assert (response.status, (await response.json())["code"]) == (404, "resident_unknown")
