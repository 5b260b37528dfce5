"""The dossier's page as those see it who review the year: printed on A4, and on a phone."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from playwright.async_api import Page
from sqlalchemy.ext.asyncio import AsyncEngine

from tests import chromium
from tests.indicator.dossier_year import SUBDISTRICTS, plant_year
from tests.indicator.test_public_page_in_chromium import LABELS
from tests.indicator.test_publications import Publisher
from tests.settlement.test_page_in_chromium import PDF_PAGE

MISSING = chromium.missing()
# In CI a missing program is an error of its set-up, which the first test then shows.
pytestmark = pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=str(MISSING))

PAPER_PIXELS = round((210 - 30) / 25.4 * 96)
SIZES = ((320, 568), (390, 844), (1280, 800))
# Elements with something in them that is wider than the screen, or than themselves; tables may scroll in their box.
CUT = """
[...document.querySelectorAll('body, body *:not(svg *)')]
  .filter(each => !each.closest('.tables') || getComputedStyle(each.closest('.tables')).overflowX == 'visible')
  .filter(each => each.scrollWidth > each.clientWidth + 1 && !getComputedStyle(each).display.match('inline|none')
                  || each.getBoundingClientRect().right > innerWidth + .5)
  .map(each => `${each.tagName} ${each.textContent.trim().slice(0, 20)}`)
"""


@pytest.fixture
async def page(client: TestClient[Any, Any], keys: dict[str, str], engine: AsyncEngine) -> AsyncIterator[Page]:
    """The page of a year that is published and restated, from the service over HTTP; it asks for nothing else."""
    assert MISSING is None, MISSING
    await plant_year(engine)
    first, second = Publisher(client, keys["operator"]), Publisher(client, keys["admin"])
    await second.published(await first.proposed())
    await first.record(area="xuefu", period="2025-03", kind="other_recyclables", source="学校", grams=87_654_321)
    await second.published(await first.proposed(restates=1, reason="学府街道三月学校回收量补报"))
    url = str(client.make_url("/v1/indicator/dossier?area=nankai&year=2025&format=html"))
    requested: list[str] = []
    async with chromium.page(first.headers) as page:
        page.on("request", lambda request: requested.append(request.url))
        await page.goto(url)
        yield page
    assert requested == [url]


async def test_a_dossier_is_whole_on_a_phone_a_desktop_and_paper(page: Page) -> None:
    assert "南开区 2025 年" in await page.title()
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert await page.evaluate(CUT) == []
        assert await page.evaluate(LABELS) == []
    assert await chromium.fonts_of(page, "h1") <= chromium.chinese_fonts()
    # Rates, what arose, recyclables and rates of the parts: each for a phone and for paper, and each told in words.
    assert await page.locator("figure svg").count() == 2 * 4
    assert await page.locator("figure svg > desc").count() == 2 * 4
    text = await page.inner_text("body")
    for told in (
        "第 2 号",
        "学府街道三月学校回收量补报",
        "编制（盖章）",
        "审核（盖章）",
        "批准（盖章）",
        "（仅有合计）",
    ):
        assert told in text
    assert text.count("街道") >= len(SUBDISTRICTS)
    await page.emulate_media(media="print")
    await page.set_viewport_size({"width": PAPER_PIXELS, "height": 1000})
    assert await page.evaluate(CUT) == []
    assert await page.evaluate(LABELS) == []
    assert await page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    assert len(PDF_PAGE.findall(await page.pdf(prefer_css_page_size=True))) <= 7
