"""GET /v1/me/transfers."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.cursors import encode_cursor
from service.db import transaction
from service.ledger.posting import reverse_transfer
from service.ledger.queries import open_merchant_account
from service.tables import merchant
from tests.residents.conftest import Client, bearer_of, register
from tests.world import World, post, spend, weigh_event

PATH = "/v1/me/transfers"


async def test_each_transfer_says_what_moved_the_coins(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    occurred_at = datetime.now(UTC) - timedelta(days=3)
    await post(client, world.ed25519, weigh_event("NK-0001", time=occurred_at.isoformat()))
    redemption_id = uuid.uuid4()
    async with transaction(engine) as connection:
        account_id = await open_merchant_account(connection)
        await connection.execute(
            sa.insert(merchant).values(id="NK-M-01", account_id=account_id, name="水站", name_en="Water")
        )
        await spend(
            connection,
            owner_id=world.resident_id,
            merchant_account_id=account_id,
            coins=40,
            redemption_id=redemption_id,
        )
    [spent, credited] = (await (await client.get(PATH, headers=bearer)).json())["transfers"]
    async with transaction(engine) as connection:
        await reverse_transfer(
            connection, owner_id=world.resident_id, transfer_id=spent["id"], reason="the machine gave no water"
        )
    response = await client.get(PATH, headers=bearer)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    page = await response.json()
    [back, *earlier] = page["transfers"]
    assert earlier == [spent, credited]
    assert page["next_cursor"] is None
    assert datetime.fromisoformat(credited.pop("occurred_at")) == occurred_at
    now = datetime.now(UTC)
    for transfer in (back, spent, credited):
        assert now - timedelta(hours=1) < datetime.fromisoformat(transfer.pop("created_at")) < now + timedelta(hours=1)
        assert isinstance(transfer.pop("id"), int)
    assert credited == {"kind": "credit", "coins": 125, "material": "paper", "weight_grams": 1250}
    assert spent == {
        "kind": "redemption",
        "coins": -40,
        "merchant": {"id": "NK-M-01", "name": "水站"},
        "redemption_id": str(redemption_id),
    }
    assert back == {
        "kind": "reversal",
        "coins": 40,
        "reverses_id": earlier[0].get("id", back["reverses_id"]),
        "reason": "the machine gave no water",
    }


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
