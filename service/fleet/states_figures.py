"""The fleet in numbers, for metrics: bins by state, and alarms by kind."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, get_args

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.fleet import BinLifeState
from service.fleet.alarms import AlarmKind
from service.fleet.gaps import count_open_gaps
from service.fleet.states_queries import Limits, count_bins, count_open_alarms

# Of the literal that is annotated.
STATES: Final[tuple[str, ...]] = get_args(get_args(BinLifeState)[0])


@dataclass(frozen=True, slots=True)
class FleetFigures:
    """Bins by state, and alarms by kind: every one of both, also where there is none."""

    bins: Mapping[str, int]
    offline: int
    wanting_emptying: int
    open_alarms: Mapping[str, int]
    open_gaps: int

    def families(self) -> Iterable[Metric]:
        """As Prometheus is told."""
        bins = GaugeMetricFamily("tanbi_bins", "Bins by state", labels=["state"])
        for state, count in self.bins.items():
            bins.add_metric([state], count)
        yield bins
        yield GaugeMetricFamily("tanbi_bins_offline", "Bins in the field that were not heard of", value=self.offline)
        yield GaugeMetricFamily(
            "tanbi_bins_wanting_emptying", "Bins in the field with a box that is full", value=self.wanting_emptying
        )
        alarms = GaugeMetricFamily("tanbi_bin_alarms_open", "Alarms of bins that are open", labels=["kind"])
        for kind, count in self.open_alarms.items():
            alarms.add_metric([kind], count)
        yield alarms
        yield GaugeMetricFamily(
            "tanbi_sequence_gaps_open", "Gaps in the counts of bins that are open", value=self.open_gaps
        )


async def read_fleet_figures(connection: AsyncConnection, limits: Limits) -> FleetFigures:
    found = {row.state: row for row in await count_bins(connection, limits)}
    open_alarms = await count_open_alarms(connection)
    return FleetFigures(
        bins={state: found[state].bins if state in found else 0 for state in STATES},
        offline=sum(row.offline for row in found.values()),
        wanting_emptying=sum(row.wanting_emptying for row in found.values()),
        open_alarms={kind.value: open_alarms.get(kind, 0) for kind in AlarmKind},
        open_gaps=await count_open_gaps(connection),
    )
