"""What breaks while the load runs: `kill -9` of the service's processes and of PostgreSQL, at moments from a seed.

Sockets are cut all the while, by CuttingProxy.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from loadtest.installation import CannotStart, Installation, ServiceProcess
from loadtest.patience import Patient

POLL_SECONDS = 0.05
# How long a running service may take to bring its embedded database back before a command of the operator does it.
REVIVAL_SECONDS_MAX = 20.0
# How long a kill waits for a moment at which everything that it is to hit is under way.
AIM_SECONDS_MAX = 3.0
AIM_POLL_SECONDS = 0.001
RECOVERY_SECONDS_MAX = 90.0


class FaultKind(StrEnum):
    """What is killed."""

    SERVICE = "service"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Fault:
    """One `kill -9` that was survived.

    `at_seconds` is from the start of the load; after `back_seconds` every replica had acknowledged something again.
    `brought_back_by` says who started again what was killed: `this run`, `the service`, or `a command`. `under_way` is
    how many requests had no answer at the moment of the kill, by what was asked for: of a service's, those to it.
    """

    kind: FaultKind
    at_seconds: float
    back_seconds: float
    brought_back_by: str
    under_way: dict[str, int]


class NotBack(Exception):
    """After a kill, no replica or not every one has acknowledged anything again."""


class Saboteur:
    """Kills, at moments at which all that is named in `aims` is under way where there are such moments, and waits until
    the load goes on. `failure` says what did not come back; nothing is killed after it."""

    def __init__(
        self,
        installation: Installation,
        replicas: Sequence[ServiceProcess],
        patient: Patient,
        random: Random,
        aims: Sequence[str] = (),
    ) -> None:
        self.faults: list[Fault] = []
        self.failure: str | None = None
        self._installation = installation
        self.replicas = list(replicas)
        self._patient = patient
        self._random = random
        self._aims = aims

    async def run(self, kills: int, seconds: float, told: Callable[[Fault], None]) -> None:
        """`kills` in turn of each kind, the first one drawn, each in a part of `seconds` of its own."""
        try:
            await self._run(kills, seconds, told)
        except (CannotStart, NotBack) as error:
            self.failure = str(error)

    async def _run(self, kills: int, seconds: float, told: Callable[[Fault], None]) -> None:
        started = time.monotonic()
        kinds = self._random.sample(list(FaultKind), len(FaultKind))
        for number in range(kills):
            # Never at the very edge of its part: something has to be under way before and after.
            moment = started + (number + self._random.uniform(0.2, 0.7)) * seconds / kills
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            kind = kinds[number % len(kinds)]
            index = self._random.randrange(len(self.replicas)) if kind is FaultKind.SERVICE else None
            pid = self._postmaster_pid() if index is None else self.replicas[index].pid
            under_way = await self._aim(index)
            killed_at = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            by = await (self._until_postgres_is_back(pid) if index is None else self._start_again(index))
            await self._until_all_acknowledge()
            fault = Fault(kind, killed_at - started, time.monotonic() - killed_at, by, under_way)
            self.faults.append(fault)
            told(fault)

    async def _aim(self, index: int | None) -> dict[str, int]:
        """What is under way to this replica, or to all of them, when the moment has come."""
        counts = self._patient.under_way if index is None else [self._patient.under_way[index]]
        deadline = time.monotonic() + AIM_SECONDS_MAX
        while True:
            under_way = sum(counts, Counter())
            if all(under_way[aim] for aim in self._aims) or time.monotonic() > deadline:
                return {str(what): count for what, count in under_way.items()}
            await asyncio.sleep(AIM_POLL_SECONDS)

    async def _start_again(self, index: int) -> str:
        process = self.replicas[index]
        await asyncio.to_thread(process.kill)
        again = self.replicas[index] = self._installation.serve(port=process.target.port)
        await asyncio.to_thread(again.wait_until_it_answers)
        return "this run"

    def _postmaster_pid(self) -> int:
        running = self._installation.postmaster()
        if running is None:
            raise NotBack("PostgreSQL is gone, and it was not this run that killed it.")
        return running.pid

    async def _until_postgres_is_back(self, pid: int) -> str:
        deadline = time.monotonic() + REVIVAL_SECONDS_MAX
        while time.monotonic() < deadline:
            now = self._installation.postmaster()
            if now is not None and now.pid != pid:
                return "the service"
            await asyncio.sleep(POLL_SECONDS)
        done = await asyncio.to_thread(self._installation.run, "migrate")
        if done.returncode != 0:
            raise NotBack(f"PostgreSQL does not start again: {done.stderr.strip()}")
        return "a command"

    async def _until_all_acknowledge(self) -> None:
        before = dict(self._patient.answered)
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while True:
            silent = [
                index for index in range(len(self.replicas)) if self._patient.answered[index] <= before.get(index, 0)
            ]
            if not silent:
                return
            if time.monotonic() > deadline:
                said = "\n".join(self.replicas[index].log_tail() for index in silent)
                raise NotBack(
                    f"{RECOVERY_SECONDS_MAX:.0f} s after a kill, replicas {silent} acknowledge nothing:\n{said}"
                )
            await asyncio.sleep(POLL_SECONDS)
