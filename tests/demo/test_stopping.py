import asyncio
import os
import signal

import pytest
import uvloop

from service.demo.stopping import STOPPING, stop_signals


@pytest.mark.parametrize("number", STOPPING)
def test_a_signal_interrupts_then_sets_the_event_and_afterwards_does_nothing(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    async def run() -> None:
        with stop.as_event() as stopped:
            assert not stopped.is_set()
            os.kill(os.getpid(), number)
            await stopped.wait()
            os.kill(os.getpid(), number)

    with stop_signals() as stop:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())
        # While the database stops: an impatient second Ctrl-C must not leave it running.
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
