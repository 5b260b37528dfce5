"""The targets by year, and the straight line between them: pure."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Protocol


class TargetRow(Protocol):
    """A target as it is stored."""

    @property
    def area_id(self) -> str: ...

    @property
    def year(self) -> int: ...

    @property
    def rate_per_mille(self) -> int: ...


def nearest_targets(rows: Iterable[TargetRow], year: int) -> tuple[str, dict[int, int]] | None:
    """The area whose targets hold in a year, with all of its targets: the nearest that has one for the year, or on a
    line around it. `rows` are nearest area first. None where there is none."""
    by_area: dict[str, dict[int, int]] = {}
    for row in rows:
        by_area.setdefault(row.area_id, {})[row.year] = row.rate_per_mille
    for area_id, per_mille_by_year in by_area.items():
        if target_rate(per_mille_by_year, year) is not None:
            return area_id, per_mille_by_year
    return None


def target_rate(per_mille_by_year: Mapping[int, int], year: int) -> Fraction | None:
    """The year's target, or what lies on the straight line between the given years around it; None outside them."""
    if year in per_mille_by_year:
        return Fraction(per_mille_by_year[year], 1000)
    before = max((given for given in per_mille_by_year if given < year), default=None)
    after = min((given for given in per_mille_by_year if given > year), default=None)
    if before is None or after is None:
        return None
    step = Fraction(per_mille_by_year[after] - per_mille_by_year[before], after - before)
    return (per_mille_by_year[before] + step * (year - before)) / 1000
