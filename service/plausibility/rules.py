"""The rules of plausibility: each a pure function of what is known of a drop, or of an emptying, and its parameters.

A rule answers None where nothing is wrong, otherwise the figures that say what is, and by how much.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from service.plausibility.drop import AccountDay, Action, BinFacts, Drop, Figures
from service.plausibility.parameters import (
    HeavyDrop,
    HourlyRate,
    MostByKind,
    NoParameters,
    Parameters,
    SmallestLoad,
    Tolerance,
)
from service.plausibility.permissible import permissible_error

DAY_SECONDS: Final = 86_400


class Case(NamedTuple):
    """A drop and what is known around it."""

    drop: Drop
    facts: BinFacts
    # Of the account it would be credited to; None where it is nobody's, or its time is doubted.
    day: AccountDay | None
    # What the box weighed before; None where it is not known for certain.
    box_grams_before: int | None
    # Drops and grams that were credited at the bin in the same hour; None where the drop's time is doubted.
    hour: list[int] | None


class Emptying(NamedTuple):
    """A clearance and what must have been in the box: what was left at the last one, and the drops since."""

    facts: BinFacts
    mass_before_grams: int
    expected_grams: int
    # By how much the readings that `expected_grams` adds up may err.
    permissible_grams: int


def below_smallest_load(case: Case, parameters: SmallestLoad) -> Figures | None:
    least = parameters.intervals_min * case.facts.interval_grams
    weight = case.drop.weight_grams
    return None if weight >= least else {"weight_grams": weight, "least_grams": least}


def above_capacity(case: Case, _: NoParameters) -> Figures | None:
    drop, facts = case.drop, case.facts
    figures: Figures = {}
    if drop.weight_grams > facts.capacity_grams:
        figures |= {"weight_grams": drop.weight_grams, "capacity_grams": facts.capacity_grams}
    if drop.box_weight_grams is not None and drop.box_weight_grams > facts.box_capacity_grams:
        figures |= {"box_weight_grams": drop.box_weight_grams, "box_capacity_grams": facts.box_capacity_grams}
    return figures or None


def certificate_expired(case: Case, _: NoParameters) -> Figures | None:
    # Of a drop whose time is doubted, nobody knows on which side of the day it lies.
    if case.hour is None or case.drop.occurred_at < case.facts.certificate_ends_at:
        return None
    return {"days_over": int((case.drop.occurred_at - case.facts.certificate_ends_at) // DAY_SECONDS) + 1}


def heavy_drop(case: Case, parameters: HeavyDrop) -> Figures | None:
    drop = case.drop
    most = parameters.grams_max
    if parameters.material_grams_max:
        most = parameters.material_grams_max.get(drop.material_id, most)
    if drop.weight_grams <= most:
        return None
    return {"weight_grams": drop.weight_grams, "grams_max": most, "grams_over": drop.weight_grams - most}


def day_drops(case: Case, parameters: MostByKind) -> Figures | None:
    day = case.day
    if day is None:
        return None
    most = parameters.resident if day.kind == "resident" else parameters.trader
    return None if most is None or day.drops < most else {"drops": day.drops + 1, "drops_max": most}


def day_grams(case: Case, parameters: MostByKind) -> Figures | None:
    day = case.day
    if day is None:
        return None
    most = parameters.resident if day.kind == "resident" else parameters.trader
    grams = day.grams + case.drop.weight_grams
    return None if most is None or grams <= most else {"grams": grams, "grams_max": most, "grams_over": grams - most}


def day_coins(case: Case, parameters: MostByKind) -> Figures | None:
    day = case.day
    if day is None:
        return None
    most = parameters.resident if day.kind == "resident" else parameters.trader
    coins = day.coins + case.drop.coins
    return None if most is None or coins <= most else {"coins": coins, "coins_max": most, "coins_over": coins - most}


def improbable_rate(case: Case, parameters: HourlyRate) -> Figures | None:
    if case.hour is None:
        return None
    drops, grams = case.hour[0] + 1, case.hour[1] + case.drop.weight_grams
    if drops <= parameters.drops_max and grams <= parameters.grams_max:
        return None
    return {
        "drops": drops,
        "drops_max": parameters.drops_max,
        "grams": grams,
        "grams_max": parameters.grams_max,
    }


def box_mass_short(case: Case, parameters: Tolerance) -> Figures | None:
    before, after = case.box_grams_before, case.drop.box_weight_grams
    if after is None:
        return None
    if before is None:
        return _lighter_than_its_drop(case, parameters, after)
    expected = before + case.drop.weight_grams
    # Most drops agree to the gram; only of the others need the errors be added up.
    return None if after >= expected else _box_mass(case, parameters, before, expected, after)


def box_mass_over(case: Case, parameters: Tolerance) -> Figures | None:
    before, after = case.box_grams_before, case.drop.box_weight_grams
    if before is None or after is None:
        return None
    expected = before + case.drop.weight_grams
    return None if after <= expected else _box_mass(case, parameters, before, expected, after)


def _lighter_than_its_drop(case: Case, parameters: Tolerance, after: int) -> Figures | None:
    """Whatever was in the box before, the drop is in it now: losing numbers does not keep a bin from being doubted."""
    weight = case.drop.weight_grams
    if after >= weight:
        return None
    interval = case.facts.interval_grams
    permissible = permissible_error(weight, interval) + permissible_error(after, interval) + parameters.tolerance_grams
    if weight - after <= permissible:
        return None
    return {
        "weight_grams": weight,
        "box_grams_at_most": after,
        "difference_grams": weight - after,
        "permissible_grams": permissible,
    }


def _box_mass(case: Case, parameters: Tolerance, before: int, expected: int, after: int) -> Figures | None:
    interval = case.facts.interval_grams
    weight = case.drop.weight_grams
    permissible = (
        permissible_error(before, interval)
        + permissible_error(weight, interval)
        + permissible_error(after, interval)
        + parameters.tolerance_grams
    )
    if abs(after - expected) <= permissible:
        return None
    return {
        "box_grams_before": before,
        "weight_grams": weight,
        "box_grams_after": after,
        "expected_grams": expected,
        "difference_grams": abs(after - expected),
        "permissible_grams": permissible,
    }


def emptied_mass_short(emptying: Emptying, parameters: Tolerance) -> Figures | None:
    if emptying.mass_before_grams >= emptying.expected_grams:
        return None
    return _emptied_mass(emptying, parameters)


def emptied_mass_over(emptying: Emptying, parameters: Tolerance) -> Figures | None:
    if emptying.mass_before_grams <= emptying.expected_grams:
        return None
    return _emptied_mass(emptying, parameters)


def _emptied_mass(emptying: Emptying, parameters: Tolerance) -> Figures | None:
    permissible = (
        emptying.permissible_grams
        + permissible_error(emptying.mass_before_grams, emptying.facts.interval_grams)
        + parameters.tolerance_grams
    )
    difference = abs(emptying.mass_before_grams - emptying.expected_grams)
    if difference <= permissible:
        return None
    return {
        "mass_before_grams": emptying.mass_before_grams,
        "expected_grams": emptying.expected_grams,
        "difference_grams": difference,
        "permissible_grams": permissible,
    }


Check: TypeAlias = Callable[[Any, Any], Figures | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its name, which is the code of what it finds. `action` is what the shipped set does."""

    code: str
    of: Literal["drop", "clearance"]
    action: Action
    parameters: type[Parameters]
    check: Check


# In the order in which they are told: of several of the same strength the first decides.
RULES: Final = {
    rule.code: rule
    for rule in (
        Rule("below_smallest_load", "drop", "reject", SmallestLoad, below_smallest_load),
        Rule("certificate_expired", "drop", "hold", NoParameters, certificate_expired),
        Rule("above_capacity", "drop", "hold", NoParameters, above_capacity),
        Rule("box_mass_short", "drop", "hold", Tolerance, box_mass_short),
        Rule("box_mass_over", "drop", "hold", Tolerance, box_mass_over),
        Rule("heavy_drop", "drop", "hold", HeavyDrop, heavy_drop),
        Rule("improbable_rate", "drop", "hold", HourlyRate, improbable_rate),
        Rule("day_drops", "drop", "hold", MostByKind, day_drops),
        Rule("day_grams", "drop", "hold", MostByKind, day_grams),
        Rule("day_coins", "drop", "hold", MostByKind, day_coins),
        Rule("emptied_mass_short", "clearance", "hold", Tolerance, emptied_mass_short),
        Rule("emptied_mass_over", "clearance", "hold", Tolerance, emptied_mass_over),
    )
}
