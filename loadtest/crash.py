"""Proof that nothing is lost: load on several processes of the service while they and PostgreSQL are killed.

Bins and residents post and spend through proxies that cut connections between COMMIT and reply; they send the same
again until they have an answer, a part of it to two processes at the same moment. At the end the database, the API and
`tanbi verify` must agree with what they were told.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import aiohttp

from loadtest.cutting import CuttingProxy
from loadtest.demo import Demo, DemoResident, UnreadableDemo, read_demo
from loadtest.devices import BinClient, Spender
from loadtest.faults import Fault, Saboteur
from loadtest.installation import Installation, ServiceProcess
from loadtest.journal import Journal
from loadtest.machine import Machine, this_machine
from loadtest.patience import Patient, open_session
from loadtest.proof import Finding, Stored, balance_findings, expected_balances, findings_of, read_stored
from schemas.signatures import Algorithm

RESIDENTS = 40
BINS_EACH_ALGORITHM = 4
LANES_EACH_BIN = 2
SPENDERS = 4
CUT_SHARE = 0.02
DRAIN_SECONDS_MAX = 60.0
PROGRESS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Ordeal:
    """What is asked for: the load lasts `seconds`, or longer where the last kill takes longer to get over; `kills` are
    of the service and of PostgreSQL in turn. With `keep` the data directory stays, which else only findings make it."""

    seconds: float
    kills: int
    replicas: int
    seed: int
    keep: bool = False


@dataclass(frozen=True, slots=True)
class CrashResult:
    """One run.

    - `seconds`: from the first request until every answer was there.
    - `events`, `redemptions`: how many were sent, acknowledged and so on, each counted once.
    - `requests`: `sent` first, `repeated` until there was a definite answer, `broken` without one.
    - `cuts`: answers that were cut off after the service had begun to send them.
    - `findings`: what is lost, doubled or otherwise not as it must be; `passed` when there is nothing.
    - `kept`: the data directory, where it was not removed.
    """

    machine: Machine
    ordeal: Ordeal
    seconds: float
    events: dict[str, int]
    redemptions: dict[str, int]
    requests: dict[str, int]
    statuses: dict[str, int]
    cuts: int
    faults: list[Fault]
    checks: list[str]
    findings: list[Finding]
    kept: str | None

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, nothing doubled, and everything killed."""
        return not self.findings

    def as_json(self) -> dict[str, object]:
        """The record as `json.dumps` takes it."""
        return {"passed": self.passed, **asdict(self)}


