import asyncio
import gc
import time

import pytest

from loadtest.generator import Watch, quiet_collector, wait_for


def test_a_watch_sees_work_and_rest() -> None:
    watch = Watch()
    time.sleep(0.2)
    rested = watch.load()
    assert rested.cpu_share < 0.5
    watch, until = Watch(), time.process_time() + 0.2
    while time.process_time() < until:
        pass
    assert watch.load().cpu_share > rested.cpu_share


def test_no_collection_runs_while_it_is_quiet() -> None:
    def fail() -> None:
        with quiet_collector():
            enabled.append(gc.isenabled())
            raise KeyError

    enabled: list[bool] = []
    with pytest.raises(KeyError):
        fail()
    assert enabled == [False]
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


async def test_waiting_ends_when_the_time_is_up() -> None:
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    told: list[int] = []
    assert not await wait_for(finished, 0.05, lambda: 3, told.append)
    assert told == [3]
    finished.set_result(None)
    assert await wait_for(finished, 60, lambda: 3, None)


async def test_waiting_raises_what_ended_the_run() -> None:
    finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    finished.set_exception(KeyError("x"))
    with pytest.raises(KeyError):
        await wait_for(finished, 60, lambda: 0, None)
