"""A statement's page as a merchant sees it: on a phone, and printed."""

import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from playwright.async_api import Page
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import create_api_key
from service.db import transaction
from service.redemption.merchants import add_merchant
from service.secrets import Keyring
from service.settings import Settings
from service.settlement import queries
from service.settlement.months import Month
from service.settlement.settling import settle
from service.tables.people import merchant_rate
from tests import chromium
from tests.settlement import history
from tests.world import build_world

MISSING = chromium.missing()
# In CI a missing program is an error of its set-up, which the first test then shows.
pytestmark = pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=str(MISSING))

MERCHANT, NUMBER = "NK-M-01", "NK-M-01-202605"
NAME = "天津市南开区学府街道学府便利店（鞍山西道总店）"
PHONES = ((390, 844), (320, 568))
# Nearly as much as a merchant of a whole city would take in a day.
COINS_EACH_DAY = 98_765_432
# A page of Chromium's PDF, and not the list of them.
PDF_PAGE = re.compile(rb"/Type\s*/Page\b")

# Elements with something in them that is wider than the screen, or than themselves.
CUT = """
[...document.querySelectorAll('body, body *')]
  .filter(each => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display != 'inline'
                  || each.getBoundingClientRect().right > innerWidth)
  .map(each => `${each.tagName} ${each.textContent.trim().slice(0, 20)}`)
"""
# Columns of figures whose right edges are not in one line, or not at the right.
RAGGED = """
[...document.querySelectorAll('td:not(:first-child)')].filter(
  each => getComputedStyle(each).textAlign != 'right' || getComputedStyle(each).whiteSpace != 'nowrap').length
"""


@pytest.fixture
async def shop(engine: AsyncEngine, settings: Settings) -> str:
    """The API key of a merchant whose May is settled: captures on each day at two rates, some given back."""
    assert MISSING is None, MISSING
    world = await build_world(engine, Keyring.of(settings))
    begins = datetime(2026, 5, 1, 4, tzinfo=UTC)
    async with transaction(engine) as connection:
        await add_merchant(connection, merchant_id=MERCHANT, name=NAME, name_en="Xuefu Store")
        for day, fen in ((-1, 1500), (14, 1999)):
            starts_at = begins + timedelta(days=day)
            await connection.execute(
                sa.insert(merchant_rate).values(merchant_id=MERCHANT, effective_from=starts_at, fen_per_1000_coins=fen)
            )
        for day in range(31):
            at = begins + timedelta(days=day)
            taken = await history.capture(connection, world.resident_id, COINS_EACH_DAY, at)
            if day % 10 == 0:
                await history.refund(connection, world.resident_id, taken, 1_234_567, at)
        return await create_api_key(connection, role="merchant", name="till", merchant_id=MERCHANT)


@pytest.fixture
async def page(client: TestClient[Any, Any], engine: AsyncEngine, shop: str) -> AsyncIterator[Page]:
    """The page of the statement, from the service over HTTP; it asks for nothing else."""
    async with transaction(engine) as connection:
        (each,) = await queries.list_merchants(connection, None)
        await settle(connection, merchant=each, month=Month(2026, 5), zone="Asia/Shanghai")
    url = str(client.make_url(f"/v1/merchants/me/statements/{NUMBER}/html"))
    requested: list[str] = []
    async with chromium.page({"Authorization": f"Bearer {shop}"}) as page:
        page.on("request", lambda request: requested.append(request.url))
        await page.goto(url)
        yield page
    assert requested == [url]


async def test_a_statement_is_whole_on_a_phone_and_on_paper(page: Page) -> None:
    net_coins = 31 * COINS_EACH_DAY - 4 * 1_234_567
    assert "碳币结算单" in await page.title()
    for width, height in PHONES:
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate("document.documentElement.scrollWidth") == width
        assert await page.evaluate(CUT) == []
    assert await page.evaluate(RAGGED) == 0
    text = await page.inner_text("body")
    for figure in (NAME, NUMBER, "2026 年 5 月", f"{31 * COINS_EACH_DAY:,}", f"−{4 * 1_234_567:,}", f"{net_coins:,}"):
        assert figure in text
    payable_milli_fen = (14 * COINS_EACH_DAY - 2 * 1_234_567) * 1500 + (17 * COINS_EACH_DAY - 2 * 1_234_567) * 1999
    assert f"¥ {payable_milli_fen // 100_000:,}.{payable_milli_fen // 1000 % 100:02}" in text
    assert len(re.findall(r"^2026-05-\d\d\t", text, re.MULTILINE)) == 31
    # Not with the boxes of a font that has no such glyphs.
    assert await chromium.fonts_of(page, "h1") <= chromium.chinese_fonts()
    assert len(PDF_PAGE.findall(await page.pdf(prefer_css_page_size=True))) == 2
    # On paper as on the phone: nothing is wider than A4 without its margins, at 96 pixels an inch.
    await page.emulate_media(media="print")
    await page.set_viewport_size({"width": round((210 - 30) / 25.4 * 96), "height": 1000})
    assert await page.evaluate(CUT) == []
    # A browser repeats a table's head on each page where it is a header group, and not its sums.
    assert await page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    assert await page.evaluate("getComputedStyle(document.querySelector('tfoot')).display") == "table-row-group"
