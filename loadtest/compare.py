"""The service side by side with what it is compared with: rounds, ratios, verdicts.

In each round every subject is measured in turn, from a fresh database, by the same generator on the same machine; a
ratio is taken within a round, so that a machine that is slower for a while slows both of its sides. What counts is the
median of the rounds. Sides that a subject has within itself are measured by turns (turns.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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
from loadtest.redemption_measures import measure_redemption_commits, measure_redemptions, measure_statements
from loadtest.rows import DONE, Row, RowName
from loadtest.rule_measures import measure_rules
from loadtest.ruling import set_rules
from loadtest.subject import Bench, Effort, Measure, Measures, plant_fleets

ROUNDS_MIN = 3
# One database for all: whether everything runs does not hang on how fresh it is.
QUICK = Effort(
    seconds=0.08,
    warm_up_seconds=0.05,
    warm_up_requests=1_000,
    warm_up_batches=20,
    residents=50,
    memory_events=(1_000, 3_000),
    rest_seconds=0,
    copy_rows=1_000,
    workers=1,
    redeemers=200,
    merchants=20,
    statement_transfers=(100, 2_000),
    slices=1,
    fresh=False,
)


class Measuring(Protocol):
    """One subject: puts load on a service of the bench's, gives its figures by name. Raises CannotStart."""

    def __call__(self, bench: Bench, seed: int) -> Measures: ...


# In this order in each round: what is divided by each other stands close together.
SUBJECTS: dict[str, Measuring] = {
    "bare": measure_bare,
    "single": measure_single,
    "transactions": measure_transactions,
    "batches": measure_batches,
    "copy": measure_copy,
    "ed25519": measure_ed25519,
    "memory": measure_memory,
    "rules": measure_rules,
    "redemptions": measure_redemptions,
    "redemption_commits": measure_redemption_commits,
    "statements": measure_statements,
}


@dataclass(frozen=True, slots=True)
class RatioResult:
    """One row as measured. `verdict` is None where there were too few rounds or too little effort for one, or where the
    row has no bar."""

    name: RowName
    title: str
    bar: float | None
    aim: float | None
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
        fleets = uvloop.run(plant_fleets(template))
        # Every subject has the rules of a city, unless it says otherwise.
        set_rules(template, asked=True)
        postgres = uvloop.run(template.server_version())
        bench = Bench(template, demo, fleets, effort)
        for number in range(rounds):
            results.append({})
            for place, name in enumerate(subjects):
                step = number * len(subjects) + place
                began(step)
                # Its own seed each time: ids are drawn from it.
                figures = SUBJECTS[name](bench, seed + step)
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
