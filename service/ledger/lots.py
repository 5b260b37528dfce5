"""What is left of the coins that came into a wallet, and when it expires: from transfers alone. Pure.

Each incoming transfer is a lot. Coins go out first in, first out; an expiry takes what is left of the lot it names. So
what is left of a wallet are its newest coins: of each lot those that did not expire, counted back from the newest lot
until they add up to what is posted. docs/decisions/0007 says why that is the same as playing all transfers in order.
"""

import bisect
import calendar
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from service.business_days import business_day, day_begins_at


class Entry(NamedTuple):
    """A transfer that came into a wallet, or an expiry: then `lot_id` is the transfer whose coins expired."""

    transfer_id: int
    coins: int
    at: datetime
    lot_id: int | None = None


class Lot(NamedTuple):
    """Coins that are left of one incoming transfer."""

    transfer_id: int
    coins: int
    earned_at: datetime
    # Held coins are the oldest, as they would be the next to go: of this lot none is held.
    free: bool


class Walk:
    """Goes back over a wallet's transfers, in pages as they are read, until all that is left is found."""

    def __init__(self, posted: int, held: int = 0) -> None:
        self._missing = posted
        self._free = posted - held
        self._expired: dict[int, int] = {}

    @property
    def over(self) -> bool:
        """All of the wallet's coins are found."""
        return self._missing <= 0

    def back(self, entries: Iterable[Entry]) -> list[Lot]:
        """The lots among the next older entries, the newest first, as the entries come."""
        lots: list[Lot] = []
        for entry in entries:
            if self.over:
                break
            if entry.lot_id is not None:
                # An expiry is younger than its lot, so it is met before.
                self._expired[entry.lot_id] = entry.coins
                continue
            left = min(entry.coins - self._expired.pop(entry.transfer_id, 0), self._missing)
            if left > 0:
                self._missing -= left
                self._free -= left
                lots.append(Lot(entry.transfer_id, left, entry.at, self._free >= 0))
        return lots


class CoinLife:
    """How long coins live, by when they were earned: each rule holds until the next. Before the first, for ever."""

    def __init__(self, rules: Iterable[tuple[datetime, int | None]], zone: str) -> None:
        """`rules` are (effective_from, months), None for ever; days end by the clock of `zone`."""
        self._rules: Sequence[tuple[datetime, int | None]] = sorted(rules, key=_effective_from)
        self._zone = zone

    @property
    def ends(self) -> bool:
        """Some coins may expire."""
        return any(months is not None for _, months in self._rules)

    def expires_at(self, earned_at: datetime) -> datetime | None:
        """The first moment at which coins earned then are no longer good; None for coins that never expire."""
        found = bisect.bisect_right(self._rules, earned_at, key=_effective_from)
        months = self._rules[found - 1][1] if found else None
        if months is None:
            return None
        last_day = months_later(business_day(earned_at, self._zone), months)
        return day_begins_at(last_day + timedelta(days=1), self._zone)


def months_later(day: date, months: int) -> date:
    """The same day so many months on, or the last of its month where that month is too short."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _effective_from(rule: tuple[datetime, int | None]) -> datetime:
    return rule[0]
