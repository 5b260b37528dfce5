"""Ctrl-C, SIGTERM and a closed terminal: all end the demo the same way, at whatever moment they come."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

STOPPING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """What a signal does: it interrupts until the event loop runs, then it sets an event, and afterwards nothing.

    Afterwards nothing: an impatient second Ctrl-C must not leave the database running.
    """

    def __init__(self) -> None:
        self._take: Callable[[], object] = _interrupt

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self._take()

    @contextmanager
    def as_event(self) -> Iterator[asyncio.Event]:
        """Set by the first signal. For use in the running loop; from its end on signals are ignored."""
        event = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._take = lambda: loop.call_soon_threadsafe(event.set)
        try:
            yield event
        finally:
            self._take = _ignore


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Handles the signals until the end of the block. Main thread only."""
    stop = StopSignals()
    before = {number: signal.signal(number, stop) for number in STOPPING}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt() -> None:
    raise KeyboardInterrupt


def _ignore() -> None:
    pass
