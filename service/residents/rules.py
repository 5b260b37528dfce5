"""What a resident's recycling avoided: pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MaterialVolume:
    """All a resident ever brought of one material; the factor is None where the set has none for it."""

    material_id: str
    weight_grams: int
    grams_co2e_per_kg: int | None


@dataclass(frozen=True, slots=True)
class AvoidedCo2e:
    grams: int
    materials_without_factor: tuple[str, ...]


def avoided_co2e(volumes: Iterable[MaterialVolume]) -> AvoidedCo2e:
    """Grams of CO2e: Σ weight_grams × grams_co2e_per_kg ÷ 1000, in integers.

    Rounded down, and once, after the sum: never more than was avoided, and not less because it came in small drops. A
    material without a factor is named, not guessed.
    """
    milligrams = 0
    without_factor: list[str] = []
    for volume in volumes:
        if volume.grams_co2e_per_kg is None:
            without_factor.append(volume.material_id)
        else:
            milligrams += volume.weight_grams * volume.grams_co2e_per_kg
    return AvoidedCo2e(milligrams // 1000, tuple(without_factor))
