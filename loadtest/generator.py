"""The generator's own process: kept quiet while it measures, and watched, so that a report can say how busy it was."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SCHEDSTAT = Path("/proc/self/schedstat")
PROGRESS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """How busy the process was, as shares of wall time: on a core, and ready to run while others had the core."""

    cpu_share: float
    wait_share: float | None


class Watch:
    """Measures the process from its making to `load()`."""

    def __init__(self) -> None:
        self._waited = waited_seconds()
        self._cpu = time.process_time()
        self._wall = time.perf_counter()

    def load(self) -> Load:
        """The load since the watch was made."""
        wall = time.perf_counter() - self._wall
        cpu = time.process_time() - self._cpu
        waited = waited_seconds()
        wait_share = None if waited is None or self._waited is None else (waited - self._waited) / wall
        return Load(cpu / wall, wait_share)


def waited_seconds() -> float | None:
    """How long the main thread, which runs the event loop, was ready and had no core; None where Linux does not say."""
    try:
        return int(SCHEDSTAT.read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return None


@contextmanager
def quiet_collector() -> Iterator[None]:
    """No garbage collection meanwhile: a pass over 300 000 prepared requests would stall every connection at once."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


async def wait_for(
    finished: "asyncio.Future[None]", seconds: float, done: Callable[[], int], progress: Callable[[int], None] | None
) -> bool:
    """Whether `finished` came within `seconds`; its exception is raised. `progress` hears `done()` now and then."""
    until = time.perf_counter() + seconds
    while not finished.done() and (left := until - time.perf_counter()) > 0:
        await asyncio.wait([finished], timeout=min(left, PROGRESS_SECONDS) if progress else left)
        if progress is not None:
            progress(done())
    if not finished.done():
        return False
    finished.result()
    return True