class Run:
    """One run on one installation."""

    def __init__(self, installation: Installation, ordeal: Ordeal) -> None:
        self.journal = Journal()
        self._installation = installation
        self._ordeal = ordeal
        self._random = Random(ordeal.seed)  # noqa: S311 - nothing secret is drawn

    async def run(self, progress: Callable[[float], None], told: Callable[[Fault], None]) -> CrashResult:
        """Load, kills, and the proof. Raises CannotStart, UnreadableDemo and what the database raises."""
        machine = this_machine()
        demo_process = await asyncio.to_thread(self._installation.demo, RESIDENTS)
        await asyncio.to_thread(demo_process.stop)
        demo = read_demo(self._installation.demo_json)
        replicas = [self._installation.serve() for _ in range(self._ordeal.replicas)]
        for replica in replicas:
            await asyncio.to_thread(replica.wait_until_it_answers)
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(open_session())
            before = await self._read_stored()
            balances = await read_balances(session, replicas[0], demo.residents)
            proxies = [
                await stack.enter_async_context(CuttingProxy(replica.target, CUT_SHARE, self._random))
                for replica in replicas
            ]
            patient = Patient(session, [proxy.base_url for proxy in proxies], self._random)
            saboteur = Saboteur(self._installation, replicas, patient, self._random)
            seconds = await self._load(demo, patient, saboteur, progress, told)
            if saboteur.failure is None:
                findings = await self._prove(session, saboteur.replicas, demo, before, balances)
            else:
                findings = [Finding("not_back", saboteur.failure)]
        return self._result(machine, seconds, patient, sum(proxy.cuts for proxy in proxies), saboteur.faults, findings)

    async def _load(
        self,
        demo: Demo,
        patient: Patient,
        saboteur: Saboteur,
        progress: Callable[[float], None],
        told: Callable[[Fault], None],
    ) -> float:
        """How long it took until the last answer was there, in seconds."""
        stop = asyncio.Event()
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for client in clients_of(demo, patient, self.journal, self._random):
                group.create_task(client.run(stop))
            sabotage = group.create_task(saboteur.run(self._ordeal.kills, self._ordeal.seconds, told))
            while not sabotage.done() or time.monotonic() < started + self._ordeal.seconds:
                await asyncio.sleep(PROGRESS_SECONDS)
                progress(time.monotonic() - started)
            patient.give_up_after(DRAIN_SECONDS_MAX)
            stop.set()
        return time.monotonic() - started

    async def _prove(
        self,
        session: aiohttp.ClientSession,
        replicas: Sequence[ServiceProcess],
        demo: Demo,
        before: Stored,
        balances: dict[int, int],
    ) -> list[Finding]:
        findings = findings_of(self.journal, before, await self._read_stored())
        expected = expected_balances(self.journal, balances)
        for replica in replicas:
            findings += balance_findings(expected, await read_balances(session, replica, demo.residents))
        verified = await asyncio.to_thread(self._installation.run, "verify")
        if verified.returncode != 0:
            said = (verified.stdout + verified.stderr).strip()
            findings.append(Finding("verify", f"`tanbi verify` ended with status {verified.returncode}:\n{said}"))
        return findings

    async def _read_stored(self) -> Stored:
        connection = await self._installation.connect()
        try:
            return await read_stored(connection)
        finally:
            await connection.close()

    def _result(
        self,
        machine: Machine,
        seconds: float,
        patient: Patient,
        cuts: int,
        faults: list[Fault],
        findings: list[Finding],
    ) -> CrashResult:
        journal = self.journal
        events, spendings = journal.events.values(), journal.spendings.values()
        self._installation.keep = self._ordeal.keep or bool(findings)
        return CrashResult(
            machine=machine,
            ordeal=self._ordeal,
            seconds=seconds,
            events={
                "sent": len(events),
                "acknowledged": sum(event.answers > 0 for event in events),
                "coins": sum(event.coins or 0 for event in events),
                "answers": sum(journal.outcomes.values()),
                "answers_duplicate": journal.outcomes["duplicate"],
                "known_only_by_a_duplicate": sum(event.answers > 0 and not event.credited for event in events),
            },
            redemptions={
                "sent": len(spendings),
                "acknowledged": sum(spending.redemption_id is not None for spending in spendings),
                "declined": sum(
                    spending.status is not None and spending.redemption_id is None for spending in spendings
                ),
                "coins": sum(spending.coins for spending in spendings if spending.redemption_id is not None),
                "answers_replayed": journal.replays,
            },
            requests={"sent": patient.sends, "repeated": patient.repeats, "broken": patient.broken},
            statuses={str(status): count for status, count in sorted(patient.statuses.items())},
            cuts=cuts,
            faults=faults,
            checks=["database", "balances over HTTP", "tanbi verify"],
            findings=findings,
            kept=str(self._installation.data_dir) if self._installation.keep else None,
        )


def clients_of(demo: Demo, patient: Patient, journal: Journal, random: Random) -> list[BinClient | Spender]:
    """Who puts load on the service: some bins of each algorithm, more than once each, and some phones.

    Raises UnreadableDemo where the demo has no bins of one algorithm, no residents or no merchants.
    """
    bins = [item for algorithm in Algorithm for item in demo.bins_with(algorithm)[:BINS_EACH_ALGORITHM]]
    algorithms = Counter(item.key.algorithm for item in bins)
    if len(algorithms) < len(Algorithm) or not demo.residents or not demo.merchant_ids:
        raise UnreadableDemo("The demo needs bins of both algorithms, residents and merchants.")
    clients: list[BinClient | Spender] = []
    for item in bins:
        clients += [BinClient(item, demo.residents, patient, journal, random)] * LANES_EACH_BIN
    return clients + [Spender(demo.residents, demo.merchant_ids, patient, journal, random)] * SPENDERS


async def read_balances(
    session: aiohttp.ClientSession, replica: ServiceProcess, residents: Sequence[DemoResident]
) -> dict[int, int]:
    """What the API tells each resident that they have, in coins. Raises aiohttp.ClientError."""
    balances = {}
    for resident in residents:
        url = f"http://{replica.target.authority}/v1/me"
        async with session.get(url, headers={"Authorization": f"Bearer {resident.token}"}) as response:
            response.raise_for_status()
            balances[resident.id] = (await response.json())["balance_coins"]
    return balances


async def run_crash(
    command: Path, ordeal: Ordeal, progress: Callable[[float], None], told: Callable[[Fault], None]
) -> CrashResult:
    """A whole run on a fresh installation."""
    with Installation(command) as installation:
        return await Run(installation, ordeal).run(progress, told)
