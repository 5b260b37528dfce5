"""The service side by side with what it is compared with: rounds, ratios, verdicts.

In each round every subject is measured in turn, from a fresh database, by the same generator on the same machine; a
ratio is taken within a round, so that a machine that is slower for a while slows both of its sides. What counts is the
median of the rounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Protocol

import uvloop

from loadtest.installation import Installation
from loadtest.machine import Machine, this_machine
from loadtest.measures import (
    measure_bare,
    measure_batches,
    measure_copy,
    measure_ed25519,
    measure_memory,
    measure_single,
    measure_transactions,
)
from loadtest.subject import Effort, Measure, Measures

ROUNDS_MIN = 3
QUICK = Effort(seconds=0.3, warm_up_seconds=0.2, residents=50, memory_events=(1_000, 3_000), copy_rows=1_000, workers=1)


class Measuring(Protocol):
    """One subject: starts from a copy of the template's database, gives its figures by name. Raises CannotStart."""

    def __call__(self, template: Installation, effort: Effort, seed: int) -> Measures: ...


# In this order in each round: what is divided by each other stands close together.
SUBJECTS: dict[str, Measuring] = {
    "bare": measure_bare,
    "single": measure_single,
    "transactions": measure_transactions,
    "batches": measure_batches,
    "copy": measure_copy,
    "ed25519": measure_ed25519,
    "memory": measure_memory,
}


class RowName(StrEnum):
    """The rows of the table, as --only names them."""

    BARE = "bare"
    TRANSACTIONS = "transactions"
    BATCHES = "batches"
    COPY = "copy"
    LATENCY = "latency"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Row:
    """A ratio of two figures with its bar and its aim; `more` says whether more is better."""

    name: RowName
    title: str
    over: str
    under: str
    bar: float
    aim: float
    more: bool
    subjects: tuple[str, ...]

    def verdict(self, ratio: float) -> str:
        """`aim met`, `bar met` or `missed`."""
        for word, wanted in (("aim met", self.aim), ("bar met", self.bar)):
            if (ratio >= wanted) if self.more else (ratio <= wanted):
                return word
        return "missed"


# Issue 2, "Speed".
ROWS = (
    Row(
        name=RowName.BARE,
        title="one event a request, HMAC ÷ bare aiohttp handler",
        over="single",
        under="bare",
        bar=0.33,
        aim=0.5,
        more=True,
        subjects=("bare", "single", "ed25519"),
    ),
    Row(
        name=RowName.TRANSACTIONS,
        title="one event a request, HMAC ÷ one transaction an event",
        over="single",
        under="transactions",
        bar=2.8,
        aim=4,
        more=True,
        subjects=("single", "transactions"),
    ),
    Row(
        name=RowName.BATCHES,
        title="batches of 100 ÷ one transaction an event",
        over="batches",
        under="transactions",
        bar=9,
        aim=12,
        more=True,
        subjects=("batches", "transactions"),
    ),
    Row(
        name=RowName.COPY,
        title="batches of 100 ÷ COPY of the same rows",
        over="batches",
        under="copy",
        bar=0.11,
        aim=0.2,
        more=True,
        subjects=("batches", "copy"),
    ),
    Row(
        name=RowName.LATENCY,
        title="p99 at half of the highest rate ÷ median of a lone request",
        over="half_rate",
        under="lone",
        bar=25,
        aim=10,
        more=False,
        subjects=("single",),
    ),
    Row(
        name=RowName.MEMORY,
        title="resident memory after the last events ÷ after the first",
        over="memory_late",
        under="memory_early",
        bar=1.3,
        aim=1.1,
        more=False,
        subjects=("memory",),
    ),
)

# What each figure is; the report says it, so that nobody has to read the code to know what was compared.
DONE = {
    "bare": "aiohttp on uvloop, one process: reads the body, answers a constant; 128 in flight, HMAC-signed requests",
    "single": "one HMAC-signed event a request, 128 in flight, answered after a durable commit",
    "single_16": "the same, 16 in flight",
    "lone": "the same, 1 in flight: median latency",
    "half_rate": "the same in an open loop at half of the highest rate of this round: p99 from the intended start",
    "ed25519": "one Ed25519-signed event a request, 128 in flight",
    "batches": "100 events a request, HMAC, 16 in flight",
    "transactions": "no HTTP, 16 connections: BEGIN; the service's statement with arrays of one; COMMIT. Generic plan, "
    "synchronous_commit on, the service paused; the client is this process on uvloop and asyncpg",
    "statements": "the same without BEGIN and COMMIT: the statement commits by itself, one round trip an event",
    "copy": "no HTTP, one connection: COPY in binary of the rows of weigh_event into an empty table with its primary "
    "key, committed durably; the service paused",
    "memory_early": "resident memory of the service's processes after the first events, in batches of 100",
    "memory_late": "the same after the last events",
}


