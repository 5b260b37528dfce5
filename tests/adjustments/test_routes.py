"""/v1/adjustments over HTTP."""

import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.tables.ledger import hold_resolution, wallet
from tests.adjustments.conftest import Office
from tests.world import add_due_hold, add_shop

PATH = "/v1/adjustments"
Client = TestClient[Any, Any]


class Desk:
    """Operators at their screens."""

    def __init__(self, client: Client, office: Office) -> None:
        self.client = client
        self.office = office

    async def post(self, who: str, path: str, document: Any, *, key: str | None = None) -> ClientResponse:
        return await self.client.post(
            path,
            json=document,
            headers={
                "Authorization": f"Bearer {self.office.keys[who]}",
                "Idempotency-Key": key or str(uuid.uuid4()),
            },
        )

    async def get(self, who: str, path: str) -> ClientResponse:
        return await self.client.get(path, headers={"Authorization": f"Bearer {self.office.keys[who]}"})

    async def request(self, **changes: Any) -> ClientResponse:
        return await self.post("li", PATH, self.document(**changes))

    def document(self, **changes: Any) -> dict[str, Any]:
        return {
            "resident_id": self.office.resident_id,
            "direction": "debit",
            "coins": 70,
            "reason": "weighed twice",
            "reference": "case 2026-118",
        } | changes


@pytest.fixture
def desk(client: Client, office: Office) -> Desk:
    return Desk(client, office)


async def told(response: ClientResponse) -> tuple[int, str]:
    return response.status, (await response.json())["code"]


async def test_a_correction_from_the_request_to_the_statement(desk: Desk) -> None:
    key = str(uuid.uuid4())
    response = await desk.post("li", PATH, desk.document(corrects_id=desk.office.transfer_id), key=key)
    asked = await response.json()
    assert response.status == 201
    assert response.headers["Cache-Control"] == "no-store"
    again = await desk.post("li", PATH, desk.document(corrects_id=desk.office.transfer_id), key=key)
    assert (again.headers["Idempotent-Replayed"], await again.json()) == ("true", asked)
    path = f"{PATH}/{asked['id']}"
    assert await told(await desk.post("li", f"{path}/approve", {}, key="mine")) == (403, "own_adjustment")
    assert await told(await desk.post("li again", f"{path}/approve", {})) == (403, "own_adjustment")

    approval = await desk.post("wang", f"{path}/approve", {}, key="approve")
    approved = await approval.json()
    assert approval.status == 200
    assert approved["requested_by"]["name"] == "李工 Li"
    assert approved["decided_by"] == {"key_id": str(desk.office.operators["wang"].key_id), "name": "王工"}
    assert await (await desk.post("wang", f"{path}/approve", {}, key="approve")).json() == approved
    assert await told(await desk.post("wang", f"{path}/approve", {})) == (409, "adjustment_decided")
    assert await told(await desk.post("li", f"{path}/reject", {"reason": "no"})) == (409, "adjustment_decided")
    assert await (await desk.get("auditor", path)).json() == approved

    page = await (await desk.get("auditor", f"{PATH}?state=approved")).json()
    assert page == {"adjustments": [approved], "next_cursor": None}
    assert (await (await desk.get("auditor", f"{PATH}?state=waiting")).json())["adjustments"] == []


async def test_who_may_only_read_can_neither_ask_nor_decide(desk: Desk) -> None:
    path = f"{PATH}/{(await (await desk.request()).json())['id']}"
    assert await told(await desk.post("auditor", PATH, desk.document())) == (403, "forbidden")
    assert await told(await desk.post("auditor", f"{path}/approve", {})) == (403, "forbidden")
    assert await told(await desk.post("auditor", f"{path}/reject", {"reason": "no"})) == (403, "forbidden")
    assert (await (await desk.get("auditor", path)).json())["state"] == "waiting"
    response = await desk.client.get(path, headers={"Authorization": "Bearer tbk_nobody"})
    assert await told(response) == (401, "token_invalid")


async def test_a_declined_debit_is_declined_again_under_its_key_and_may_be_tried_under_another(desk: Desk) -> None:
    path = f"{PATH}/{(await (await desk.request(coins=501)).json())['id']}"
    for _ in range(2):
        declined = await desk.post("wang", f"{path}/approve", {}, key="first")
        assert await told(declined) == (409, "insufficient_coins")
    credit = await (await desk.request(direction="credit", coins=1)).json()
    assert (await desk.post("wang", f"{PATH}/{credit['id']}/approve", {})).status == 200
    assert await told(await desk.post("wang", f"{path}/approve", {}, key="first")) == (409, "insufficient_coins")
    assert (await desk.post("wang", f"{path}/approve", {}, key="second")).status == 200


async def test_what_is_held_no_longer_is_there_for_a_debit(
    desk: Desk, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    await add_shop(engine, "M1")
    async with admin_engine.begin() as connection:
        await add_due_hold(connection, desk.office.resident_id, merchant_id="M1", coins=450)
    for coins, status in ((430, 200), (71, 409)):
        wanted = await (await desk.request(coins=coins)).json()
        assert (await desk.post("wang", f"{PATH}/{wanted['id']}/approve", {})).status == status
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(wallet.c.posted, wallet.c.held))).all() == [(70, 0)]
        assert (await connection.execute(sa.select(hold_resolution.c.outcome))).scalars().all() == ["expired"]


async def test_bad_input_is_pointed_at_and_changes_nothing(desk: Desk) -> None:
    bad: dict[str, list[Any]] = {
        "coins": [0, -1, 1.5, "70", 10**10, None],
        "direction": ["both", "", None],
        "reason": ["", "  ", "a" * 201, "a\u0000b", None],
        "reference": ["", "\n", None],
        "resident_id": [0, "1", 2**63, None],
        "corrects_id": [0, 2**63, "x"],
        "state": ["approved"],
    }
    for field, values in bad.items():
        for value in values:
            response = await desk.request(**{field: value})
            problem = await response.json()
            assert (response.status, problem["code"]) == (422, "validation_failed"), (field, value)
            assert [error["pointer"] for error in problem["errors"]] == [f"/{field}"]
    assert await told(await desk.request(resident_id=2**63 - 1)) == (404, "resident_unknown")
    assert await told(await desk.request(corrects_id=2**63 - 1)) == (404, "transfer_unknown")
    for adjustment_id in (str(uuid.uuid4()), "1", uuid.uuid4().hex, f"urn:uuid:{uuid.uuid4()}"):
        for response in (
            await desk.get("li", f"{PATH}/{adjustment_id}"),
            await desk.post("wang", f"{PATH}/{adjustment_id}/approve", {}),
        ):
            assert await told(response) == (404, "adjustment_unknown")
    assert (await (await desk.get("li", PATH)).json())["adjustments"] == []
    for query in ("state=open", "limit=0", "cursor=AAAAAAAAAAA", "cursor=" + "_" * 32):
        assert await told(await desk.get("li", f"{PATH}?{query}")) == (422, "validation_failed")
