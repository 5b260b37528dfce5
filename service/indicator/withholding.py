"""Which volumes may be shown, so that no household is visible. Pure.

**What is promised.** Whoever has every figure that is shown, of every area, material and month, and adds, subtracts and
scales them as they like, never gets a figure that rests on fewer than DROPS_MIN drops; and no single amount of
fewer drops is fixed by them, for all that is shown leaves others possible. It holds also for who knows which amounts
are zero (a community without bins), and between months: a year is the sum of its months, as they are shown.

**Why it holds.** The smallest amounts (an area's own drops of one material in one month) are put into pools. An amount
of DROPS_MIN drops or more is a pool of its own; smaller ones are pooled with their like in the area above. A figure is
the sum of the pools that lie wholly within it. So all that is shown are sums of pools, which do not overlap, each of
DROPS_MIN drops or more: whatever is computed from them contains some pool whole, or is nothing at all.
A pool of small amounts that is itself too small takes in the smallest pool beside it (which is then not shown by
itself: the complementary suppression of statistical offices), or goes one area up where there is none; above the
highest area materials are pooled; and where that does not help, nothing of the month is shown.

**What is known besides.** A published figure is exact, and its public record tells what bins weighed in the whole
highest area in the whole year. So that sum less the months that are shown is known too: what came after a month was
shown, and months of fewer than DROPS_MIN drops. It can be one drop's weight, with neither place nor month nor material;
and so can the difference of two publications of one year. Nothing else follows (the tests say so of every table).

**What is not promised.** Drops are counted, not people: ten drops can be one household's. A pool's amount bounds its
parts from above. Who knows some of the drops, because they are theirs, can subtract them. And it is of one release:
if a month were corrected after it was shown, the difference of the two could be one drop. So a month is kept as it was
first shown (public_volumes.py), and that is when it is settled (`last_settled_month`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, NamedTuple

DROPS_MIN: Final = 10
# Bins work offline for weeks; what they bring then still belongs to its month.
SETTLED_AFTER_DAYS: Final = 35


class Amount(NamedTuple):
    """What was weighed of a material in one area itself (not in those below it) in one month; `month` as `2026-03`."""

    area_id: str
    material: str
    month: str
    drops: int
    grams: int


@dataclass(frozen=True, slots=True)
class _Pool:
    """Amounts that are shown together or not at all. `area_id` and `material` are the narrowest that hold all of them;
    no material where they are of several."""

    area_id: str
    material: str | None
    amounts: tuple[Amount, ...]

    @property
    def drops(self) -> int:
        return sum(each.drops for each in self.amounts)

    @property
    def grams(self) -> int:
        return sum(each.grams for each in self.amounts)


@dataclass(frozen=True, slots=True)
class ShownVolumes:
    """What may be shown: grams by area, material (None: all of them) and month. Too little and nothing at all look
    alike: there is no figure."""

    by_area: Mapping[tuple[str, str | None, str], int]

    def grams(self, area_id: str, material: str | None, months: Iterable[str]) -> int | None:
        """Of the area and all below it; of all materials where it is None; months without a figure are left out.

        It can be less than was weighed: the rest is only in the figure of an area above, or of all materials.
        """
        wanted = ((area_id, material, month) for month in months)
        found = [self.by_area[each] for each in wanted if each in self.by_area]
        return sum(found) if found else None


def shown_volumes(amounts: Iterable[Amount], parents: Mapping[str, str | None]) -> ShownVolumes:
    """`parents`: the area above each area, None above the highest.

    Raises ValueError for the same amount twice, less than nothing, or grams without a drop, and KeyError for an area
    that is not among `parents`.
    """
    by_month: defaultdict[str, dict[tuple[str, str], Amount]] = defaultdict(dict)
    for each in amounts:
        of_month = by_month[each.month]
        twice = (each.area_id, each.material) in of_month
        if twice or min(each.drops, each.grams) < 0 or (each.grams and not each.drops):
            raise ValueError(f"not an amount of its own: {each}")
        of_month[each.area_id, each.material] = each
    above = {area_id: tuple(_upwards(area_id, parents)) for area_id in parents}
    grams: defaultdict[tuple[str, str | None, str], int] = defaultdict(int)
    for month, of_month in by_month.items():
        for pool in _pools([each for each in of_month.values() if each.drops], above):
            for area_id in above[pool.area_id]:
                for material in {pool.material, None}:
                    grams[area_id, material, month] += pool.grams
    return ShownVolumes(dict(grams))


def _upwards(area_id: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    """The area itself, the one above it, and so on."""
    at: str | None = area_id
    while at is not None:
        yield at
        at = parents[at]


def _pools(amounts: Iterable[Amount], above: Mapping[str, tuple[str, ...]]) -> list[_Pool]:
    """Pools of DROPS_MIN drops or more, all of one month; what fits into none is left out."""
    pools: defaultdict[str | None, list[_Pool]] = defaultdict(list)
    loose: defaultdict[tuple[str, str], list[Amount]] = defaultdict(list)
    for each in amounts:
        if each.drops >= DROPS_MIN:
            pools[each.material].append(_Pool(each.area_id, each.material, (each,)))
        else:
            loose[each.area_id, each.material].append(each)
    left_over: defaultdict[str, list[Amount]] = defaultdict(list)
    # The deepest first, so that what comes up from below is there when an area is looked at.
    for area_id in sorted(above, key=lambda each: (-len(above[each]), each)):
        for material in sorted(material for at, material in loose if at == area_id):
            rest = loose.pop((area_id, material))
            if _pooled(_Pool(area_id, material, tuple(rest)), pools[material], above):
                continue
            if len(above[area_id]) > 1:
                loose[above[area_id][1], material] += rest
            else:
                left_over[area_id] += rest
    closed = [pool for of_material in pools.values() for pool in of_material]
    for area_id, rest in sorted(left_over.items()):
        # Where this fits into none there is none: nothing of the month is shown.
        _pooled(_Pool(area_id, None, tuple(rest)), closed, above)
    return closed


def _pooled(small: _Pool, pools: list[_Pool], above: Mapping[str, tuple[str, ...]]) -> bool:
    """Add it to `pools`, with the smallest of them in its area if it is too small alone; False where that has none."""
    if small.drops < DROPS_MIN:
        beside = [pool for pool in pools if small.area_id in above[pool.area_id]]
        if not beside:
            return False
        smallest = min(beside, key=lambda pool: (pool.drops, pool.area_id, pool.material or ""))
        pools.remove(smallest)
        small = _Pool(small.area_id, small.material, small.amounts + smallest.amounts)
    pools.append(small)
    return True


def last_settled_month(today: date, after_days: int = SETTLED_AFTER_DAYS) -> str:
    """The last month, as `2026-03`, that is over for so many days; all before it are settled too."""
    first_day = (today - timedelta(days=after_days)).replace(day=1)
    return (first_day - timedelta(days=1)).isoformat()[:7]
