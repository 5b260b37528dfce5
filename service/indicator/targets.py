"""The targets by year, and the straight line between them: pure."""

from collections.abc import Mapping
from fractions import Fraction


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
