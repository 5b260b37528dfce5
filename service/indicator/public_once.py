"""Make a thing once for all who ask for it at the same time, and keep it for a while: what the public asks for must not
reach the database more often, however many they are."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Key = TypeVar("Key")
Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class _Made(Generic[Thing]):
    begun: float
    task: asyncio.Task[Thing]

    @property
    def failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


class Once(Generic[Key, Thing]):
    """At most `entries_max` things, each for `seconds` since its making began. `clock` is in seconds."""

    def __init__(self, seconds: float, entries_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._entries_max = entries_max
        self._clock = clock
        self._made: dict[Key, _Made[Thing]] = {}

    async def get(self, key: Key, make: Callable[[], Coroutine[Any, Any, Thing]]) -> Thing:
        """The thing of this key, made now, or by who asked before. A failure is told to all who wait, and not kept."""
        found = self._made.get(key)
        if found is None or found.failed or (found.task.done() and self._clock() - found.begun >= self._seconds):
            self._made.pop(key, None)
            while len(self._made) >= self._entries_max:
                self._made.pop(next(iter(self._made)))
            found = self._made[key] = _Made(self._clock(), asyncio.create_task(make()))
        # Who goes away does not take it from the others.
        return await asyncio.shield(found.task)

    async def close(self) -> None:
        """Nothing goes on being made."""
        tasks = [each.task for each in self._made.values()]
        self._made.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
