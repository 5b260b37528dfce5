"""How a device behaves when the service does not answer: the same again, until there is a definite answer."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import aiohttp

ATTEMPT_SECONDS_MAX = 10.0
PAUSE_SECONDS_MIN = 0.02
PAUSE_SECONDS_MAX = 1.0

# Whether an answer, its status and its JSON, ends the asking.
Definite = Callable[[int, Any], bool]


class GaveUp(Exception):
    """No definite answer came while there was time."""


class Patient:
    """Posts to any of the replicas and goes on until the answer is definite.

    `answered` counts definite answers by replica, `statuses` every answer; `sends` and `repeats` count requests, first
    ones and further ones, `broken` those that ended without an answer.
    """

    def __init__(self, session: aiohttp.ClientSession, base_urls: Sequence[str], random: Random) -> None:
        self.answered: Counter[int] = Counter()
        self.statuses: Counter[int] = Counter()
        self.sends = 0
        self.repeats = 0
        self.broken = 0
        self._session = session
        self._base_urls = base_urls
        self._random = random
        self._until = float("inf")

    @property
    def replicas(self) -> int:
        """How many there are to ask."""
        return len(self._base_urls)

    def give_up_after(self, seconds: float) -> None:
        """From now on: what is asked still has so long."""
        self._until = time.monotonic() + seconds

    async def post(
        self, path: str, body: bytes, headers: Callable[[], Mapping[str, str]], definite: Definite, replica: int
    ) -> tuple[int, Any]:
        """The status and JSON of the definite answer; `headers` are made anew for each attempt.

        Begins with this replica, then asks the others in turn. Raises GaveUp.
        """
        pause = PAUSE_SECONDS_MIN
        self.sends += 1
        while True:
            answer = await self._attempt(f"{self._base_urls[replica]}{path}", body, headers())
            if answer is not None and definite(*answer):
                self.answered[replica] += 1
                return answer
            if time.monotonic() > self._until:
                raise GaveUp
            await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
            replica = (replica + 1) % len(self._base_urls)
            self.repeats += 1

    async def _attempt(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any] | None:
        """None where the connection ended before the whole answer was there."""
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                document = await response.json(content_type=None)
                self.statuses[response.status] += 1
                return response.status, document
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            self.broken += 1
            return None


def open_session() -> aiohttp.ClientSession:
    """A client without cookies and limits of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS_MAX),
    )
