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
    """Asks any of the replicas and goes on until the answer is definite.

    `answered` counts definite answers to posts by replica, `statuses` every answer; `sends` and `repeats` count
    requests by what was asked for, first ones and further ones, `broken` those that ended without an answer.
    `under_way` is how many have no answer at this moment, by replica and by what was asked for.
    """

    def __init__(self, session: aiohttp.ClientSession, base_urls: Sequence[str], random: Random) -> None:
        self.answered: Counter[int] = Counter()
        self.statuses: Counter[int] = Counter()
        self.sends: Counter[str] = Counter()
        self.repeats: Counter[str] = Counter()
        self.broken: Counter[str] = Counter()
        self.under_way: list[Counter[str]] = [Counter() for _ in base_urls]
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
        self,
        what: str,
        path: str,
        body: bytes,
        headers: Callable[[], Mapping[str, str]],
        definite: Definite,
        replica: int,
    ) -> tuple[int, Any]:
        """The status and JSON of the definite answer; `headers` are made anew for each attempt, `what` names it in the
        counts.

        Begins with this replica, then asks the others in turn. Raises GaveUp.
        """
        replica, answer = await self._ask(what, "POST", path, body, headers, definite, replica)
        self.answered[replica] += 1
        return answer

    async def get(self, what: str, path: str, headers: Callable[[], Mapping[str, str]]) -> Any:
        """The JSON of the first answer with status 200, from any replica. Raises GaveUp."""
        replica = self._random.randrange(self.replicas)
        _, answer = await self._ask(what, "GET", path, None, headers, is_200, replica)
        return answer[1]

    async def _ask(
        self,
        what: str,
        method: str,
        path: str,
        body: bytes | None,
        headers: Callable[[], Mapping[str, str]],
        definite: Definite,
        replica: int,
    ) -> tuple[int, tuple[int, Any]]:
        """The replica that gave the definite answer, and the answer."""
        pause = PAUSE_SECONDS_MIN
        self.sends[what] += 1
        while True:
            self.under_way[replica][what] += 1
            try:
                answer = await self._attempt(method, f"{self._base_urls[replica]}{path}", body, headers())
            finally:
                self.under_way[replica][what] -= 1
            if answer is None:
                self.broken[what] += 1
            elif definite(*answer):
                return replica, answer
            if time.monotonic() > self._until:
                raise GaveUp
            await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))
            pause = min(2 * pause, PAUSE_SECONDS_MAX)
            replica = (replica + 1) % len(self._base_urls)
            self.repeats[what] += 1

    async def _attempt(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Any] | None:
        """None where the connection ended before the whole answer was there."""
        try:
            async with self._session.request(method, url, data=body, headers=headers) as response:
                document = await response.json(content_type=None)
                self.statuses[response.status] += 1
                return response.status, document
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None


def is_200(status: int, _document: Any) -> bool:
    """Whether a look found what it looked for."""
    return status == 200


def open_session() -> aiohttp.ClientSession:
    """A client without cookies and limits of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS_MAX),
    )