@dataclass(frozen=True, slots=True)
class RatioResult:
    """One row as measured. `verdict` is None where there were too few rounds or too little effort for one."""

    name: RowName
    title: str
    bar: float
    aim: float
    more_is_better: bool
    ratio: float
    ratios: list[float]
    verdict: str | None


@dataclass(frozen=True, slots=True)
class FigureResult:
    """One figure: the median and every round's value, what was done, and what makes a round doubtful.

    `generator_cpu_share` is that of its busiest round, `generator_was_the_limit` counts the rounds in which it was.
    """

    name: str
    done: str
    unit: str
    value: float
    values: list[float]
    generator_cpu_share: float | None
    generator_was_the_limit: int
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A whole run. `rounds` holds every record that the figures come from."""

    machine: Machine
    postgres: str
    effort: Effort
    rows: list[RatioResult]
    figures: list[FigureResult]
    rounds: list[dict[str, Measure]]

    def as_json(self) -> dict[str, object]:
        """The record as `json.dumps` takes it."""
        return asdict(self)


def subjects_of(rows: Sequence[Row]) -> list[str]:
    """What has to be measured for these rows, in the order of a round."""
    needed = {name for row in rows for name in row.subjects}
    return [name for name in SUBJECTS if name in needed]


def compare(
    command: Path,
    *,
    rounds: int,
    effort: Effort,
    rows: Sequence[Row],
    judged: bool,
    seed: int,
    began: Callable[[int], None],
    measured: Callable[[int, str, Measure], None],
) -> Comparison:
    """Measure what the rows need, `rounds` times.

    `began` hears the number of the step (from 0), `measured` each figure of a round (from 1). Raises
    CannotStart, NoDatabase, OSError, UnreadableDemo and what the loops raise.
    """
    machine = this_machine()
    subjects = subjects_of(rows)
    results: list[Measures] = []
    with Installation(command) as template:
        demo = template.demo(effort.residents)
        postgres = uvloop.run(template.server_version())
        demo.stop()
        for number in range(rounds):
            results.append({})
            for place, name in enumerate(subjects):
                step = number * len(subjects) + place
                began(step)
                # Its own seed each time: ids are drawn from it.
                figures = SUBJECTS[name](template, effort, seed + step)
                results[-1] |= figures
                for figure, measure in figures.items():
                    measured(number + 1, figure, measure)
    return Comparison(
        machine=machine,
        postgres=postgres,
        effort=effort,
        rows=[ratio_of(row, results, judged=judged and rounds >= ROUNDS_MIN) for row in rows],
        figures=[figure_of(name, [result[name] for result in results]) for name in DONE if name in results[0]],
        rounds=results,
    )


def ratio_of(row: Row, rounds: Sequence[Measures], *, judged: bool) -> RatioResult:
    """A row's median over the rounds, and its verdict where it is `judged`."""
    ratios = [figures[row.over].value / figures[row.under].value for figures in rounds]
    ratio = median(ratios)
    verdict = row.verdict(ratio) if judged else None
    return RatioResult(row.name, row.title, row.bar, row.aim, row.more, ratio, ratios, verdict)


def figure_of(name: str, measures: Sequence[Measure]) -> FigureResult:
    """A figure's median over the rounds, with what any of them has to say."""
    shares = [measure.generator_cpu_share for measure in measures if measure.generator_cpu_share is not None]
    return FigureResult(
        name=name,
        done=DONE[name],
        unit=measures[0].unit,
        value=median(measure.value for measure in measures),
        values=[measure.value for measure in measures],
        generator_cpu_share=max(shares, default=None),
        generator_was_the_limit=sum(bool(measure.generator_was_the_limit) for measure in measures),
        notes=list(dict.fromkeys(note for measure in measures for note in measure.notes)),
    )
