"""GET /v1/me/transfers."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.cursors import encode_cursor
from service.db import transaction
from service.ledger.queries import insert_transfer, move_posted
from service.tables.columns import ISSUER_ACCOUNT_ID
from service.tables.ledger import transfer
from service.tables.people import merchant
from service.tables.redemption import redemption
from tests.residents.conftest import Client, bearer_of, register
from tests.world import World, add_shop, adjust, post, weigh_event

PATH = "/v1/me/transfers"


async def test_each_transfer_says_what_moved_the_coins(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    occurred_at = datetime.now(UTC) - timedelta(days=3)
    await post(client, world.ed25519, weigh_event("NK-0001", time=occurred_at.isoformat()))
    await add_shop(engine)
    redemption_id = await write_all_kinds(engine, world.resident_id)
    response = await client.get(PATH, headers=bearer)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    page = await response.json()
    assert page["next_cursor"] is None
    now = datetime.now(UTC)
    ids = []
    for told in page["transfers"]:
        assert now - timedelta(hours=1) < datetime.fromisoformat(told.pop("created_at")) < now + timedelta(hours=1)
        ids.append(told.pop("id"))
    assert datetime.fromisoformat(page["transfers"][-1].pop("occurred_at")) == occurred_at
    reversal, uncorrected, adjustment, expiry, refund, redemption, cover, credit = ids
    at_the_shop = {"merchant": {"id": "NK-M-01", "name": "学府便利店"}, "redemption_id": str(redemption_id)}
    assert page["transfers"] == [
        {"kind": "reversal", "coins": -3, "reverses_id": uncorrected, "reason": "weighed twice"},
        {"kind": "adjustment", "coins": 7, "reverses_id": None, "reason": "welcome"},
        {"kind": "adjustment", "coins": -5, "reverses_id": credit, "reason": "the scale was wrong"},
        {"kind": "expiry", "coins": -20, "reverses_id": credit},
        {"kind": "refund", "coins": 30, **at_the_shop, "reverses_id": redemption, "reason": "no water came"},
        {"kind": "redemption", "coins": -40, **at_the_shop},
        {"kind": "cover", "coins": 10, **at_the_shop},
        {"kind": "credit", "coins": 125, "material": "paper", "weight_grams": 1250},
    ]
    assert adjustment < uncorrected < reversal
    assert credit < cover < redemption < refund < expiry


async def write_all_kinds(engine: AsyncEngine, resident_id: int) -> uuid.UUID:
    """After a credit one transfer of every other kind, as the ledger writes them; the redemption's id."""
    redemption_id = uuid.uuid4()
    async with transaction(engine) as connection:
        shop = (await connection.execute(sa.select(merchant.c.account_id))).scalar_one()
        credit = (await connection.execute(sa.select(transfer.c.id))).scalar_one()
        await connection.execute(
            sa.insert(redemption).values(owner_id=resident_id, id=redemption_id, merchant_id="NK-M-01", coins=40)
        )

        async def write(kind: str, coins: int, account_id: int, **values: Any) -> int:
            await move_posted(connection, resident_id, coins)
            debit, credit = (account_id, resident_id) if coins > 0 else (resident_id, account_id)
            accounts = {"debit_account_id": debit, "credit_account_id": credit}
            return await insert_transfer(
                connection, owner_id=resident_id, kind=kind, coins=abs(coins), **accounts, **values
            )

        await write("cover", 10, ISSUER_ACCOUNT_ID, redemption_id=redemption_id)
        taken = await write("redemption", -40, shop, redemption_id=redemption_id)
        await write("refund", 30, shop, redemption_id=redemption_id, reverses_id=taken, reason="no water came")
        await write("expiry", -20, ISSUER_ACCOUNT_ID, reverses_id=credit)
        await adjust(connection, resident_id, -5, reason="the scale was wrong", corrects_id=credit)
        welcome = await adjust(connection, resident_id, 7, reason="welcome")
        await write("reversal", -3, ISSUER_ACCOUNT_ID, reverses_id=welcome, reason="weighed twice")
    return redemption_id


async def test_pages_follow_each_other_without_gap_or_repetition(
    client: Client, world: World, bearer: dict[str, str]
) -> None:
    for first in range(0, 45, 15):
        events = [weigh_event("NK-0001", weight_grams=1000 + first + n) for n in range(15)]
        assert (await post(client, world.ed25519, events)).status == 200
    sizes: list[int] = []
    seen: list[int] = []
    query: dict[str, str] = {}
    while True:
        page = await (await client.get(PATH, headers=bearer, params=query)).json()
        sizes.append(len(page["transfers"]))
        seen += [transfer["id"] for transfer in page["transfers"]]
        if page["next_cursor"] is None:
            break
        # What is posted meanwhile is newer, and does not move the pages that follow.
        await post(client, world.ed25519, weigh_event("NK-0001"))
        query = {"cursor": page["next_cursor"]}
    assert sizes == [20, 20, 5]
    assert seen == sorted(set(seen), reverse=True)


async def test_a_last_page_that_is_full_has_no_next(client: Client, world: World, bearer: dict[str, str]) -> None:
    await post(client, world.ed25519, [weigh_event("NK-0001") for _ in range(4)])
    page = await (await client.get(PATH, headers=bearer, params={"limit": "2"})).json()
    page = await (await client.get(PATH, headers=bearer, params={"limit": "2", "cursor": page["next_cursor"]})).json()
    assert (len(page["transfers"]), page["next_cursor"]) == (2, None)


async def test_a_cursor_of_someone_else_shows_ones_own(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    await post(client, world.ed25519, [weigh_event("NK-0001") for _ in range(3)])
    page = await (await client.get(PATH, headers=bearer, params={"limit": "1"})).json()
    stranger = await bearer_of(engine, await register(engine))
    response = await client.get(PATH, headers=stranger, params={"cursor": page["next_cursor"]})
    assert await response.json() == {"transfers": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=x", "/limit"),
        ("limit=", "/limit"),
        ("limit=1&limit=2", "/limit"),
        ("cursor=", "/cursor"),
        ("cursor=1", "/cursor"),
        ("cursor=gAAAAAAAAAA", "/cursor"),
        ("cursor=%00%00%00%00%00%00%00%00%00%00%00", "/cursor"),
        ("page=2", "/page"),
    ],
)
async def test_a_bad_query_is_refused_and_pointed_at(
    client: Client, bearer: dict[str, str], query: str, pointer: str
) -> None:
    response = await client.get(f"{PATH}?{query}", headers=bearer)
    problem = await response.json()
    assert (response.status, problem["code"]) == (422, "validation_failed")
    assert [item["pointer"] for item in problem["errors"]] == [pointer]


async def test_the_cursors_at_both_ends_of_all_ids_are_taken(
    client: Client, world: World, bearer: dict[str, str]
) -> None:
    await post(client, world.ed25519, weigh_event("NK-0001"))
    for last_id, found in ((0, 0), (2**63 - 1, 1)):
        response = await client.get(PATH, headers=bearer, params={"limit": "100", "cursor": encode_cursor(last_id)})
        assert response.status == 200
        assert len((await response.json())["transfers"]) == found
