"""The system's Chromium without a window, with fonts for Chinese; playwright drives it."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, Page, async_playwright


def missing() -> str | None:
    """Why no page in Chinese can be looked at here; None where it can."""
    for program in ("chromium", "fc-list"):
        if shutil.which(program) is None:
            return f"{program} is not on the PATH: pages are not looked at"
    return None if chinese_fonts() else "no font has Chinese glyphs: pages are not looked at"


def chinese_fonts() -> set[str]:
    """Families with all that simplified Chinese needs, as fontconfig tells Chromium of them."""
    listed = subprocess.run(["fc-list", ":lang=zh-cn", "family"], capture_output=True, text=True, check=True)  # noqa: S607  # wherever it is
    return {name for line in listed.stdout.splitlines() for name in line.split(",")}


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A browser of one's own; starting it takes longer than most that it is asked."""
    async with async_playwright() as playwright:
        # Chromium makes no sandbox as root.
        started = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield started
        finally:
            await started.close()


async def open_tab(in_browser: Browser, headers: dict[str, str] | None = None) -> Page:
    """A tab as a phone has it, in a profile of its own, which sends these headers with all it asks for."""
    return await in_browser.new_page(
        extra_http_headers=headers or {}, device_scale_factor=2, is_mobile=True, has_touch=True
    )


@asynccontextmanager
async def page(headers: dict[str, str]) -> AsyncIterator[Page]:
    """A tab of a browser of its own."""
    async with browser() as started:
        yield await open_tab(started, headers)


async def fonts_of(tab: Page, selector: str) -> set[str]:
    """The families that an element's text is really drawn with."""
    session = await tab.context.new_cdp_session(tab)
    for domain in ("DOM", "CSS"):
        await session.send(f"{domain}.enable")
    document = await session.send("DOM.getDocument")
    node = await session.send("DOM.querySelector", {"nodeId": document["root"]["nodeId"], "selector": selector})
    drawn = await session.send("CSS.getPlatformFontsForNode", {"nodeId": node["nodeId"]})
    return {font["familyName"] for font in drawn["fonts"]}
