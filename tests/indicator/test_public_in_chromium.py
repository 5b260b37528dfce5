"""The public page of the demo's district as the service sends it: real data, real HTTP, no JavaScript."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from playwright.async_api import Browser, Page, async_playwright
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.business_days import business_today
from service.db import transaction
from service.demo.planting import Size, plant
from service.folding.worker import tick
from service.indicator.public_words import Language
from service.secrets import Keyring
from service.settings import Settings
from tests import chromium
from tests.indicator.test_public_page_in_chromium import CUT, LABELS

MISSING = chromium.missing()
# In CI a missing program is an error of its set-up, which the first test then shows.
pytestmark = pytest.mark.skipif(MISSING is not None and os.environ.get("CI") != "true", reason=str(MISSING))

PAGE = "/public/recycling-rate"
SIZES = ((390, 844), (320, 568), (1280, 900))
LANGUAGES: tuple[Language, ...] = ("zh", "en")


@pytest.fixture
async def demo(admin_engine: AsyncEngine, settings: Settings) -> AsyncIterator[str]:
    """The address of a demo that was just planted."""
    assert MISSING is None, MISSING
    today: date = business_today(settings.business_timezone)
    size = Size(seed=1, bins=47, residents=50, past_drops=1600)
    async with transaction(admin_engine) as connection:
        await plant(connection, Keyring.of(settings), size, None, today=today, zone=settings.business_timezone)
    await tick(admin_engine, settings)
    as_demo = settings.model_copy(update={"demo": True, "public_after_days": 0})
    async with TestClient(TestServer(build_app(as_demo))) as client:
        yield str(client.make_url("")).rstrip("/")


@asynccontextmanager
async def without_scripts(
    browser: Browser, width: int, height: int
) -> AsyncIterator[tuple[Page, list[str], list[str]]]:
    """A tab of its own; what it asks for, and what it complains of."""
    asked: list[str] = []
    complaints: list[str] = []
    context = await browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=False)
    tab = await context.new_page()
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    try:
        yield tab, asked, complaints
    finally:
        await context.close()


async def look(browser: Browser, base: str, language: Language, width: int, height: int) -> None:
    address = f"{base}{PAGE}?lang={language}"
    async with without_scripts(browser, width, height) as (tab, asked, complaints):
        await tab.goto(address)
        # The evaluations are the driver's: the page itself runs nothing.
        for opened in (False, True):
            if opened:
                await open_all(tab)
            assert await tab.evaluate("document.documentElement.scrollWidth") == width
            assert await tab.evaluate(CUT) == []
            assert await tab.evaluate(LABELS) == []
        assert {each for each in asked if not each.startswith(base)} == set()
        assert [each for each in asked if each != address and not each.endswith("/favicon.ico")] == []
        # Browsers ask for an icon by themselves, and there is none.
        assert [each for each in complaints if "404" not in each] == []


async def open_all(tab: Page) -> None:
    await tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


async def links_by_keyboard(tab: Page) -> tuple[int, int]:
    """How many of the links and summaries the Tab key reaches, and how many there are."""
    count = await tab.evaluate("document.querySelectorAll('a, summary').length")
    reached = set()
    for _ in range(count + 5):
        await tab.keyboard.press("Tab")
        at = await tab.evaluate(
            "[...document.querySelectorAll('a, summary')].findIndex(each => each == document.activeElement)"
        )
        if at >= 0:
            reached.add(at)
    return len(reached), count


async def names_of_images(tab: Page) -> list[str]:
    session = await tab.context.new_cdp_session(tab)
    nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    shown = [each for each in nodes if not each["ignored"] and each["role"]["value"] in ("image", "img")]
    return [each.get("name", {}).get("value", "") for each in shown]


async def test_the_demo_s_page_is_whole_readable_and_asks_nobody_else(demo: str) -> None:
    """One browser for all of it: nearly all the time goes into starting one."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), chromium_sandbox=os.geteuid() != 0
        )
        try:
            for language in LANGUAGES:
                for width, height in SIZES:
                    await look(browser, demo, language, width, height)
            async with without_scripts(browser, 390, 844) as (tab, _, _):
                await tab.goto(demo + PAGE)
                said = await tab.inner_text("main")
                for words in ("演示", "%", "吨", "学府街道", "更正", "CC BY 4.0"):
                    assert words in said
                names = await names_of_images(tab)
                assert len(names) == 4
                assert all(names)
                reached, count = await links_by_keyboard(tab)
                assert reached == count
                await follow_the_links(tab, demo)
        finally:
            await browser.close()


async def follow_the_links(tab: Page, base: str) -> None:
    """The other language keeps the district; every file that is named is there."""
    hrefs: Any = await tab.evaluate("[...document.querySelectorAll('a:not(.skip)')].map(each => each.href)")
    own = [each for each in hrefs if each.startswith(base)]
    assert [each for each in hrefs if each not in own] == ["https://creativecommons.org/licenses/by/4.0/"]
    for each in own:
        assert (await tab.request.get(each)).ok, each
    await tab.click("nav a")
    assert await tab.get_attribute("html", "lang") == "en"
    assert "area=nankai" in tab.url
