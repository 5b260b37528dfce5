"""Published figures and their public records over HTTP."""

import hashlib
import json
from datetime import date
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.indicator import public_documents
from service.indicator.public_once import Once
from service.settings import Settings
from service.tables.places import area
from tests.indicator.calls import a_document
from tests.indicator.public.calls import (
    DATA,
    MARCH,
    PAGE,
    YEAR,
    Client,
    everything,
    publish,
    rate,
    report,
    rows,
    statements_of,
    text,
    weighed,
)
from tests.indicator.test_publications import Publisher


async def test_a_proposal_is_nowhere_and_a_published_figure_is_there_with_its_digest(
    client: Client, first: Publisher, second: Publisher
) -> None:
    await report(first)
    proposal = await first.proposed(period=str(YEAR))
    found = await rate(client)
    assert (found["published"], found["history"]) == (None, [])
    assert proposal["digest"] not in await everything(client)
    assert "尚未发布" in await text(client, PAGE)
    await text(client, "/public/publications/1.json", 404)
    await second.published(proposal)
    found = await rate(client)
    assert (found["published"]["number"], found["published"]["rate_percent"]) == (1, "30.00")
    assert found["published"] == found["history"][0]
    response = await client.get(found["published"]["public_record"])
    body = await response.read()
    digest = found["published"]["public_digest_sha256"]
    assert hashlib.sha256(body).hexdigest() == digest
    assert json.loads(body)["record_sha256"] == found["published"]["digest"] == proposal["digest"]
    told = [each for each in await rows(client, f"{PAGE}.csv") if each["publication"]]
    assert [(each["digest_sha256"], each["public_digest_sha256"]) for each in told] == [(proposal["digest"], digest)]
    page = await text(client, PAGE)
    assert digest in page
    assert proposal["digest"] in page
    # Who proposed and published is nowhere in it.
    assert not {"operator", "admin"} & set(body.decode().split('"'))
    assert "30.00%" in await text(client, PAGE)


async def test_of_a_year_with_figures_by_two_formulas_the_districts_stands(
    client: Client, first: Publisher, second: Publisher
) -> None:
    await report(first)
    await publish(first, second)
    await first.record(period=str(YEAR), kind="residue_share", grams=None, ppm=500_000)
    await publish(first, second, formula="cn.net_residue")
    found = await rate(client)
    assert [(each["number"], each["formula"]) for each in found["history"]] == [
        (2, "cn.net_residue"),
        (1, "cn.cleared_plus_recovered"),
    ]
    assert (found["published"]["number"], found["published"]["rate_percent"]) == (1, "30.00")
    assert found["formula"]["id"] == "cn.cleared_plus_recovered"


async def test_a_restated_figure_is_told_with_both_numbers(client: Client, first: Publisher, second: Publisher) -> None:
    await report(first)
    await publish(first, second)
    await first.record(period=str(YEAR), grams=130_000_000, document=a_document(sha256="7b" * 32))
    await publish(first, second, restates=1, reason="typed wrongly")
    found = await rate(client)
    new, old = found["history"]
    assert (new["number"], new["rate_percent"], new["restated_by"]) == (2, "37.50", None)
    assert new["restates"] == {"number": 1, "rate_percent": "30.00", "difference_percentage_points": "+7.5000"}
    assert (old["number"], old["restated_by"], found["published"]["number"]) == (1, 2, 2)
    for language, words in (("zh", "更正第 1 号发布（原为 30.00%），相差 +7.50"), ("en", "by +7.50 percentage points")):
        assert words in await text(client, f"{PAGE}?lang={language}")
    told = {each["publication"]: each for each in await rows(client, f"{PAGE}.csv") if each["publication"]}
    assert (told["1"]["status"], told["1"]["restated_by"], told["2"]["status"]) == ("superseded", "2", "published")


async def public_record(client: Client, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await text(client, f"/public/publications/{number}.json"))
    return found


