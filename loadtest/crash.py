"""Proof that nothing is lost: load on several processes of the service while they and PostgreSQL are killed.

Bins post, residents spend, machines hold and capture, or void, or fall silent, and merchants refund, all through
proxies that cut connections between COMMIT and reply; they send the same again until they have an answer, a part of it
to two processes at the same moment. At the end the database, the API and `tanbi verify` must agree with what they were
told.
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

from loadtest.clients import clients_of, terms_of
from loadtest.cutting import CuttingProxy
from loadtest.demo import Demo, DemoResident, read_demo
from loadtest.faults import Fault, Saboteur
from loadtest.findings import Finding
from loadtest.installation import Installation, ServiceProcess
from loadtest.journal import Journal, Phase
from loadtest.machine import Machine, this_machine
from loadtest.patience import Patient, open_session
from loadtest.proof import balance_findings, expected_balances, findings_of
from loadtest.redeemers import sleep_until
from loadtest.redemption_proof import lives_of
from loadtest.ruling import set_rules
from loadtest.stored import Stored, read_stored

RESIDENTS = 40
CUT_SHARE = 0.02
SET_TERMS = "UPDATE merchant SET hold_seconds = $2, capture_grace_seconds = $3 WHERE id = $1"
SWEPT_SECONDS_MAX = 15.0
DRAIN_SECONDS_MAX = 60.0
PROGRESS_SECONDS = 0.5
POLL_SECONDS = 0.05


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
class PhaseCounts:
    """The calls of one phase, each counted once: `sent`, of these `done` and `declined`; `replayed`, how many answers
    were heard again; `repeated` and `broken` requests; `kills` while such calls were under way."""

    phase: Phase
    sent: int
    done: int
    declined: int
    replayed: int
    repeated: int
    broken: int
    kills: int


@dataclass(frozen=True, slots=True)
class CrashResult:
    """One run.

    - `seconds`: from the first request until every answer was there.
    - `events`, `redemptions`: how many were sent, granted and so on, each counted once.
    - `phases`: of the calls about redemptions, by phase.
    - `declines`: how many calls were declined, by phase and code.
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
    phases: list[PhaseCounts]
    declines: dict[str, int]
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
        await asyncio.to_thread(set_rules, self._installation, asked=True)
        await asyncio.to_thread(demo_process.stop)
        demo = read_demo(self._installation.demo_json)
        replicas = [self._installation.serve() for _ in range(self._ordeal.replicas)]
        for replica in replicas:
            await asyncio.to_thread(replica.wait_until_it_answers)
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(open_session())
            await self._set_terms(demo)
            before = await self._read_stored()
            balances = await read_balances(session, replicas[0], demo.residents)
            proxies = [
                await stack.enter_async_context(CuttingProxy(replica.target, CUT_SHARE, self._random))
                for replica in replicas
            ]
            patient = Patient(session, [proxy.base_url for proxy in proxies], self._random)
            saboteur = Saboteur(self._installation, replicas, patient, self._random, list(Phase))
            seconds = await self._load(demo, patient, saboteur, progress, told)
            after = Stored()
            if saboteur.failure is None:
                findings, after = await self._prove(session, saboteur.replicas, demo, before, balances)
            else:
                findings = [Finding("not_back", saboteur.failure)]
        cuts = sum(proxy.cuts for proxy in proxies)
        return self._result(machine, seconds, patient, cuts, saboteur.faults, findings, after)

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
        balances: dict[int, tuple[int, int]],
    ) -> tuple[list[Finding], Stored]:
        """What is not as it must be, and what is stored."""
        await self._until_no_hold_lasts()
        # Before anything else: the sweeper may not have come yet.
        told = [await read_balances(session, replica, demo.residents) for replica in replicas]
        await self._until_swept()
        verifying = asyncio.create_task(asyncio.to_thread(self._installation.run, "verify"))
        after = await self._read_stored()
        findings = findings_of(self.journal, before, after)
        expected = expected_balances(self.journal, {owner: coins for owner, (coins, _) in balances.items()}, after)
        for each in told:
            findings += balance_findings(expected, each)
        verified = await verifying
        if verified.returncode != 0:
            said = (verified.stdout + verified.stderr).strip()
            findings.append(Finding("verify", f"`tanbi verify` ended with status {verified.returncode}:\n{said}"))
        return findings, after

    async def _set_terms(self, demo: Demo) -> None:
        connection = await self._installation.connect()
        try:
            for merchant_id, terms in terms_of(demo).items():
                await connection.execute(SET_TERMS, merchant_id, terms.hold_seconds, terms.grace_seconds)
        finally:
            await connection.close()

    async def _until_no_hold_lasts(self) -> None:
        ends = [call.expires_at or 0 for call in self.journal.calls.values()]
        await sleep_until(max(ends, default=0))

    async def _until_swept(self) -> None:
        """Return when no hold is open, or when the sweeper had time enough."""
        deadline = time.monotonic() + SWEPT_SECONDS_MAX
        connection = await self._installation.connect()
        try:
            while time.monotonic() < deadline:
                if not await connection.fetchval("SELECT count(*) FROM hold"):
                    return
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await connection.close()

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
        after: Stored,
    ) -> CrashResult:
        journal = self.journal
        events, calls = journal.events.values(), journal.calls.values()
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
            redemptions=counts_of_lives(journal, after),
            phases=[phase_counts(phase, journal, patient, faults) for phase in Phase],
            declines=dict(Counter(f"{call.phase} {call.declined_as}" for call in calls if call.declined_as)),
            requests={
                "sent": patient.sends.total(),
                "repeated": patient.repeats.total(),
                "broken": patient.broken.total(),
            },
            statuses={str(status): count for status, count in sorted(patient.statuses.items())},
            cuts=cuts,
            faults=faults,
            checks=["database", "kept answers", "balances over HTTP", "tanbi verify"],
            findings=findings,
            kept=str(self._installation.data_dir) if self._installation.keep else None,
        )


