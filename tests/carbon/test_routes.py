"""What operators are told, over HTTP."""

import random
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.tables.carbon import carbon_factor_set, carbon_set_choice
from service.tables.volumes import volume, volume_month
from tests.carbon.conftest import a_document
from tests.indicator.calls import Caller
from tests.world import World

SETS = "/v1/carbon/factor-sets"
CARBON = "/v1/carbon"
MONTHS = [f"2025-{month:02}" for month in range(1, 13)]
QUARTERS = [f"2025-Q{quarter}" for quarter in range(1, 5)]
Client = TestClient[Any, Any]
Volume = tuple[date, str, str, int]
SUMS = ("grams", "drops", "held_grams", "held_drops")


async def weigh(engine: AsyncEngine, volumes: Iterable[Volume], *, held_grams: int = 0) -> None:
    """What folding makes of drops: the sums by day and by month."""
    columns = ("day", "site_id", "material_id", "grams")
    rows = [
        dict(zip(columns, each, strict=True)) | {"source": "bin", "drops": 1, "held_grams": held_grams}
        for each in volumes
    ]
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(volume), rows)
        days = sa.select(
            volume.c.site_id,
            sa.cast(sa.func.date_trunc("month", volume.c.day), sa.Date),
            volume.c.material_id,
            volume.c.source,
            *(sa.func.sum(volume.c[name]) for name in SUMS),
        ).group_by(sa.text("1, 2, 3, 4"))
        names = ["site_id", "month", "material_id", "source", *SUMS]
        await connection.execute(sa.insert(volume_month).from_select(names, days))


async def in_force(engine: AsyncEngine, *choices: tuple[date, str]) -> None:
    async with transaction(engine) as connection:
        for effective_from, set_id in choices:
            await connection.execute(sa.insert(carbon_set_choice).values(effective_from=effective_from, set_id=set_id))


async def read(caller: Caller, **parameters: str) -> dict[str, Any]:
    response = await caller.get(CARBON, **parameters)
    assert response.status == 200, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


async def post(client: Client, key: str, document: Any) -> tuple[int, dict[str, Any]]:
    response = await client.post(SETS, json=document, headers={"Authorization": f"Bearer {key}"})
    return response.status, await response.json()


async def test_what_was_avoided_is_told_by_material_and_by_the_set_of_each_day(
    factors: None, engine: AsyncEngine, operator: Caller
) -> None:
    # Of two from one day the later written holds.
    await in_force(engine, (date(2026, 1, 10), "b"), (date(2026, 1, 10), "a"), (date(2026, 1, 20), "b"))
    await weigh(
        engine,
        [
            (date(2026, 1, 9), "site-1", "paper", 1),
            (date(2026, 1, 10), "site-1", "paper", 1001),
            (date(2026, 1, 19), "site-2", "plastic", 333),
            (date(2026, 1, 20), "site-1", "paper", 40),
            (date(2026, 1, 31), "site-3", "metal", 3),
            (date(2026, 1, 31), "site-3", "plastic", 6),
            (date(2026, 2, 1), "site-1", "paper", 10**9),
            # All of it is held.
            (date(2026, 1, 9), "site-1", "metal", 0),
        ],
        held_grams=9999,
    )
    answer = await read(operator, area="nankai", period="2026-01")
    sets = answer.pop("sets")
    assert answer == {
        "area": "nankai",
        "site": None,
        "name": "南开区",
        "name_en": "Nankai",
        "period": "2026-01",
        "first_day": "2026-01-01",
        "last_day": "2026-01-31",
        # 1001 x 220000 + 333 x 1600000 + 40 x 3910000 + 3 x 2020001 = 915480003 micrograms
        "co2e_kg": "0.915480003",
        "weight_grams": 1384,
        "materials": [
            {"material": "metal", "weight_grams": 3},
            {"material": "paper", "weight_grams": 1042},
            {"material": "plastic", "weight_grams": 339},
        ],
        "without_set": [{"material": "paper", "weight_grams": 1}],
        "materials_without_factor": ["paper", "plastic"],
    }
    assert [(each["id"], each["name"], each["name_en"], each["source"]) for each in sets] == [
        (set_id, f"因子集 {set_id}", f"Set {set_id}", f"Source of {set_id}") for set_id in ("a", "b")
    ]
    assert [each["co2e_kg"] for each in sets] == ["0.753020000", "0.162460003"]
    assert sets[1]["materials"] == [
        {"material": "metal", "weight_grams": 3, "milligrams_co2e_per_kg": 2020001, "co2e_kg": "0.006060003"},
        {"material": "paper", "weight_grams": 40, "milligrams_co2e_per_kg": 3910000, "co2e_kg": "0.156400000"},
        {"material": "plastic", "weight_grams": 6, "milligrams_co2e_per_kg": None, "co2e_kg": None},
    ]


