"""The system's Chromium without a window, with fonts for Chinese; playwright drives it."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright


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
async def page(headers: dict[str, str]) -> AsyncIterator[Page]:
    """A tab of a browser of its own, which sends these headers with all it asks for."""
    async with async_playwright() as playwright:
        # Chromium makes no sandbox as root.
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield await browser.new_page(
                extra_http_headers=headers, device_scale_factor=2, is_mobile=True, has_touch=True
            )
        finally:
            await browser.close()


async def fonts_of(tab: Page, selector: str) -> set[str]:
    """The families that an element's text is really drawn with."""
    session = await tab.context.new_cdp_session(tab)
    for domain in ("DOM", "CSS"):
        await session.send(f"{domain}.enable")
    document = await session.send("DOM.getDocument")
    node = await session.send("DOM.querySelector", {"nodeId": document["root"]["nodeId"], "selector": selector})
    drawn = await session.send("CSS.getPlatformFontsForNode", {"nodeId": node["nodeId"]})
    return {font["familyName"] for font in drawn["fonts"]}
