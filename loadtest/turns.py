"""Sides that are measured by turns, in slices: a machine that is slower for a while, and tables that grow, are then the
same for each."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

import uvloop

from loadtest.closed import run_closed
from loadtest.requests import Prepared
from loadtest.result import LoadResult
from loadtest.subject import SPARE, Effort, Measure, Subject, doubts_of
from loadtest.target import Target

# About 400 bytes each, all of them in memory.
REQUESTS_MAX = 200_000


@dataclass(slots=True)
class Side:
    """One side: `render` makes so many requests to `target`, which should be answered with `status`. `subject` is whose
    CPU is watched; None for a target that is none of the service's."""

    target: Target
    render: Callable[[int], Prepared]
    in_flight: int
    status: str
    subject: Subject | None
    # The most of the warm-up, where requests are not of the usual size.
    warm_up_requests: int | None = None
    rate: float = 0.0
    results: list[LoadResult] = field(default_factory=list)
    cpu_shares: list[tuple[float, float]] = field(default_factory=list)

    def warm_up(self, effort: Effort) -> None:
        """Load that is not measured, and that tells how many requests a slice takes."""
        self.rate = self._load(
            self.warm_up_requests or effort.warm_up_requests, effort.warm_up_seconds
        ).requests_per_second

    def slice(self, seconds: float) -> None:
        """Measure for so long."""
        count = math.ceil(self.rate * seconds * SPARE) + 1
        if self.subject is None:
            result = self._load(count, seconds)
        else:
            result, *shares = self.subject.watched(lambda: self._load(count, seconds))
            self.cpu_shares.append((shares[0], shares[1]))
        self.results.append(result)
        self.rate = max(self.rate, result.requests_per_second)

    def measure(
        self,
        unit: str,
        value: Callable[[LoadResult], float],
        notes_of: Callable[[LoadResult], list[str]] | None = None,
    ) -> Measure:
        """The median of the slices, with what any of them has to say: `notes_of`, or what is doubtful in any run."""
        notes = [
            note
            for result in self.results
            for note in (doubts_of(result, self.status) if notes_of is None else notes_of(result))
        ]
        return Measure(
            value=median(value(result) for result in self.results),
            unit=unit,
            generator_cpu_share=max(result.generator_cpu_share for result in self.results),
            generator_was_the_limit=any(result.generator_was_the_limit for result in self.results),
            notes=list(dict.fromkeys(notes)),
            service_cpu_share=fmean(share for share, _ in self.cpu_shares) if self.cpu_shares else None,
            database_cpu_share=fmean(share for _, share in self.cpu_shares) if self.cpu_shares else None,
            detail={"slices": [result.as_json() for result in self.results]},
        )

    def _load(self, count: int, seconds: float) -> LoadResult:
        prepared = self.render(min(count, REQUESTS_MAX))
        return uvloop.run(run_closed(self.target, prepared, connections=self.in_flight, seconds_max=seconds))


def by_turns(sides: Sequence[Side], effort: Effort) -> None:
    """Warm each side up, then measure them in slices: there, and back again."""
    for side in sides:
        side.warm_up(effort)
    for number in range(effort.slices):
        for side in sides if number % 2 == 0 else reversed(sides):
            side.slice(effort.seconds / effort.slices)
