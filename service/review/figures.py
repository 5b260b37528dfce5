"""The queue of reviews in numbers, for metrics: what waits, by rule, and for how long."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.outcome_codes import OutcomeCode
from service.plausibility.rules import RULES

OF_CLEARANCES: Final = frozenset(rule.code for rule in RULES.values() if rule.of == "clearance")
HOLDING: Final = tuple(code.value for code in OutcomeCode if code.outcome == "held" and code not in OF_CLEARANCES)

# A drop that was appealed against waits from its appeal on.
WAITING = sa.text("""
SELECT coalesce(event.code, findings -> 0 ->> 'code') AS code, count(*) AS reviews,
       extract(epoch FROM max(clock_timestamp() - coalesce(appealed_at, held_at)))::float8 AS seconds
FROM held_event
JOIN weigh_event AS event USING (bin_id, event_id)
WHERE state IN ('open', 'appealed')
GROUP BY 1
""")


@dataclass(frozen=True, slots=True)
class ReviewFigures:
    """Reviews that wait by the rule that held them, every rule that holds drops also where it has none; the age of
    the oldest, 0 where none waits."""

    waiting: Mapping[str, int]
    oldest_seconds: float

    def families(self) -> Iterable[Metric]:
        """As Prometheus is told."""
        waiting = GaugeMetricFamily("tanbi_reviews_waiting", "Held drops that wait for an operator", labels=["code"])
        for code, reviews in self.waiting.items():
            waiting.add_metric([code], reviews)
        yield waiting
        yield GaugeMetricFamily(
            "tanbi_review_oldest_seconds", "For how long the oldest of them has waited", value=self.oldest_seconds
        )


async def read_review_figures(connection: AsyncConnection) -> ReviewFigures:
    found = (await connection.execute(WAITING)).all()
    return ReviewFigures(
        waiting=dict.fromkeys(HOLDING, 0) | {row.code: row.reviews for row in found},
        oldest_seconds=max((row.seconds for row in found), default=0.0),
    )