async def test_where_nothing_was_weighed_nothing_was_avoided(world: World, operator: Caller) -> None:
    answer = await read(operator, site="site-2", period="2026")
    assert (answer["site"], answer["name"], answer["co2e_kg"], answer["sets"]) == (
        "site-2",
        "二号点",
        "0.000000000",
        [],
    )


async def test_without_any_set_it_is_said_and_no_error(world: World, engine: AsyncEngine, operator: Caller) -> None:
    await weigh(engine, [(date(2026, 1, 9), "site-1", "paper", 500)])
    answer = await read(operator, site="site-1", period="2026-01")
    assert answer["without_set"] == [{"material": "paper", "weight_grams": 500}]
    assert (answer["materials_without_factor"], answer["co2e_kg"]) == (["paper"], "0.000000000")


@pytest.mark.parametrize("seed", range(3))
async def test_sites_add_up_to_their_area_and_months_to_the_year_and_a_later_choice_changes_neither(
    seed: int, factors: None, engine: AsyncEngine, operator: Caller
) -> None:
    pick = random.Random(seed)  # noqa: S311  # a test that can be repeated
    begin = date(2025, 1, 1)

    def a_day() -> date:
        return begin + timedelta(days=pick.randrange(365))

    # Some months have one set alone, from their first day on too.
    chosen = [a_day() for _ in range(3)] + [date(2025, 9, 1)]
    await in_force(engine, *((day, pick.choice("ab")) for day in chosen))
    keys = {
        (a_day(), pick.choice(["site-1", "site-2", "site-3"]), pick.choice(["paper", "plastic", "metal"]))
        for _ in range(200)
    }
    await weigh(engine, [(*key, pick.randrange(1, 10**7)) for key in sorted(keys)])

    async def told() -> dict[str, Decimal]:
        figures = {}
        for area in ("tianjin", "nankai", "xuefu", "gulou", "gulou-1", "gulou-2"):
            figures[area] = await read(operator, area=area, period="2025")
        for site in ("site-1", "site-2", "site-3"):
            figures[site] = await read(operator, site=site, period="2025")
        for period in (*MONTHS, *QUARTERS):
            figures[period] = await read(operator, area="nankai", period=period)
        for name, figure in figures.items():
            by_set = [Decimal(each["co2e_kg"]) for each in figure["sets"]]
            assert sum(by_set) == Decimal(figure["co2e_kg"]), name
            by_material = [
                Decimal(row["co2e_kg"]) for each in figure["sets"] for row in each["materials"] if row["co2e_kg"]
            ]
            assert sum(by_material) == Decimal(figure["co2e_kg"]), name
        return {name: Decimal(figure["co2e_kg"]) for name, figure in figures.items()}

    before = await told()
    assert before["nankai"] == sum(before[site] for site in ("site-1", "site-2", "site-3"))
    assert before["nankai"] == before["xuefu"] + before["gulou"] == before["tianjin"] > 0
    assert before["gulou"] == before["gulou-1"] + before["gulou-2"]
    assert before["nankai"] == sum(before[month] for month in MONTHS) == sum(before[quarter] for quarter in QUARTERS)
    await in_force(engine, (date(2026, 1, 1), pick.choice("ab")))
    assert await told() == before


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"area": "nankai"}, 422, "validation_failed"),
        ({"period": "2026"}, 422, "validation_failed"),
        ({"area": "nankai", "site": "site-1", "period": "2026"}, 422, "validation_failed"),
        ({"area": "nankai", "period": "2026-13"}, 422, "validation_failed"),
        ({"area": "nankai", "period": "yesterday"}, 422, "validation_failed"),
        ({"area": "nankai", "period": "2026", "set": "a"}, 422, "validation_failed"),
        ({"area": "atlantis", "period": "2026"}, 404, "area_unknown"),
        ({"site": "site-9", "period": "2026"}, 404, "site_unknown"),
    ],
)
async def test_what_cannot_be_answered_is_a_problem(
    operator: Caller, parameters: dict[str, str], status: int, code: str
) -> None:
    response = await operator.get(CARBON, **parameters)
    assert (response.status, (await response.json())["code"]) == (status, code)


