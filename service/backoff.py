"""How a client of the service waits when the service cannot answer now."""

import asyncio
import random
from typing import Final

import aiohttp
from aiohttp import hdrs

FIRST_SECONDS: Final = 0.5
SECONDS_MAX: Final = 30.0
# An answer that takes longer is taken for lost; the service's own statements end before.
TIMEOUT: Final = aiohttp.ClientTimeout(total=20)


class Backoff:
    """Waits twice as long each time, up to `seconds_max`, and a little more by chance: many who failed together must
    not come back together."""

    def __init__(self, *, first_seconds: float = FIRST_SECONDS, seconds_max: float = SECONDS_MAX) -> None:
        self._seconds = first_seconds
        self._seconds_max = seconds_max

    async def wait(self, asked_seconds: float) -> None:
        """At least `asked_seconds`."""
        await asyncio.sleep(max(self._seconds, asked_seconds) * random.uniform(1.0, 1.3))  # noqa: S311
        self._seconds = min(self._seconds * 2, self._seconds_max)


def retry_after_seconds(response: aiohttp.ClientResponse) -> float:
    """What the answer asks for; 0 where it asks for nothing. The service sends seconds, never a date."""
    value = response.headers.get(hdrs.RETRY_AFTER, "")
    return float(value) if value.isdecimal() else 0.0
