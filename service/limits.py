"""Which limit on spending was in force when: pure, so that rules can use it."""

import bisect
from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

LimitKind: TypeAlias = Literal["redemption", "resident_day", "merchant_day"]


class LimitRow(NamedTuple):
    """A limit as it was set. `merchant_id` None: of every merchant that has none of its own. `coins` None: no limit."""

    kind: LimitKind
    merchant_id: str | None
    effective_from: datetime
    coins: int | None


class Limits:
    """The most coins of one redemption, of a resident's business day and of a merchant's; each limit is in force until
    the next of its kind and merchant."""

    def __init__(self, rows: Iterable[LimitRow]) -> None:
        """`rows` in the order they were written: of two that begin at the same moment the later one holds."""
        self._rows: dict[tuple[LimitKind, str | None], list[LimitRow]] = {}
        for row in rows:
            self._rows.setdefault((row.kind, row.merchant_id), []).append(row)
        for periods in self._rows.values():
            periods.sort(key=_begins)

    def coins_max(self, kind: LimitKind, merchant_id: str, at: datetime) -> int | None:
        """At the moment `at`, for a redemption at this merchant; None where nothing limits it.

        A merchant's own limit stands before the general one, also where it says that there is none.
        """
        row = self._in_force(kind, merchant_id, at) or self._in_force(kind, None, at)
        return None if row is None else row.coins

    def any_of(self, kind: LimitKind) -> bool:
        """Whether a limit of this kind was ever set; where not, nothing needs to be added up for it."""
        return any(of_kind == kind for of_kind, _ in self._rows)

    def _in_force(self, kind: LimitKind, merchant_id: str | None, at: datetime) -> LimitRow | None:
        periods = self._rows.get((kind, merchant_id), [])
        found = bisect.bisect_right(periods, at, key=_begins)
        return periods[found - 1] if found else None


def _begins(row: LimitRow) -> datetime:
    return row.effective_from
