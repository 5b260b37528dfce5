"""A clock that ticks finer than the event loop's timers.

uvloop rounds timers to a millisecond, and what is due in less than half of one it runs at once: an open loop of more
than 2 000 requests/s would then spin and take a whole core from what it measures. On Linux a timer file descriptor is
some 30 µs late and costs 11 % of a core at 5 000 ticks/s (measured); elsewhere ticks come each millisecond.
"""

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TICK_SECONDS_MIN = 0.0002
TIMER_SECONDS_MIN = 0.001
# Ticks come this much after what they are for: one that came before it would leave it to the next.
PHASE_SECONDS = 0.00002

TFD_TIMER_ABSTIME = 1
NANOSECONDS = 1_000_000_000


class Timespec(ctypes.Structure):
    """`struct timespec` of timerfd_settime(2)."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class Itimerspec(ctypes.Structure):
    """`struct itimerspec` of timerfd_settime(2)."""

    _fields_ = (("interval", Timespec), ("value", Timespec))


@contextmanager
def ticking(seconds: float, start: float, tick: Callable[[], None]) -> Iterator[None]:
    """Call `tick` at `start` (seconds of `time.perf_counter`) and every `seconds`, or as often as the clock can."""
    seconds = max(seconds, TICK_SECONDS_MIN)
    if sys.platform == "linux":
        with ticking_by_descriptor(seconds, start, tick):
            yield
    else:
        with ticking_by_timer(max(seconds, TIMER_SECONDS_MIN), start, tick):
            yield


@contextmanager
def ticking_by_descriptor(seconds: float, start: float, tick: Callable[[], None]) -> Iterator[None]:
    """Ticks from timerfd_create(2). Raises OSError where the system gives none."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create failed")
    loop = asyncio.get_running_loop()

    def expired() -> None:
        try:
            os.read(descriptor, 8)
        except BlockingIOError:
            return
        tick()

    # On Linux perf_counter is CLOCK_MONOTONIC, so `start` may be given as an absolute time.
    # The interval is rounded up, or ticks would drift ahead of what they are for.
    first, interval = int((start + PHASE_SECONDS) * NANOSECONDS), -int(-seconds * NANOSECONDS // 1)
    spec = Itimerspec(Timespec(*divmod(interval, NANOSECONDS)), Timespec(*divmod(first, NANOSECONDS)))
    try:
        if libc.timerfd_settime(descriptor, TFD_TIMER_ABSTIME, ctypes.byref(spec), None) != 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime failed")
        loop.add_reader(descriptor, expired)
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


@contextmanager
def ticking_by_timer(seconds: float, start: float, tick: Callable[[], None]) -> Iterator[None]:
    """Ticks from the event loop's own timers, a millisecond apart at least."""
    loop = asyncio.get_running_loop()

    timer: asyncio.TimerHandle | None = None

    def expired() -> None:
        nonlocal timer
        timer = loop.call_later(seconds, expired)
        tick()

    timer = loop.call_later(max(0.0, start - time.perf_counter()), expired)
    try:
        yield
    finally:
        timer.cancel()
