"""Whose turn it is to import: a few files are held, one is worked on, and who comes beyond is told at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from service.errors import ImportsBusy

# Each file that is held is on disk, and the one that is worked on keeps what is recorded of its years in memory.
PLACES: Final = 8
# Of waiting. Who has sent a file should hear of it before a proxy gives up.
WAIT_SECONDS_MAX: Final = 30.0
RETRY_AFTER_SECONDS: Final = 10


class Turns:
    """So many files are held as there are `places`, from before they are received; they are worked on one after the
    other."""

    def __init__(self, *, places: int = PLACES, wait_seconds_max: float = WAIT_SECONDS_MAX) -> None:
        self._places = places
        self._wait_seconds_max = wait_seconds_max
        self._taken = 0
        self._working = asyncio.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises ImportsBusy where all are taken."""
        if self._taken == self._places:
            raise ImportsBusy(retry_after_seconds=RETRY_AFTER_SECONDS)
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waited for by one who has a place. Raises ImportsBusy where that takes too long."""
        try:
            async with asyncio.timeout(self._wait_seconds_max):
                await self._working.acquire()
        except TimeoutError:
            raise ImportsBusy(retry_after_seconds=RETRY_AFTER_SECONDS) from None
        try:
            yield
        finally:
            self._working.release()
