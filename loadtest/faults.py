"""What breaks while the load runs: `kill -9` of the service's processes and of PostgreSQL, at moments from a seed.

Sockets are cut all the while, by CuttingProxy.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from loadtest.installation import CannotStart, Installation, ServiceProcess
from loadtest.patience import Patient

POLL_SECONDS = 0.05
# How long a running service may take to bring its embedded database back before a command of the operator does it.
REVIVAL_SECONDS_MAX = 20.0
RECOVERY_SECONDS_MAX = 90.0


class FaultKind(StrEnum):
    """What is killed."""

    SERVICE = "service"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Fault:
    """One `kill -9` that was survived.

    `at_seconds` is from the start of the load; after `back_seconds` every replica had acknowledged something again.
    `brought_back_by` says who started again what was killed: `this run`, `the service`, or `a command`.
    """

    kind: FaultKind
    at_seconds: float
    back_seconds: float
    brought_back_by: str


class NotBack(Exception):
    """After a kill, no replica or not every one has acknowledged anything again."""


class Saboteur:
    """Kills, and waits until the load goes on. `failure` says what did not come back; nothing is killed after it."""

    def __init__(
        self, installation: Installation, replicas: Sequence[ServiceProcess], patient: Patient, random: Random
    ) -> None:
        self.faults: list[Fault] = []
        self.failure: str | None = None
        self._installation = installation
        self.replicas = list(replicas)
        self._patient = patient
        self._random = random

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
            kind, killed_at = kinds[number % len(kinds)], time.monotonic()
            by = await (self._kill_service() if kind is FaultKind.SERVICE else self._kill_postgres())
            await self._until_all_acknowledge()
            fault = Fault(kind, killed_at - started, time.monotonic() - killed_at, by)
            self.faults.append(fault)
            told(fault)

    async def _kill_service(self) -> str:
        index = self._random.randrange(len(self.replicas))
        process = self.replicas[index]
        await asyncio.to_thread(process.kill)
        again = self.replicas[index] = self._installation.serve(port=process.target.port)
        await asyncio.to_thread(again.wait_until_it_answers)
        return "this run"

    async def _kill_postgres(self) -> str:
        before = self._installation.postmaster()
        if before is None:
            raise NotBack("PostgreSQL is gone, and it was not this run that killed it.")
        os.kill(before.pid, signal.SIGKILL)
        deadline = time.monotonic() + REVIVAL_SECONDS_MAX
        while time.monotonic() < deadline:
            now = self._installation.postmaster()
            if now is not None and now.pid != before.pid:
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
