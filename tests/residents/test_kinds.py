"""Accounts of traders: marked by an operator, with a reason, and shown to whoever has one."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import Role, create_api_key
from service.db import transaction
from tests.redemption.calls import Caller
from tests.residents.conftest import Client, bearer_of, register

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
        response = await operator.post(f"/v1/residents/{resident_id}/kind", WHY | {"kind": kind})
        marked = await response.json()
        assert (response.status, marked["kind"], marked["changed_by"]["name"]) == (200, kind, "李工")
        kinds.append((await (await client.get("/v1/me", headers=bearer)).json())["kind"])
    assert kinds == ["trader", "trader", "resident"]


async def test_only_operators_mark_and_only_residents_who_are_there(client: Client, engine: AsyncEngine) -> None:
    resident_id = await register(engine)
    path = f"/v1/residents/{resident_id}/kind"
    viewer = await caller(client, engine, "viewer")
    assert (await viewer.post(path, WHY | {"kind": "trader"})).status == 403
    operator = await caller(client, engine, "admin")
    bad: list[dict[str, Any]] = [{"kind": "merchant"} | WHY, {"kind": "trader"}, {"kind": "trader", "reason": ""}]
    for document in bad:
        assert (await operator.post(path, document)).status == 422
    for unknown in ("999999", "0", "-1", "x", "1" * 19, "01"):
        response = await operator.post(f"/v1/residents/{unknown}/kind", WHY | {"kind": "trader"})
        assert (response.status, (await response.json())["code"]) == (404, "resident_unknown"), unknown
