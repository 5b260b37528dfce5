"""What the demo reads off while it runs: the service's metrics, its database, and the indicator over HTTP."""

import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import aiohttp
from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry

from service.db import is_retryable, transaction
from service.demo import nankai
from service.demo.queries import read_concerns
from service.figures import COINS
from service.folding.queries import fold_lag_seconds
from service.keys import ENGINE, METRICS, SETTINGS

# The pace that is shown is that of so many last readings.
PACE_READINGS: Final = 6


@dataclass(frozen=True, slots=True)
class Rate:
    """The district's rate; `percent` is None where the service says why there is none."""

    period: str
    percent: Decimal | None
    target_percent: Decimal | None


@dataclass(frozen=True, slots=True)
class Reading:
    """Events and redemptions are those of this run; all else is of all runs on this data."""

    outcomes: dict[str, int]
    events_per_second: float
    redemptions: dict[str, int]
    issued_coins: int
    redeemed_coins: int
    refunded_coins: int
    outstanding_coins: int
    # Held drops that wait for an operator.
    reviews: int
    alarms: int
    # Events of bins that never came, in so many gaps.
    gaps: int
    fold_lag_seconds: float
    rate: Rate | None

    @property
    def events(self) -> int:
        return sum(self.outcomes.values())

    @property
    def other_coins(self) -> int:
        """What else moved coins into wallets, or out of them where it is below 0: corrections, expiry, late captures
        that the scheme made up."""
        return self.outstanding_coins - (self.issued_coins - self.redeemed_coins + self.refunded_coins)

    @property
    def captured(self) -> int:
        return self.redemptions.get("captured", 0)

    @property
    def declined(self) -> int:
        return sum(self.redemptions.values()) - self.captured


class Meter:
    """Reads what the summary shows, from a service that runs in this process."""

    def __init__(self, app: web.Application, session: aiohttp.ClientSession, base_url: str, operator_key: str) -> None:
        self._app = app
        self._session = session
        self._base_url = base_url
        self._headers = {hdrs.AUTHORIZATION: f"Bearer {operator_key}"}
        self._seen: deque[tuple[float, int]] = deque(maxlen=PACE_READINGS)

    async def read(self) -> Reading | None:
        """None while the service or its database cannot answer."""
        try:
            return await self._read()
        except Exception as error:
            if isinstance(error, aiohttp.ClientError | TimeoutError) or is_retryable(error):
                return None
            raise

    async def _read(self) -> Reading:
        async with transaction(self._app[ENGINE]) as connection:
            coins = (await connection.execute(COINS)).one()
            concerns = await read_concerns(connection)
            lag = await fold_lag_seconds(connection)
        registry = self._app[METRICS].registry
        outcomes = _counts(registry, "tanbi_weigh_events_total")
        self._seen.append((time.monotonic(), sum(outcomes.values())))
        (began, first), (now, last) = self._seen[0], self._seen[-1]
        return Reading(
            outcomes=outcomes,
            events_per_second=(last - first) / (now - began) if now > began else 0.0,
            redemptions=_counts(registry, "tanbi_redemptions_total"),
            issued_coins=coins.issued,
            redeemed_coins=coins.redeemed,
            refunded_coins=coins.refunded,
            outstanding_coins=coins.outstanding,
            reviews=concerns.reviews,
            alarms=concerns.alarms,
            gaps=concerns.gaps,
            fold_lag_seconds=lag,
            rate=await self._rate(),
        )

    async def _rate(self) -> Rate | None:
        """Of the district in this year, by the service's own calendar; None where the answer is a problem."""
        today = datetime.now(ZoneInfo(self._app[SETTINGS].business_timezone)).date()
        url = f"{self._base_url}/v1/indicator/recycling-rate"
        wanted = {"area": nankai.DISTRICT[0], "period": f"{today.year}-ytd"}
        async with self._session.get(url, params=wanted, headers=self._headers) as response:
            if not response.ok:
                return None
            answer: dict[str, Any] = await response.json()
        target = answer["target"]
        return Rate(
            period=answer["period"],
            percent=None if answer["rate"] is None else Decimal(answer["rate"]) * 100,
            target_percent=None if target is None else Decimal(target["rate_percent"]),
        )


def _counts(registry: CollectorRegistry, counter: str) -> dict[str, int]:
    """A counter's values by `outcome`."""
    return {
        sample.labels["outcome"]: int(sample.value)
        for family in registry.restricted_registry([counter]).collect()
        for sample in family.samples
        if sample.name == counter
    }
