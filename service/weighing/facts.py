"""What is known when a batch of weigh events is decided: read at one moment, and changed by the decisions."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

import asyncpg
from pydantic_core import from_json

from service.plausibility.bin_memory import BinMemory
from service.plausibility.drop import AccountDay, AccountKind, BinFacts
from service.plausibility.sequences import Gap

Key: TypeAlias = tuple[str, str]
# Zones differ from UTC by whole quarters of an hour, so a day never begins within one.
QUARTER_SECONDS: Final = 900
QUARTERS_REMEMBERED_MAX: Final = 4096


class Shown(NamedTuple):
    """Whose credential was shown, and from when on it is theirs, in Unix seconds."""

    resident_id: int
    kind: AccountKind
    counts_from: float


class Stored(NamedTuple):
    """What is stored under an id. `coins` were credited to the resident, whose available coins were so many before this
    batch."""

    content_digest: bytes
    outcome: str
    code: str | None
    coins: int
    resident_id: int | None
    balance_coins: int | None


@dataclass(slots=True)
class BinState:
    """A bin as it is, and as it is remembered."""

    active: bool
    scale: BinFacts
    memory: BinMemory
    site_id: str
    # Unix seconds. Before that it stood elsewhere: `sites` are (since, site) in the order of time, read where needed.
    placed_at: float
    sites: Sequence[tuple[float, str]] = ()
    # Of its memory: another one when that has been written.
    version: int = 0

    def site_at(self, when: float) -> str:
        """Where it stood; at a time before its first placement, where it was placed first."""
        if when >= self.placed_at or not self.sites:
            return self.site_id
        found = bisect.bisect_right(self.sites, when, key=_since)
        return self.sites[max(found - 1, 0)][1]


@dataclass(slots=True)
class Facts:
    """By bin, credential digest, (bin, event id) and (resident, day). A day that is missing had no drop yet."""

    now: float
    bins: dict[str, BinState]
    shown: dict[bytes, Shown]
    stored: dict[Key, Stored] = field(default_factory=dict)
    days: dict[tuple[int, date], AccountDay] = field(default_factory=dict)
    # Of wallets, by resident: another one when the wallet, or one of its days, has been written.
    versions: dict[int, int] = field(default_factory=dict)

    def owner_of(self, credential_digest: bytes | None, occurred_at: float) -> Shown | None:
        """Whose drop it is; None where no credential was shown, or it was nobody's at that time."""
        if credential_digest is None:
            return None
        shown = self.shown.get(credential_digest)
        return shown if shown is not None and occurred_at >= shown.counts_from else None


class Days:
    """Business days of Unix seconds."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._by_quarter: dict[int, date] = {}

    def of(self, when: float) -> date:
        """The day that this moment falls on."""
        quarter = int(when // QUARTER_SECONDS)
        day = self._by_quarter.get(quarter)
        if day is None:
            if len(self._by_quarter) >= QUARTERS_REMEMBERED_MAX:
                self._by_quarter.clear()
            day = datetime.fromtimestamp(quarter * QUARTER_SECONDS, self._zone).date()
            self._by_quarter[quarter] = day
        return day


def bin_state(row: asyncpg.Record, certificate_ends_at: float) -> BinState:
    """Of a row of queries.READ."""
    serviced_at, gaps, sites = row["serviced_at"], row["gaps"], row["sites"]
    return BinState(
        active=row["state"] == "active",
        scale=BinFacts(
            row["verification_interval_grams"],
            row["capacity_grams"],
            row["box_capacity_grams"],
            certificate_ends_at,
            float("-inf") if serviced_at is None else serviced_at,
        ),
        memory=BinMemory(
            row["epoch"],
            row["sequence"],
            row["sequence_at"],
            [] if gaps is None else [Gap(*gap) for gap in from_json(gaps)],
            from_json(row["boxes"]),
            from_json(row["hours"]),
            from_json(row["counts"]),
        ),
        site_id=row["site_id"],
        placed_at=row["placed_at"],
        sites=() if sites is None else [(since, site_id) for since, site_id in from_json(sites)],
        version=row["version"],
    )


def _since(placement: tuple[float, str]) -> float:
    return placement[0]
