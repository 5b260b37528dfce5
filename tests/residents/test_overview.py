"""GET /v1/me."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.carbon.choosing import choose_set
from service.carbon.factor_sets import add_set
from service.db import transaction
from service.ledger.coin_life import next_expiring
from service.residents import overview
from service.tables.carbon import carbon_set_choice
from service.tables.ledger import coin_life, wallet
from service.tables.volumes import resident_volume
from tests.blocking import HANGING_SECONDS
from tests.carbon.conftest import a_set
from tests.residents.conftest import Client, bearer_of, register
from tests.world import EPOCH, World, credit, post, weigh_event


async def test_who_brought_nothing_has_nothing(engine: AsyncEngine, client: Client) -> None:
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
        "co2e": {"grams": 0, "kg": "0.000", "factor_set": None, "sets": [], "materials_without_factor": []},
        "card_count": 0,
    }


async def test_coins_weights_and_co2e_are_those_of_the_resident(
    engine: AsyncEngine, admin_engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    other_id = await register(engine)
    async with transaction(engine) as connection:
        await add_set(connection, a_set("old", paper=220_000, plastic=1_600_000))
        await add_set(connection, a_set("new", paper=3_910_000, metal=2_020_999))
        await connection.execute(
            sa.insert(carbon_set_choice),
            [
                {"effective_from": date(2024, 1, 1), "set_id": "old"},
                {"effective_from": date(2025, 1, 1), "set_id": "new"},
                {"effective_from": date(2099, 1, 1), "set_id": "old"},
            ],
        )
        await connection.execute(
            sa.insert(resident_volume),
            [
                {"owner_id": owner_id, "material_id": material, "set_id": set_id, "grams": grams}
                for owner_id, material, set_id, grams in [
                    (world.resident_id, "paper", "", 1),
                    (world.resident_id, "paper", "old", 1255),
                    (world.resident_id, "plastic", "old", 333),
                    (world.resident_id, "paper", "new", 100),
                    (world.resident_id, "metal", "new", 40),
                    (world.resident_id, "plastic", "new", 7),
                    (other_id, "paper", "new", 9000),
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
        "lifetime_grams": 1736,
        "materials": [
            {"material": "metal", "name": "metal", "name_en": "metal", "weight_grams": 40},
            {"material": "paper", "name": "paper", "name_en": "paper", "weight_grams": 1356},
            {"material": "plastic", "name": "plastic", "name_en": "plastic", "weight_grams": 340},
        ],
        "co2e": {
            # 808 900 000 + 471 839 960 micrograms
            "grams": 1280,
            "kg": "1.280",
            "factor_set": "new",
            "sets": [
                # 100 x 3910000 + 40 x 2020999
                {"id": "new", "name": "因子集 new", "name_en": "Set new", "kg": "0.471"},
                # 1255 x 220000 + 333 x 1600000
                {"id": "old", "name": "因子集 old", "name_en": "Set old", "kg": "0.808"},
            ],
            "materials_without_factor": ["paper", "plastic"],
        },
        "card_count": 1,
    }


async def test_the_set_of_today_is_named_before_anything_was_brought(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    async with transaction(engine) as connection:
        await add_set(connection, a_set("a"))
        await choose_set(connection, "a", effective_from=None, zone="Asia/Shanghai")
    co2e = (await (await client.get("/v1/me", headers=bearer)).json())["co2e"]
    assert co2e == {
        "grams": 0,
        "kg": "0.000",
        "factor_set": "a",
        "sets": [{"id": "a", "name": "因子集 a", "name_en": "Set a", "kg": "0.000"}],
        "materials_without_factor": [],
    }


async def test_a_drop_avoids_what_the_set_of_its_day_says(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    async with transaction(engine) as connection:
        await add_set(connection, a_set("a", paper=220_000))
        await choose_set(connection, "a", effective_from=None, zone="Asia/Shanghai")
    await post(client, world.ed25519, weigh_event("NK-0001", weight_grams=1250))
    async with asyncio.timeout(HANGING_SECONDS):
        while True:
            co2e = (await (await client.get("/v1/me", headers=bearer)).json())["co2e"]
            if co2e["grams"]:
                break
            await asyncio.sleep(0.05)
    assert (co2e["kg"], [(each["id"], each["kg"]) for each in co2e["sets"]]) == ("0.275", [("a", "0.275")])


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