def counts_of_lives(journal: Journal, after: Stored) -> dict[str, int]:
    """What became of the redemptions that were granted, as callers were told; what the scheme covered, as stored."""
    lives = lives_of(journal).values()
    at_once = [life for life in lives if life.grant.phase is Phase.REDEEM]
    return {
        "at_once": len(at_once),
        "held": len(lives) - len(at_once),
        "captured": sum(bool(life.captures) for life in lives),
        "captured_late": sum(
            (call.answered_at or 0) >= (life.grant.expires_at or 0) for life in lives for call in life.captures
        ),
        "captured_too_late": sum(bool(life.too_late) for life in lives),
        "voided": sum(bool(life.voids) for life in lives),
        "expired": len(lives) - len(at_once) - sum(bool(life.captures or life.voids) for life in lives),
        "refunded": sum(bool(life.refunds) for life in lives),
        "captured_coins": sum(sum(life.captured) for life in lives),
        "refunded_coins": sum(sum(life.refunded) for life in lives),
        "covered_coins": sum(sum(after.coins_moved(redemption_id, "cover")) for redemption_id in after.moves),
    }


def phase_counts(phase: Phase, journal: Journal, patient: Patient, faults: Sequence[Fault]) -> PhaseCounts:
    """The calls of one phase."""
    calls = [call for call in journal.calls.values() if call.phase is phase]
    return PhaseCounts(
        phase=phase,
        sent=len(calls),
        done=sum(call.done for call in calls),
        declined=sum(call.declined_as is not None for call in calls),
        replayed=journal.replays[phase],
        repeated=patient.repeats[phase],
        broken=patient.broken[phase],
        kills=sum(fault.under_way.get(phase, 0) > 0 for fault in faults),
    )


async def read_balances(
    session: aiohttp.ClientSession, replica: ServiceProcess, residents: Sequence[DemoResident]
) -> dict[int, tuple[int, int]]:
    """What the API tells each resident that they have, and that is held of theirs, in coins. Raises
    aiohttp.ClientError."""
    balances = {}
    for resident in residents:
        url = f"http://{replica.target.authority}/v1/me"
        async with session.get(url, headers={"Authorization": f"Bearer {resident.token}"}) as response:
            response.raise_for_status()
            me = await response.json()
            balances[resident.id] = (me["balance_coins"], me["held_coins"])
    return balances


async def run_crash(
    command: Path, ordeal: Ordeal, progress: Callable[[float], None], told: Callable[[Fault], None]
) -> CrashResult:
    """A whole run on a fresh installation."""
    with Installation(command) as installation:
        return await Run(installation, ordeal).run(progress, told)
