"""Make a thing once for all who ask for it at the same time, and keep it for a while: however many ask for the same, it
is made once in so many seconds. Ask only for what there is (a set that is kept the same way tells), or whoever asks for
what is not there has each of it made."""

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
    """At most `entries_max` things that are made, each for `seconds` since its making began, and beside them only those
    that are being made. `clock` is in seconds."""

    def __init__(self, seconds: float, entries_max: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._entries_max = entries_max
        self._clock = clock
        self._made: dict[Key, _Made[Thing]] = {}

    async def get(self, key: Key, make: Callable[[], Coroutine[Any, Any, Thing]]) -> Thing:
        """The thing of this key, made now, or by who asked before. A failure is told to all who wait, and not kept: who
        asks next has it tried again."""
        found = self._made.get(key)
        if found is None or found.failed or (found.task.done() and self._clock() - found.begun >= self._seconds):
            self._made.pop(key, None)
            self._make_room()
            found = self._made[key] = _Made(self._clock(), asyncio.create_task(make()))
        # Who goes away does not take it from the others.
        return await asyncio.shield(found.task)

    def _make_room(self) -> None:
        """For one more: the oldest go. What is being made stays, so that nobody has it made beside, and it ends with
        `close`."""
        made = [key for key, each in self._made.items() if each.task.done()]
        for key in made[: max(0, len(self._made) - self._entries_max + 1)]:
            del self._made[key]

    async def close(self) -> None:
        """Nothing goes on being made."""
        tasks = [each.task for each in self._made.values()]
        self._made.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