async def test_a_set_is_sent_once_and_the_same_again_changes_nothing(
    world: World, client: Client, keys: dict[str, str]
) -> None:
    document = a_document("cn.method.2026", paper=250_000, metal=1)
    status, first = await post(client, keys["operator"], document)
    assert status == 201
    assert {name: first[name] for name in document if name != "factors"} == {
        name: value for name, value in document.items() if name != "factors"
    }
    assert await post(client, keys["admin"], document) == (200, first)
    status, problem = await post(client, keys["operator"], document | {"name": "另一个"})
    assert (status, problem["code"]) == (409, "factor_set_differs")
    listed = await client.get(SETS, headers={"Authorization": f"Bearer {keys['viewer']}"})
    assert await listed.json() == {"sets": [first]}


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"id": "T/ACEF"}, ["/id"]),
        ({"name": ""}, ["/name"]),
        ({"source": "a\nb"}, ["/source"]),
        ({"factors": []}, ["/factors"]),
        ({"unit": "kg"}, ["/unit"]),
        (
            {"factors": [{"material": "paper", "milligrams_co2e_per_kg": -1, "stands_for": "x"}]},
            ["/factors/0/milligrams_co2e_per_kg"],
        ),
        (
            {"factors": [{"material": "paper", "milligrams_co2e_per_kg": 0.22, "stands_for": "x"}]},
            ["/factors/0/milligrams_co2e_per_kg"],
        ),
        (
            {"factors": [{"material": "gold", "milligrams_co2e_per_kg": 1, "stands_for": "x"}] * 2},
            ["/factors/0/material", "/factors/1/material"],
        ),
    ],
)
async def test_a_set_that_is_not_as_it_should_be_is_refused_with_every_place(
    world: World,
    client: Client,
    keys: dict[str, str],
    engine: AsyncEngine,
    change: dict[str, Any],
    pointers: list[str],
) -> None:
    status, problem = await post(client, keys["operator"], a_document() | change)
    assert (status, problem["code"]) == (422, "validation_failed")
    assert [each["pointer"] for each in problem["errors"]] == pointers
    async with transaction(engine) as connection:
        assert (await connection.execute(sa.select(carbon_factor_set))).all() == []


@pytest.mark.parametrize("role", ["viewer", "auditor"])
async def test_who_only_reads_adds_no_set(world: World, client: Client, keys: dict[str, str], role: str) -> None:
    assert (await post(client, keys[role], a_document()))[0] == 403
    for path in (SETS, f"{CARBON}?area=nankai&period=2026"):
        assert (await client.get(path, headers={"Authorization": f"Bearer {keys[role]}"})).status == 200
        assert (await client.get(path)).status == 401
