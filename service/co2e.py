"""What recycling avoided, in exact integers. Pure.

Grams times milligrams of CO2e per kilogram are micrograms of CO2e: no product and no sum is ever rounded.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

MICROGRAMS_PER_KG: Final = 10**9
MICROGRAMS_PER_GRAM: Final = 10**6


class Weighed(NamedTuple):
    """Grams of a material that count by a factor set, None where none was in force, and what the set says of it, None
    where it says nothing."""

    set_id: str | None
    material_id: str
    grams: int
    milligrams_co2e_per_kg: int | None

    @property
    def micrograms_co2e(self) -> int | None:
        """None where there is no factor: nothing is guessed."""
        return None if self.milligrams_co2e_per_kg is None else self.grams * self.milligrams_co2e_per_kg


@dataclass(frozen=True, slots=True)
class Avoided:
    """Micrograms of CO2e, also by each set that anything counts by, and what is not in them or not in whole."""

    micrograms: int
    by_set: Mapping[str, int]
    materials_without_factor: tuple[str, ...]


def avoided(weighed: Iterable[Weighed]) -> Avoided:
    """Σ grams × milligrams of CO2e per kilogram. A material without a factor is named, not guessed."""
    by_set: Counter[str] = Counter()
    without_factor: set[str] = set()
    for each in weighed:
        micrograms = each.micrograms_co2e
        if micrograms is None:
            without_factor.add(each.material_id)
        if each.set_id is not None:
            by_set[each.set_id] += micrograms or 0
    return Avoided(by_set.total(), dict(by_set), tuple(sorted(without_factor)))


def exact_kg(micrograms: int) -> str:
    """All of it, with nine digits: "0.275000000". `micrograms` is 0 or more."""
    return f"{micrograms // MICROGRAMS_PER_KG}.{micrograms % MICROGRAMS_PER_KG:09}"


def shown_kg(micrograms: int) -> str:
    """With three digits, rounded down: never more than was avoided. "0.275"; `micrograms` is 0 or more."""
    return exact_kg(micrograms)[:-6]
