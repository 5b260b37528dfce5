"""Amounts as they are written, exactly: whole grams of a mass, whole parts per million of a share. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final

from schemas.indicator_inputs import GRAMS_MAX
from service.indicator.kinds import WHOLE_PPM
from service.indicator.kinds import Unit as Measure
from service.sheets.cells import Cell, CellWrong, Number, Unreadable, cleaned, folded, narrowed, shown

WITHDRAWALS: Final = frozenset({"撤回", "withdraw"})
# Enough for a billion tonnes with every decimal a person would write.
CHARACTERS_MAX: Final = 60
_PLAIN: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of the header; `each` is how many grams or parts per million one of it has."""

    name: str
    measure: Measure
    each: int
    spellings: tuple[str, ...]


UNITS: Final = (
    Unit("g", "grams", 1, ("g", "克")),
    Unit("kg", "grams", 10**3, ("kg", "㎏", "千克", "公斤")),
    Unit("t", "grams", 10**6, ("t", "吨")),
    Unit("万t", "grams", 10**10, ("万t", "万吨")),
    Unit("%", "ppm", WHOLE_PPM // 100, ("%", "百分数")),
    Unit("‰", "ppm", WHOLE_PPM // 1000, ("‰", "千分数")),
)
UNIT_BY_SPELLING: Final[Mapping[str, Unit]] = {spelling: unit for unit in UNITS for spelling in unit.spellings}
UNITS_THERE_ARE: Final = tuple("/".join(unit.spellings) for unit in UNITS)
_UNIT_BEHIND: Final = re.compile(rf"(.*[0-9])\s*({'|'.join(sorted(UNIT_BY_SPELLING, key=len, reverse=True))})")


def read_amount(cell: Cell | None, unit: Unit) -> tuple[int | None, str]:
    """The amount in grams or parts per million, None of a withdrawal; and as it was written. Raises CellWrong."""
    if cell is None:
        raise CellWrong("amount_empty")
    if isinstance(cell, Unreadable):
        raise CellWrong(cell.code, value=shown(cell.text))
    if isinstance(cell, date):
        raise CellWrong("amount_is_date", value=cell.isoformat())
    if isinstance(cell, Number):
        if cell.percent and unit.name != "%":
            raise CellWrong("unit_in_cell", value=f"{cell.text}%", unit=unit.name)
        return _counted(cell.text, cell.text, unit), f"{cell.text} {unit.name}"
    written = cleaned(cell)
    if not written:
        raise CellWrong("amount_empty")
    if folded(written) in WITHDRAWALS:
        return None, written
    text = narrowed(written)
    behind = _UNIT_BEHIND.fullmatch(text.casefold())
    if behind is not None:
        if UNIT_BY_SPELLING[behind[2]] is not unit:
            raise CellWrong("unit_in_cell", value=shown(written), unit=unit.name)
        return _counted(behind[1], written, unit), written
    return _counted(text, written, unit), f"{written} {unit.name}"


def written_amount(amount: int, unit: Unit) -> str:
    """As it would be written in a sheet of this unit, to the last digit."""
    # Each unit is a power of ten, so no digit is lost.
    text = format(Decimal(amount).scaleb(-Decimal(unit.each).adjusted()), "f")
    plain = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{plain} {unit.name}"


def _counted(text: str, written: str, unit: Unit) -> int:
    said = shown(written)
    # The true minus sign too.
    if text[:1] in {"-", "−"} and _unsigned(text[1:]) is not None:
        raise CellWrong("amount_negative", value=said)
    digits = _unsigned(text)
    if digits is None:
        raise CellWrong(
            "grouping_wrong" if re.fullmatch(r"[0-9]*,[0-9,]*(?:\.[0-9,]+)?", text) else "amount_wrong", value=said
        )
    exact = Fraction(digits) * unit.each
    if unit.measure == "grams" and exact > GRAMS_MAX:
        raise CellWrong("too_much", value=said)
    if unit.measure == "ppm" and exact > WHOLE_PPM:
        raise CellWrong("more_than_whole", value=said)
    if exact.denominator != 1:
        raise CellWrong("finer_than_gram" if unit.measure == "grams" else "finer_than_ppm", value=said)
    return exact.numerator


def _unsigned(text: str) -> str | None:
    """The digits without grouping; None of what is no number."""
    if len(text) > CHARACTERS_MAX or (_PLAIN.fullmatch(text) is None and _GROUPED.fullmatch(text) is None):
        return None
    return text.replace(",", "")
