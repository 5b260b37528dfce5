"""A real Chromium without a window, driven by its DevTools protocol."""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

READY_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 60.0
MESSAGE_BYTES_MAX = 64 * 1024 * 1024

# It asks nobody for updates, and looks nothing up.
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--remote-debugging-port=0",
)


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


class Page:
    """One tab. `requested` are the addresses that it asked for, in order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._loaded = False
        self.requested: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What the method gives. Raises RuntimeError where Chromium refuses."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result

    async def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = await self._socket.receive_json(timeout=ANSWER_SECONDS_MAX)
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(message["params"]["request"]["url"])
        self._loaded = self._loaded or message.get("method") == "Page.loadEventFired"
        return message

    async def open(self, url: str, headers: dict[str, str]) -> None:
        """Load a page with all that it needs, with these headers."""
        for domain in ("Page", "Network", "DOM", "CSS"):
            await self.call(f"{domain}.enable")
        await self.call("Network.setExtraHTTPHeaders", headers=headers)
        self._loaded = False
        answer = await self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise RuntimeError(f"{url}: {answer['errorText']}")
        while not self._loaded:
            await self._receive()

    async def resize(self, width: int, height: int) -> None:
        """To a phone's screen, in CSS pixels."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=True
        )

    async def evaluate(self, expression: str) -> Any:
        """A JavaScript expression's value, as JSON can say it."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def fonts(self, selector: str) -> set[str]:
        """The families that an element's text is really drawn with."""
        document = await self.call("DOM.getDocument")
        node = await self.call("DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector)
        drawn = await self.call("CSS.getPlatformFontsForNode", nodeId=node["nodeId"])
        return {font["familyName"] for font in drawn["fonts"]}


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Page]:
    """A tab of a browser of its own, with its profile in an empty directory."""
    options = [*OPTIONS, f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # which Chromium does not make as root
    process = await asyncio.create_subprocess_exec(
        "chromium", *options, "about:blank", stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with aiohttp.ClientSession() as session:
            port = await asyncio.wait_for(_port(process, profile / "DevToolsActivePort"), READY_SECONDS_MAX)
            async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                tabs = await response.json()
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            async with session.ws_connect(address, max_msg_size=MESSAGE_BYTES_MAX) as socket:
                yield Page(socket)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _port(process: asyncio.subprocess.Process, file: Path) -> str:
    """Which port it has taken, once it has written it down: the first of two lines."""
    while "\n" not in (written := await asyncio.to_thread(_read, file)):
        if process.returncode is not None:
            raise RuntimeError(f"chromium ended with {process.returncode}")
        await asyncio.sleep(0.02)
    return written.splitlines()[0]


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""