async def test_a_public_record_has_what_bins_weighed_as_one_sum_and_all_else_as_it_was_published(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    for month in (date(YEAR, 2, 1), MARCH):
        await weighed(engine, "site-1", 50, 61_000, month=month)
    await weighed(engine, "site-3", 3, 7_771_327)
    await rate(client)
    # After its months are shown one drop comes late, and another waits for review.
    await weighed(engine, "site-1", 1, 1_234, material_id="metal")
    async with transaction(engine) as connection:
        await connection.execute(sa.text("UPDATE volume_month SET held_grams = 2345, held_drops = 1"))
    before = [await text(client, path) for path in DATA[2:]]
    published = await publish(first, second)
    record, figure = await public_record(client), published["record"]["figure"]
    recovered = record["figure"]["quantities"][0]
    [of_bins] = [each for each in recovered["inputs"] if each["kind"] == "bin_recyclables"]
    assert (of_bins["area"], of_bins["period"], of_bins["grams"]) == ("nankai", str(YEAR), 7_894_561)
    told = {name: value for name, value in record["figure"].items() if name not in ("quantities", "coverage")}
    assert told == {name: figure[name] for name in told}
    assert set(figure) - set(told) == {"quantities", "coverage"}
    assert record["figure"]["coverage"] == {name: figure["coverage"][name] for name in ("share", "kinds")}
    for public, full in zip(record["figure"]["quantities"], figure["quantities"], strict=True):
        assert {**public, "inputs": []} == {**full, "inputs": []}
        recorded = [[each for each in of["inputs"] if each["id"] is not None] for of in (public, full)]
        assert recorded[0] == recorded[1]
    assert (record["number"], record["record_sha256"]) == (1, published["digest"])
    everywhere = json.dumps(record) + await everything(client)
    for secret in ("62234", "7771327", "1234", "2345", "7894561,", published["record"]["salt"]):
        assert secret not in everywhere.replace('"grams": 7894561,', "").replace("30000000", "")
    assert [await text(client, path) for path in DATA[2:]] == before


async def test_a_public_record_does_not_name_who_reported_the_year_before_only(
    client: Client, first: Publisher, second: Publisher
) -> None:
    await report(first)
    await first.record(period=f"{YEAR - 1}", kind="scrap_station_recyclables", source="王老板", grams=5)
    published = await publish(first, second)
    assert "王老板" in published["record_text"]
    body = await text(client, "/public/publications/1.json")
    assert "王老板" not in body + await everything(client)
    missing = {each["kind"]: each["missing"] for each in json.loads(body)["figure"]["coverage"]["kinds"]}
    months = [f"{YEAR}-{month:02}" for month in range(1, 13)]
    assert missing["scrap_station_recyclables"] == [{"area": "nankai", "months": months}]


async def test_what_bins_weighed_elsewhere_on_the_way_is_not_in_the_public_record(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await first.record(period=str(YEAR), kind="yard_recyclables", grams=30_000_000)
    await weighed(engine, "site-1", 3, 7_771_327)
    published = await publish(first, second, counted_at="yard")
    assert "7771327" in published["record_text"]
    # Bins are in no figure: so it is not withheld, though they weighed next to nothing.
    record = await public_record(client)
    assert "7771327" not in json.dumps(record)
    assert [each["kind"] for each in record["figure"]["not_counted"]] == ["pickup_recyclables"]


async def test_a_public_record_is_withheld_where_no_month_of_the_year_is_shown(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await weighed(engine, "site-3", 3, 7_771_327)
    published = await publish(first, second)
    for _ in range(2):
        refused = json.loads(await text(client, "/public/publications/1.json", 404))
        assert refused["code"] == "publication_withheld"
        found = (await rate(client))["published"]
        assert (found["public_record"], found["public_digest_sha256"]) == (None, None)
    assert found["digest"] == published["digest"]
    page = await text(client, PAGE)
    assert published["digest"] in page
    assert "/public/publications/1.json" not in page
    assert [each["public_digest_sha256"] for each in await rows(client, f"{PAGE}.csv") if each["publication"]] == [""]
    # But numerator and denominator are exact: who knows what was recorded has the sum of what bins weighed.
    assert found["numerator_grams"] == "67771327"
    # Another month has enough.
    await weighed(engine, "site-1", 50, 61_000, month=date(YEAR, 4, 1))
    found = (await rate(client))["published"]
    body = (await text(client, found["public_record"])).encode()
    assert hashlib.sha256(body).hexdigest() == found["public_digest_sha256"]


async def test_what_is_restated_is_withheld_as_what_restates_it_is(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    """Both hold the same few drops of bins: who has the one has the other."""
    await report(first)
    await weighed(engine, "site-3", 3, 7_771_327)
    await publish(first, second)
    await first.record(period=str(YEAR), grams=180_000_000, document=a_document(sha256="7b" * 32))
    await publish(first, second, restates=1, reason="typed wrongly")
    for number in (1, 2):
        refused = json.loads(await text(client, f"/public/publications/{number}.json", 404))
        assert refused["code"] == "publication_withheld"
    history = (await rate(client))["history"]
    told = [(each["number"], each["public_record"], each["public_digest_sha256"]) for each in history]
    assert told == [(2, None, None), (1, None, None)]
    of_rows = [each for each in await rows(client, f"{PAGE}.csv") if each["publication"]]
    assert [(each["publication"], each["public_digest_sha256"]) for each in of_rows] == [("2", ""), ("1", "")]
    # Another month has enough.
    await weighed(engine, "site-1", 50, 61_000, month=date(YEAR, 4, 1))
    for each in (await rate(client))["history"]:
        body = (await text(client, each["public_record"])).encode()
        assert hashlib.sha256(body).hexdigest() == each["public_digest_sha256"]


async def test_only_whole_years_of_districts_are_public(client: Client, first: Publisher, second: Publisher) -> None:
    for kind in ("cleared", "kitchen_treated"):
        for month in range(1, 4):
            await first.record(period=f"{YEAR}-{month:02}", kind=kind, grams=1_000)
    for area_id, kind, grams in (("tianjin", "cleared", 10), ("tianjin", "kitchen_treated", 1)):
        await first.record(area=area_id, period=str(YEAR - 1), kind=kind, grams=grams)
    for changes in ({"period": f"{YEAR}-01"}, {"period": f"{YEAR}-Q1"}, {"area": "tianjin", "period": str(YEAR - 1)}):
        await second.published(await first.proposed(**changes))
    assert (await rate(client))["history"] == []
    for number in ("1", "2", "3", "4", "01", "1e3", "-1", "١", "9" * 30):
        refused = json.loads(await text(client, f"/public/publications/{number}.json", 404))
        assert refused["code"] == "publication_unknown"


async def test_a_target_that_is_missed_by_less_than_is_shown_is_missed(
    client: Client, first: Publisher, second: Publisher
) -> None:
    """(20 + 14.996) ÷ (80 + 20) = 34.996 %, which is shown as 35.00 %."""
    for kind, grams in (("cleared", 80_000_000), ("kitchen_treated", 14_996_000), ("pickup_recyclables", 20_000_000)):
        await first.record(period=str(YEAR), kind=kind, grams=grams)
    await publish(first, second)
    page = await text(client, f"{PAGE}?lang=en")
    assert "35.00%" in page
    assert "is met" not in page
    assert "0.0040" in page


async def test_numbers_that_are_no_publication_reach_the_database_once_and_push_nothing_out(
    first: Publisher, second: Publisher, engine: AsyncEngine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_documents, "KEPT_SECONDS", 60)
    await report(first)
    await weighed(engine, "site-3", 3, 7_771_327)
    await publish(first, second)
    await first.record(period=str(YEAR), kind="generated", grams=600_000_000)
    await first.record(period=str(YEAR), kind="yard_recyclables", grams=30_000_000)
    await publish(first, second, formula="cn.generated", counted_at="yard")
    async with TestClient(TestServer(build_app(settings))) as client:
        with statements_of(client) as statements:
            for number in range(1000, 1500):
                await text(client, f"/public/publications/{number}.json", 404)
        assert len([each for each in statements if "publication" in each]) == 1
        # One that is withheld, and one that is not.
        await text(client, "/public/publications/1.json", 404)
        await text(client, "/public/publications/2.json")
        with statements_of(client) as statements:
            for number in range(1000, 1100):
                await text(client, f"/public/publications/{number}.json", 404)
            await text(client, "/public/publications/1.json", 404)
            await text(client, "/public/publications/2.json")
        assert [each for each in statements if "publication" in each] == []


async def test_a_publication_that_what_is_kept_does_not_have_yet_is_unknown_and_soon_there(
    first: Publisher, second: Publisher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which numbers there are is kept beside the documents, and not as long as they."""
    now = 0.0
    monkeypatch.setattr(public_documents, "KEPT_SECONDS", 60)
    monkeypatch.setattr(public_documents, "Once", partial(Once, clock=lambda: now))
    path = "/public/publications/1.json"
    await report(first)
    async with TestClient(TestServer(build_app(settings))) as client:
        await text(client, path, 404)
        now = 30.0
        await rate(client)
        await publish(first, second)
        now = 61.0
        with statements_of(client) as statements:
            assert json.loads(await text(client, path, 404))["code"] == "publication_unknown"
        assert len([each for each in statements if "publication" in each]) == 1
        now = 91.0
        await text(client, path)


async def test_where_there_are_two_districts_each_number_is_known_or_not_by_itself(
    client: Client, first: Publisher, second: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await publish(first, second)
    async with transaction(engine) as connection:
        other = {"id": "heping", "parent_id": "tianjin", "kind": "district", "name": "和平区", "name_en": "Heping"}
        await connection.execute(sa.insert(area).values(other))
    await text(client, "/public/publications/1.json")
    refused = json.loads(await text(client, "/public/publications/2.json", 404))
    assert refused["code"] == "publication_unknown"


async def test_a_public_record_is_read_once_for_it_never_changes(
    client: Client, first: Publisher, second: Publisher
) -> None:
    await report(first)
    await publish(first, second)
    # Once for what lists tell of it, and once for itself.
    with statements_of(client) as statements:
        for _ in range(3):
            await rate(client)
            await public_record(client)
    assert len([each for each in statements if "SELECT publication.record" in each]) == 2
