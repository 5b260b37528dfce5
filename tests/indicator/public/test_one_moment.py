"""What is answered is of one moment, whatever is committed between two of its statements."""

from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.indicator import public, routes
from tests.indicator.calls import a_document
from tests.indicator.public.calls import PAGE, YEAR, Client, rate, report, rows, statements_of, weighed
from tests.indicator.test_publications import Publisher


@pytest.mark.parametrize(
    ("module", "path"),
    [(public, f"{PAGE}.json?area=nankai"), (routes, f"/v1/indicator/outlook?area=nankai&year={YEAR}")],
    ids=["for everyone", "for operators"],
)
async def test_what_is_committed_between_two_statements_is_not_half_told(
    client: Client, first: Publisher, monkeypatch: pytest.MonkeyPatch, module: ModuleType, path: str
) -> None:
    """By then who asks is known, or which months are shown; the masses are still to be read."""
    gather = module.gather_outlook
    commits = 0

    async def commit_and_gather(*arguments: Any, **more: Any) -> Any:
        nonlocal commits
        commits += 1
        for year in (YEAR, YEAR + 1):
            document = a_document(sha256="7b" * 32)
            await first.record(period=f"{year}-01", kind="other_recyclables", grams=7_000_000, document=document)
        return await gather(*arguments, **more)

    async def told() -> str:
        response = await client.get(path, headers=first.headers)
        assert response.status == 200
        return await response.text()

    await report(first)
    for kind, grams in (("cleared", 100_000_000), ("kitchen_treated", 10_000_000)):
        await first.record(period=f"{YEAR + 1}-01", kind=kind, grams=grams)
    before = await told()
    with monkeypatch.context() as patched:
        patched.setattr(module, "gather_outlook", commit_and_gather)
        assert await told() == before
    assert commits == 1
    assert await told() != before


async def test_the_places_of_a_district_are_read_once_for_all_that_is_told_of_it(
    client: Client, first: Publisher, engine: AsyncEngine
) -> None:
    await report(first)
    await weighed(engine, "site-1", 50, 61_000)
    # Its months are shown for the first time.
    await rate(client)
    with statements_of(client) as statements:
        volumes = await rows(client, "/public/volumes.csv")
    assert {each["area_id"] for each in volumes} >= {"nankai", "xuefu"}
    assert len([each for each in statements if "WITH RECURSIVE below (id, parent_id" in each]) == 1
