"""Emptyings as operators see them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.clearances import Clearances
from service.api_keys import create_api_key
from service.db import transaction
from tests.weighing.emptying import Client, TellingBin
from tests.world import World, add_shop

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


@pytest.fixture
async def key(engine: AsyncEngine) -> str:
    async with transaction(engine) as connection:
        return await create_api_key(connection, role="viewer", name="a viewer")


async def listed(client: Client, key: str, query: str = "") -> dict[str, Any]:
    response = await client.get(f"/v1/clearances{query}", headers={"Authorization": f"Bearer {key}"})
    assert response.status == 200, await response.text()
    answer: dict[str, Any] = await response.json()
    Clearances.model_validate(answer)
    return answer


async def test_each_is_held_against_what_was_dropped_the_newest_first(world: World, client: Client, key: str) -> None:
    telling = TellingBin(client, world.hmac, BEGIN)
    await telling.tell(telling.emptied(1, 900, 100))
    await telling.tell(telling.drop(2, 5000))
    await telling.tell(telling.emptied(3, 5060), telling.emptied(4, 0, material="gold"))
    unknown, off, first = (await listed(client, key))["clearances"]
    names = ("mass_before_grams", "removed_grams", "expected_grams", "difference_grams", "permissible_grams")
    assert [off[name] for name in (*names, "within_permissible")] == [5060, 5060, 5100, -40, 40, True]
    assert [first[name] for name in (*names, "within_permissible")] == [900, 800, None, None, None, None]
    assert (first["bin_id"], first["site_id"], first["collector"], first["material"], first["sequence"]) == (
        *("NK-0002", "site-1", "V-07"),
        *("paper", 1),
    )
    assert (unknown["outcome"], unknown["code"]) == ("rejected", "unknown_material")
    assert unknown["findings"] == [
        {
            "code": "unknown_material",
            "sentence": "未知材料",
            "sentence_en": "Material not known",
            "figures": {},
        }
    ]


async def test_filters_hold_together_and_pages_follow_one_another(world: World, client: Client, key: str) -> None:
    one, other = TellingBin(client, world.hmac, BEGIN), TellingBin(client, world.ed25519, BEGIN + timedelta(hours=1))
    await one.tell(*(one.emptied(number, 0) for number in range(1, 6)), one.emptied(6, 0, material="plastic"))
    # Reused twice.
    await other.tell(*(other.emptied(1, 0) for _ in range(3)))

    async def sequences(query: str) -> list[tuple[str, int]]:
        return [(each["bin_id"], each["sequence"]) for each in (await listed(client, key, query))["clearances"]]

    assert await sequences("?bin=NK-0002&material=plastic") == [("NK-0002", 6)]
    assert await sequences("?code=sequence_reused") == [("NK-0001", 1)] * 2
    assert await sequences("?code=any&bin=NK-0002") == []
    since = one.at(4).isoformat().replace("+", "%2B")
    assert await sequences(f"?bin=NK-0002&material=paper&since={since}") == [("NK-0002", 5), ("NK-0002", 4)]
    found, cursor = [], ""
    for _ in range(5):
        page = await listed(client, key, f"?limit=2{cursor}")
        found += [each["id"] for each in page["clearances"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    everything = [each["id"] for each in (await listed(client, key))["clearances"]]
    assert (found, len(set(found))) == (everything, 9)


async def test_who_is_no_operator_and_what_is_no_bin_is_refused(
    world: World, client: Client, key: str, engine: AsyncEngine
) -> None:
    async def refused(query: str, token: str) -> tuple[int, str]:
        response = await client.get(f"/v1/clearances{query}", headers={"Authorization": f"Bearer {token}"})
        return response.status, (await response.json())["code"]

    assert await refused("", await add_shop(engine)) == (403, "forbidden")
    assert await refused("?bin=NK-9999", key) == (404, "bin_unknown")
    assert await refused("?bin=NK 1", key) == (422, "validation_failed")
    assert await refused("?cursor=x", key) == (422, "validation_failed")
