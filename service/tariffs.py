"""Which tariff was in force when: pure, so that rules can use it."""

import bisect
from collections.abc import Mapping
from datetime import datetime


class Tariffs:
    """Coins per kilogram by material and time; each is in force until the next of its material."""

    def __init__(self, rows: Mapping[str, list[tuple[datetime, int]]]) -> None:
        """`rows` are (effective_from, coins_per_kg) by material."""
        self._rows = {
            material_id: sorted((effective_from.timestamp(), coins_per_kg) for effective_from, coins_per_kg in periods)
            for material_id, periods in rows.items()
        }

    def knows(self, material_id: str) -> bool:
        return material_id in self._rows

    def coins_per_kg(self, material_id: str, when: float) -> int | None:
        """At `when` in Unix seconds; None where the material had no tariff yet."""
        periods = self._rows[material_id]
        # The current tariff is by far the most asked for.
        if periods and periods[-1][0] <= when:
            return periods[-1][1]
        found = bisect.bisect_right(periods, when, key=lambda period: period[0])
        return periods[found - 1][1] if found else None
