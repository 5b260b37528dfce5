import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from loadtest.ticks import TICK_SECONDS_MIN, ticking, ticking_by_descriptor, ticking_by_timer

Clock = Callable[[float, float, Callable[[], None]], AbstractContextManager[None]]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
CLOCKS = [ticking, ticking_by_timer, pytest.param(ticking_by_descriptor, marks=ON_LINUX)]


async def ticks_of(clock: Clock, seconds: float, lead_seconds: float, count: int) -> list[float]:
    """When the clock ticked, in seconds from the start it was given; at least `count` times."""
    enough = asyncio.Event()
    start = time.perf_counter() + lead_seconds
    ticks: list[float] = []

    def tick() -> None:
        ticks.append(time.perf_counter() - start)
        if len(ticks) >= count:
            enough.set()

    with clock(seconds, start, tick):
        await enough.wait()
    kept = len(ticks)
    await asyncio.sleep(5 * seconds)
    assert len(ticks) == kept, "a clock that was left still ticks"
    return ticks


@pytest.mark.parametrize("clock", CLOCKS)
async def test_a_clock_ticks_until_it_is_left(clock: Clock) -> None:
    ticks = await ticks_of(clock, 0.002, 0.0, 20)
    assert ticks == sorted(ticks)
    # A late clock catches up with what is due in one tick; it never runs ahead.
    assert ticks[-1] >= 0.002 * 15


@pytest.mark.parametrize("clock", CLOCKS)
async def test_the_first_tick_does_not_come_before_the_start(clock: Clock) -> None:
    ticks = await ticks_of(clock, 0.002, 0.05, 1)
    # The loop's own timers count in milliseconds.
    assert ticks[0] >= -0.002


async def test_a_clock_does_not_tick_faster_than_it_should() -> None:
    ticks = await ticks_of(ticking, TICK_SECONDS_MIN / 100, 0.0, 50)
    assert ticks[-1] >= 49 * TICK_SECONDS_MIN * 0.9
