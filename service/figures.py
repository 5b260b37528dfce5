"""Metrics that are read from the database, whoever wrote there: grams, coins, the rate, how far folding is behind.

Each replica could read them, and all would say the same. So that a sum over replicas is not a multiple, only the
instance that holds the fold worker's lease exports them; the same snapshot that reads them tells who that is. They come
from folded sums, so they are as old as `tanbi_fold_lag_seconds` says.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import partial
from typing import Final

import sqlalchemy as sa
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import snapshot
from service.fleet.states_figures import FleetFigures, read_fleet_figures
from service.fleet.states_queries import Limits
from service.folding.queries import fold_lag_seconds, holds_lease
from service.indicator.rate import district_rates, gather_districts
from service.review.figures import ReviewFigures, read_review_figures
from service.webhooks.queries import overdue_seconds

STATEMENT_SECONDS_MAX: Final = 2

BOUNDED = sa.text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS_MAX}s'")

WEIGHED_GRAMS = sa.text("""
SELECT material.id, coalesce(weighed.grams, 0)::bigint AS grams, coalesce(weighed.held_grams, 0)::bigint AS held_grams
FROM material
LEFT JOIN (SELECT material_id, sum(grams) AS grams, sum(held_grams) AS held_grams
           FROM volume_month
           WHERE source = 'bin'
           GROUP BY material_id) AS weighed ON weighed.material_id = material.id
ORDER BY material.id
""")

# By kind, because a counter must not fall: what a reversal takes back is seen in what is outstanding.
COINS = sa.text("""
SELECT coalesce(sum(issued_coins) FILTER (WHERE kind = 'credit'), 0)::bigint AS issued,
       coalesce(sum(spent_coins) FILTER (WHERE kind = 'redemption'), 0)::bigint AS redeemed,
       coalesce(sum(issued_coins) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunded,
       coalesce(sum(issued_coins - spent_coins), 0)::bigint AS outstanding
FROM coin_volume
""")

IMBALANCE = sa.text("SELECT imbalance_coins FROM fold_position WHERE imbalance_at > '-infinity'")


@dataclass(frozen=True, slots=True)
class Figures:
    """What one snapshot of the database adds up to. Grams and coins are whole; a rate is a share of 1."""

    weighed_grams: Mapping[str, int]
    # Beside them: of drops that wait for a decision.
    held_grams: Mapping[str, int]
    issued_coins: int
    redeemed_coins: int
    outstanding_coins: int
    fold_lag_seconds: float
    # None until it was checked for the first time.
    imbalance_coins: int | None
    webhook_overdue_seconds: float
    rates: Mapping[str, Fraction]
    fleet: FleetFigures
    reviews: ReviewFigures

    def families(self) -> Iterable[Metric]:
        """As Prometheus is told."""
        weighed = CounterMetricFamily("tanbi_weighed_grams_total", "Grams weighed by bins", labels=["material"])
        for material_id, grams in self.weighed_grams.items():
            weighed.add_metric([material_id], grams)
        yield weighed
        held = GaugeMetricFamily("tanbi_held_grams", "Grams that no operator has decided on yet", labels=["material"])
        for material_id, grams in self.held_grams.items():
            held.add_metric([material_id], grams)
        yield held
        yield CounterMetricFamily("tanbi_coins_issued_total", "Coins credited for drops", value=self.issued_coins)
        yield CounterMetricFamily("tanbi_coins_redeemed_total", "Coins spent at merchants", value=self.redeemed_coins)
        yield GaugeMetricFamily("tanbi_coins_outstanding", "Coins in wallets", value=self.outstanding_coins)
        yield GaugeMetricFamily(
            "tanbi_fold_lag_seconds",
            "Age of the oldest event or decision that is not folded yet",
            value=self.fold_lag_seconds,
        )
        if self.imbalance_coins is not None:
            yield GaugeMetricFamily(
                "tanbi_ledger_imbalance_coins",
                "Coins in wallets that no transfer accounts for",
                value=self.imbalance_coins,
            )
        yield GaugeMetricFamily(
            "tanbi_webhook_overdue_seconds",
            "For how long the webhook that is most overdue has been due",
            value=self.webhook_overdue_seconds,
        )
        rate = GaugeMetricFamily(
            "tanbi_recycling_rate", "Recycling rate of the year so far, as a share of 1", labels=["area"]
        )
        for area_id, share in self.rates.items():
            rate.add_metric([area_id], float(share))
        yield rate
        yield from self.fleet.families()
        yield from self.reviews.families()


async def read_figures(
    engine: AsyncEngine, *, instance: str, today: date, formula_id: str, bin_limits: Limits, demo: bool
) -> Figures | None:
    """None where another instance exports them. `today` is the business day. One transaction that only reads."""
    async with snapshot(engine) as connection:
        await connection.execute(BOUNDED)
        if not await holds_lease(connection, instance=instance):
            return None
        coins = (await connection.execute(COINS)).one()
        weighed = (await connection.execute(WEIGHED_GRAMS)).all()
        districts = await gather_districts(connection, formula_id, today)
        figures = partial(
            Figures,
            weighed_grams={row.id: row.grams for row in weighed},
            held_grams={row.id: row.held_grams for row in weighed},
            issued_coins=coins.issued,
            redeemed_coins=coins.redeemed,
            outstanding_coins=coins.outstanding,
            fold_lag_seconds=await fold_lag_seconds(connection),
            imbalance_coins=(await connection.execute(IMBALANCE)).scalar_one_or_none(),
            webhook_overdue_seconds=await overdue_seconds(connection, demo=demo),
            fleet=await read_fleet_figures(connection, bin_limits),
            reviews=await read_review_figures(connection),
        )
    # Of many inputs the better part of a second, in which bins would wait.
    return figures(rates=dict(await asyncio.to_thread(district_rates, districts)))
