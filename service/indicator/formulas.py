"""The formulas a recycling rate can be computed by, exactly: whole grams in, a fraction out.

A formula is data and one pure function. Which one is the district's is for the district to confirm (FACTS.md), so every
answer names its formula.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

RATE_DIGITS: Final = 6
PERCENT_DIGITS: Final = 2


@dataclass(frozen=True, slots=True)
class Masses:
    """Grams in one area and period: recovered recyclables R, kitchen waste treated K, waste cleared C."""

    recovered_grams: int
    kitchen_treated_grams: int
    cleared_grams: int


@dataclass(frozen=True, slots=True)
class Quotient:
    """A rate before it is divided, so that it can be recomputed to the last digit. Grams."""

    numerator_grams: int
    denominator_grams: int


@dataclass(frozen=True, slots=True)
class Formula:
    """`needs` are the kinds of inputs without which there is no rate."""

    id: str
    definition_zh: str
    definition_en: str
    source: str
    needs: tuple[str, ...]
    quotient: Callable[[Masses], Quotient]


def cleared_plus_recovered(masses: Masses) -> Quotient:
    """(R + K) ÷ (C + R): what arose is what was cleared and what was recovered."""
    return Quotient(
        masses.recovered_grams + masses.kitchen_treated_grams, masses.cleared_grams + masses.recovered_grams
    )


FORMULAS: Final = {
    formula.id: formula
    for formula in (
        Formula(
            id="cn.cleared_plus_recovered",
            definition_zh="（可回收物回收量 R + 厨余垃圾处理量 K）÷（生活垃圾清运量 C + 可回收物回收量 R）",
            definition_en="(recyclables recovered R + kitchen waste treated K) ÷ (waste cleared C + recyclables"
            " recovered R)",
            source="城市生活垃圾回收利用率：未进入焚烧和填埋设施的可回收物和厨余垃圾占产生量的比例；"
            "产生量以清运量与回收量之和计",
            needs=("cleared", "kitchen_treated"),
            quotient=cleared_plus_recovered,
        ),
    )
}


def rate_of(quotient: Quotient) -> Fraction | None:
    """The exact rate; None where the masses contradict each other: more recycled than arose, or nothing arose."""
    if not 0 <= quotient.numerator_grams <= quotient.denominator_grams or quotient.denominator_grams == 0:
        return None
    return Fraction(quotient.numerator_grams, quotient.denominator_grams)


def decimal_text(value: Fraction, digits: int) -> str:
    """`value` with `digits` digits after the point, half to even: 5/13 with six is 0.384615."""
    return format(Decimal(round(value * 10**digits)).scaleb(-digits), f".{digits}f")
