"""GET /v1/me."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.ledger.coin_life import next_expiring
from service.residents import overview
from service.settings import Settings
from service.tables import carbon_factor, coin_life, resident_volume, wallet
from tests.blocking import HANGING_SECONDS
from tests.residents.conftest import Client, bearer_of, register
from tests.world import EPOCH, World, credit, post, weigh_event


async def test_who_brought_nothing_has_nothing(engine: AsyncEngine, client: Client, settings: Settings) -> None:
    resident_id = await register(engine)
    response = await client.get("/v1/me", headers=await bearer_of(engine, resident_id))
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert await response.json() == {
        "resident_id": resident_id,
        "kind": "resident",
        "balance_coins": 0,
        "held_coins": 0,
        "expiring": None,
        "lifetime_grams": 0,
        "materials": [],
        "co2e": {"grams": 0, "factor_set": settings.co2e_factor_set, "materials_without_factor": []},
        "card_count": 0,
    }


async def test_coins_weights_and_co2e_are_those_of_the_resident(
    engine: AsyncEngine, admin_engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    other_id = await register(engine)
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(resident_volume),
            [
                {"owner_id": world.resident_id, "material_id": "paper", "grams": 1255},
                {"owner_id": world.resident_id, "material_id": "plastic", "grams": 333},
                {"owner_id": world.resident_id, "material_id": "metal", "grams": 40},
                {"owner_id": other_id, "material_id": "paper", "grams": 9000},
            ],
        )
        await connection.execute(
            sa.insert(carbon_factor),
            [
                {"set_id": set_id, "material_id": material, "grams_co2e_per_kg": factor, "stands_for": material}
                for set_id, material, factor in [
                    ("uk.desnz.2025", "paper", 220),
                    ("uk.desnz.2025", "plastic", 1600),
                    ("us.epa.warm.v16", "metal", 2020),
                ]
            ],
        )
    async with transaction(admin_engine) as connection:
        await connection.execute(
            sa.update(wallet).where(wallet.c.owner_id == world.resident_id).values(posted=500, held=120)
        )
    me = await (await client.get("/v1/me", headers=bearer)).json()
    assert me == {
        "resident_id": world.resident_id,
        "kind": "resident",
        "balance_coins": 380,
        "held_coins": 120,
        "expiring": None,
        "lifetime_grams": 1628,
        "materials": [
            {"material": "metal", "name": "metal", "name_en": "metal", "weight_grams": 40},
            {"material": "paper", "name": "paper", "name_en": "paper", "weight_grams": 1255},
            {"material": "plastic", "name": "plastic", "name_en": "plastic", "weight_grams": 333},
        ],
        # 1255 x 220 + 333 x 1600 = 808 900
        "co2e": {"grams": 808, "factor_set": "uk.desnz.2025", "materials_without_factor": ["metal"]},
        "card_count": 1,
    }


async def test_the_balance_is_as_of_now(client: Client, world: World, bearer: dict[str, str]) -> None:
    await post(client, world.ed25519, weigh_event("NK-0001"))
    me = await (await client.get("/v1/me", headers=bearer)).json()
    assert me["balance_coins"] == 125


async def test_a_drop_counts_for_its_resident_also_where_it_waited_for_the_card(
    client: Client, world: World, bearer: dict[str, str]
) -> None:
    waited = weigh_event("NK-0001", weight_grams=2000, credential={"kind": "card", "value": "04C0FFEE5C6180"})
    await post(client, world.ed25519, [weigh_event("NK-0001"), waited])
    await client.post("/v1/me/cards", json={"value": "04C0FFEE5C6180"}, headers=bearer)
    async with asyncio.timeout(HANGING_SECONDS):
        while True:
            me = await (await client.get("/v1/me", headers=bearer)).json()
            if me["lifetime_grams"] == 3250:
                break
            await asyncio.sleep(0.05)
    assert (me["balance_coins"], me["card_count"]) == (325, 2)


async def test_coins_and_what_expires_of_them_are_of_one_moment(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(coin_life).values(effective_from=EPOCH, months=240))
        await credit(connection, world.resident_id, 125, at=datetime.now(UTC) - timedelta(days=40))

    async def meanwhile(*arguments: Any, **named: Any) -> Any:
        async with transaction(engine) as connection:
            await credit(connection, world.resident_id, 25)
        return await next_expiring(*arguments, **named)

    monkeypatch.setattr(overview, "next_expiring", meanwhile)
    me = await (await client.get("/v1/me", headers=bearer)).json()
    assert (me["balance_coins"], me["expiring"]["coins"]) == (125, 125)
    me = await (await client.get("/v1/me", headers=bearer)).json()
    assert (me["balance_coins"], me["expiring"]["coins"]) == (150, 125)


async def test_what_expires_next_is_told_once_coins_have_an_end(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    await post(client, world.ed25519, weigh_event("NK-0001"))
    assert (await (await client.get("/v1/me", headers=bearer)).json())["expiring"] is None
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(coin_life).values(effective_from=EPOCH, months=240))
    expiring = (await (await client.get("/v1/me", headers=bearer)).json())["expiring"]
    assert expiring["coins"] == 125
    years = datetime.fromisoformat(expiring["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=20 * 365) < years < timedelta(days=20 * 365 + 10)
