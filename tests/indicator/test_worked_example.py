"""docs/worked-example.md: its inputs recorded over HTTP, and every figure that it computes by hand."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.periods import Period
from service.tables.reference import material
from tests.indicator.calls import Caller, a_document, weigh
from tests.indicator.test_publications import Publisher
from tests.world import World

PAGE = Path(__file__).parents[2] / "docs" / "worked-example.md"
TONNE = 10**6
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def rows(heading: str) -> list[list[str]]:
    """The rows of all tables of a section, without their headers."""
    section = PAGE.read_text().split(f"\n## {heading}")[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    headers = {number - 1 for number, row in enumerate(cells) if set(row[0]) == {"-"}}
    return [row for number, row in enumerate(cells) if number not in headers and set(row[0]) != {"-"}]


def grams(tonnes: str) -> int:
    exact = Fraction(tonnes) * TONNE
    assert exact.denominator == 1
    return exact.numerator


def months() -> dict[str, list[str]]:
    return {period: cells for period, *cells in rows("1.") if re.fullmatch(r"2025-[0-9]{2}", period)}


def others() -> list[tuple[str, str, str]]:
    """Period, kind and amount of the second table."""
    return [(row[0], row[1], row[2]) for row in rows("1.") if re.fullmatch(r"[a-z_]+", row[1])]


def shown(cell: str) -> Fraction:
    """What a computed cell comes to: the last number in it, in grams."""
    return Fraction(NUMBER.findall(cell)[-1]) * TONNE


@pytest.fixture
async def year(world: World, client: TestClient[Any, Any], keys: dict[str, str], engine: AsyncEngine) -> Publisher:
    """All of the first section is recorded."""
    found = Publisher(client, keys["operator"])
    async with transaction(engine) as connection:
        known = set((await connection.execute(sa.select(material.c.id))).scalars())
        assert {"paper", "plastic"} <= known
        for period, (_, _, bins, _, _) in months().items():
            await weigh(connection, Period.parse(period).last_day, grams(bins))
    for period, (cleared, kitchen, _, paper, plastic) in months().items():
        await found.record(period=period, grams=grams(cleared))
        await found.record(period=period, kind="kitchen_treated", grams=grams(kitchen))
        for material_id, bought in (("paper", paper), ("plastic", plastic)):
            station = {"area": "xuefu", "kind": "scrap_station_recyclables", "source": "ST-1"}
            await found.record(**station, period=period, material=material_id, grams=grams(bought))
    for period, kind, amount in others():
        if amount.endswith("%"):
            share = int(Fraction(amount.removesuffix(" %")) * 10_000)
            await found.record(period=period, kind=kind, grams=None, ppm=share)
        else:
            await found.record(period=period, kind=kind, grams=grams(amount))
    return found


def test_the_page_adds_up() -> None:
    columns = list(zip(*months().values(), strict=True))
    [total] = [row for row in rows("1.") if "sum" in row[0]]
    for column, told in zip(columns, total[1:], strict=True):
        assert sum(map(Fraction, column)) == Fraction(told)
    # Each sum that the page writes out, with its terms in front of it.
    sums = re.findall(r"((?:[0-9.]+ [+−] )+[0-9.]+) = \**([0-9.]+)", PAGE.read_text())
    assert len(sums) >= 15
    for terms, told in sums:
        value, sign = Fraction(0), 1
        for part in terms.split():
            if part in "+−":
                sign = 1 if part == "+" else -1
            else:
                value += sign * Fraction(part)
        assert value == Fraction(told), terms


async def asked(caller: Caller, period: str, formula: str, counted_at: str) -> dict[str, Any]:
    response = await caller.get(
        "/v1/indicator/recycling-rate", area="nankai", period=period, formula=formula, counted_at=counted_at
    )
    assert response.status == 200, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


def compare(answer: dict[str, Any], numerator: str, denominator: str, rate: str) -> None:
    if rate == "–":
        assert (answer["rate"], answer["missing"]) == (None, ["generated"])
        return
    assert Fraction(answer["numerator_grams"]) == shown(numerator)
    assert Fraction(answer["denominator_grams"]) == shown(denominator)
    assert f"{answer['rate']} = {answer['rate_percent']} %" == rate


async def test_the_service_computes_what_the_page_computes_by_hand(year: Publisher) -> None:
    by_formula = rows("3.")
    assert len(by_formula) == 6
    for method, numerator, denominator, rate in by_formula:
        formula, counted_at = method.split(", ")
        compare(await asked(year, "2025", formula, counted_at), numerator, denominator, rate)
    parts = rows("4.")
    assert [row[0] for row in parts] == ["2025-Q1", "2025-03"]
    for period, numerator, denominator, rate in parts:
        compare(await asked(year, period, "cn.cleared_plus_recovered", "origin"), numerator, denominator, rate)


async def test_what_is_known_by_quarter_is_in_no_month_and_the_year_is_their_sum(year: Publisher) -> None:
    numerators = {
        period: Fraction((await year.rate(period=period))["numerator_grams"])
        for period in ("2025", *months(), *(f"2025-Q{quarter}" for quarter in (1, 2, 3, 4)))
    }
    assert sum(numerators[period] for period in months()) == (5412 - 273) * TONNE
    assert sum(numerators[f"2025-Q{quarter}"] for quarter in (1, 2, 3, 4)) == numerators["2025"] == 5412 * TONNE


async def test_the_same_mass_further_along_is_shown_and_not_added(year: Publisher) -> None:
    found = await year.rate()
    assert [(each["kind"], each["grams"]) for each in found["not_counted"]] == [
        (kind, grams(amount)) for _, kind, amount in others() if kind in {"station_recyclables", "yard_recyclables"}
    ] + [("plant_recyclables", grams("1498.05"))]


async def test_the_target_needs_what_the_page_says(year: Publisher) -> None:
    response = await year.get("/v1/indicator/outlook", area="nankai", year="2025")
    assert (await response.json())["needed"]["gap_grams"] == grams("1872.2")


async def test_the_correction_is_restated_as_the_page_says(
    year: Publisher, client: TestClient[Any, Any], keys: dict[str, str]
) -> None:
    second = Publisher(client, keys["admin"])
    assert (await second.published(await year.proposed()))["rate"] == "0.260042"
    corrected = await year.record(period="2025-08", grams=grams("1678.6"), document=a_document(name="校秤记录"))
    assert corrected["version"] == 2
    restated = await second.published(await year.proposed(restates=1, reason="8 月地磅偏高"))
    page = PAGE.read_text().split("\n## 6.")[1]
    assert f"{restated['rate']} = {restated['rate_percent']} %" in page
    assert f"{restated['restates']['difference_percentage_points']} percentage points" in page
    first = (await year.look(period="2025"))["publications"][-1]
    again = await year.look(f"/{first['id']}/recomputation")
    assert again["equal"] is True
    assert {step["what"]: step["recomputed"] for step in again["steps"]}["rate"] == "0.260042"
