"""What takes as long as there are inputs is done in threads: in the loop bins would wait for it."""

import asyncio
import threading
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from service.business_days import business_today
from service.indicator import queries
from service.indicator.evidence import Recorded
from tests.blocking import HANGING_SECONDS
from tests.indicator.sheets_sent import plain, plain_sheet, sent
from tests.indicator.test_publications import Publisher

Client = TestClient[Any, Any]


@pytest.fixture
async def first(client: Client, keys: dict[str, str]) -> Publisher:
    found = Publisher(client, keys["operator"])
    await found.record()
    await found.record(kind="kitchen_treated")
    return found


@pytest.fixture
def second(client: Client, keys: dict[str, str]) -> Publisher:
    return Publisher(client, keys["admin"])


@pytest.fixture
def makers(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The threads in which rows have been made into inputs since."""
    found: set[int] = set()
    recorded = queries.recorded

    def told(row: Any) -> Recorded:
        found.add(threading.get_ident())
        return recorded(row)

    monkeypatch.setattr(queries, "recorded", told)
    return found


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/indicator/recycling-rate", {"area": "nankai", "period": "2025"}),
        ("/v1/indicator/outlook", {"area": "nankai", "year": "2025"}),
        ("/v1/indicator/dossier", {"area": "nankai", "year": "2025", "format": "html"}),
        ("/public/recycling-rate.json", {"area": "nankai"}),
    ],
)
async def test_a_figure_that_is_read(path: str, query: dict[str, str], first: Publisher, makers: set[int]) -> None:
    response = await first.get(path, **query)
    assert response.status == 200, await response.text()
    assert makers
    assert threading.get_ident() not in makers


async def test_a_figure_that_is_published(first: Publisher, second: Publisher, makers: set[int]) -> None:
    proposal = await first.proposed()
    await second.published(proposal)
    await first.look(f"/{proposal['id']}/recomputation")
    assert makers
    assert threading.get_ident() not in makers


async def test_the_figures_of_the_metrics(first: Publisher, makers: set[int]) -> None:
    await first.record(period=str(business_today("Asia/Shanghai").year))
    # Told by the instance that folds, as soon as it does.
    async with asyncio.timeout(HANGING_SECONDS):
        while not makers:
            await first.get("/metrics")
    assert threading.get_ident() not in makers


async def test_who_owes_months_by_an_input(first: Publisher, makers: set[int]) -> None:
    await first.record(period="2025-03", source="river")
    assert makers
    assert threading.get_ident() not in makers


@pytest.mark.parametrize("dry_run", ["true", "false"])
async def test_who_owes_months_by_a_sheet(first: Publisher, makers: set[int], dry_run: str) -> None:
    answer = await sent(first, plain_sheet(plain(period="2025-03", source="river")), dry_run=dry_run)
    assert answer["newly_due"]
    assert makers
    assert threading.get_ident() not in makers
