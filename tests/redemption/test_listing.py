"""GET /v1/redemptions."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.redemptions import MerchantRedemption
from service.db import transaction
from service.tables.ledger import hold_resolution
from service.tables.redemption import redemption
from tests.redemption.calls import BY_PAY_CODE, Caller
from tests.world import World, add_shop, earn

Client = TestClient[Any, Any]

NOON = datetime(2026, 3, 1, 4, tzinfo=UTC)
DAY = timedelta(days=1)


async def test_a_merchant_finds_what_it_took_and_what_became_of_it(
    world: World, client: Client, engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 467)
    paid = await (await resident.redeem(120)).json()
    taken = await (await shop.take(await resident.new_pay_code(), 30)).json()
    hold = {"pay_code": await resident.new_pay_code(), "coins": 40, "capture": False}
    held = await (await shop.post(BY_PAY_CODE, hold)).json()
    assert (await shop.post(f"{BY_PAY_CODE}/{taken['id']}/refund", {"coins": 10})).status == 200

    response = await shop.get(BY_PAY_CODE)
    assert response.status == 200
    page = await response.json()
    assert [(each["id"], each["state"], each["refunded_coins"]) for each in page["redemptions"]] == [
        (held["id"], "authorised", 0),
        (taken["id"], "captured", 10),
        (paid["id"], "captured", 0),
    ]
    assert page["next_cursor"] is None
    # As each is told by itself, and no word of who came and what they have.
    for each in page["redemptions"]:
        assert each == await (await shop.get(f"{BY_PAY_CODE}/{each['id']}")).json()
        assert each.keys() == MerchantRedemption.model_fields.keys()

    other = Caller(client, await add_shop(engine, "NK-M-02"))
    assert await (await other.get(BY_PAY_CODE)).json() == {"redemptions": [], "next_cursor": None}
    assert (await resident.get(BY_PAY_CODE)).status == 401


async def test_pages_of_a_merchants_redemptions_follow_each_other_also_within_one_moment(
    world: World, engine: AsyncEngine, shop: Caller
) -> None:
    rows = [
        {
            "owner_id": world.resident_id,
            "id": uuid.uuid4(),
            "merchant_id": "NK-M-01",
            "coins": 1,
            "created_at": NOON + timedelta(hours=number // 3),
        }
        for number in range(9)
    ]
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(redemption), rows)
        voided = {"coins": 1, "captured_coins": 0, "held_at": NOON, "expires_at": NOON + DAY, "resolved_at": NOON}
        await connection.execute(
            sa.insert(hold_resolution),
            [{"owner_id": row["owner_id"], "redemption_id": row["id"], "outcome": "voided"} | voided for row in rows],
        )
    seen: list[tuple[str, str]] = []
    cursor = ""
    for _ in range(5):
        page = await (await shop.get(f"{BY_PAY_CODE}?limit=2{cursor}")).json()
        seen += [(each["created_at"], each["id"]) for each in page["redemptions"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert len(seen) == len(set(seen)) == 9
    assert seen == sorted(seen, reverse=True)
    for query in ("limit=0", "limit=101", "cursor=AAAAAAAAAAA", "state=captured"):
        assert (await shop.get(f"{BY_PAY_CODE}?{query}")).status == 422
