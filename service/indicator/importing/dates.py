"""Periods and days as people and spreadsheets write them. Pure."""

import re
from datetime import date
from typing import Final

from service.periods import YEAR_MONTHS, Period
from service.sheets.cells import Cell, CellWrong, Number, Unreadable, cleaned, narrowed, shown

_YEAR: Final = r"((?:19|20)[0-9]{2})"
_YEAR_ALONE: Final = re.compile(rf"{_YEAR}(?:年(?:度|全年)?)?")
_MONTH: Final = re.compile(rf"{_YEAR}(?:[-/]([0-9]{{1,2}})|年([0-9]{{1,2}})月份?|([0-9]{{2}}))")
_QUARTER: Final = re.compile(rf"{_YEAR}(?:-?Q([1-4])|年Q([1-4])|年第?([1-4一二三四])季度?)", re.IGNORECASE)
_DAY: Final = re.compile(
    rf"{_YEAR}(?:-([0-9]{{1,2}})-([0-9]{{1,2}})|/([0-9]{{1,2}})/([0-9]{{1,2}})|\.([0-9]{{1,2}})\.([0-9]{{1,2}})"
    r"|年([0-9]{1,2})月([0-9]{1,2})[日号]|([0-9]{2})([0-9]{2}))"
)
_LIKE_NUMBER: Final = re.compile(rf"{_YEAR}\.[0-9]{{1,2}}")
_QUARTERS: Final = {"一": 1, "二": 2, "三": 3, "四": 4}


def read_period(cell: Cell) -> Period:
    """A year, a quarter or a month. Raises CellWrong."""
    if isinstance(cell, Unreadable):
        raise CellWrong(cell.code, value=shown(cell.text))
    if isinstance(cell, date):
        return _month_of_first(cell, cell.isoformat())
    written = cell.text if isinstance(cell, Number) else cell
    text = "".join(narrowed(cleaned(written)).split())
    if found := _YEAR_ALONE.fullmatch(text):
        return Period(int(found[1]))
    if found := _QUARTER.fullmatch(text):
        quarter = found[2] or found[3] or found[4]
        return Period.of_quarter(int(found[1]), _QUARTERS.get(quarter) or int(quarter))
    if found := _MONTH.fullmatch(text):
        month = int(found[2] or found[3] or found[4])
        if not 1 <= month <= YEAR_MONTHS:
            raise CellWrong("period_wrong", value=shown(written))
        return Period.of_month(int(found[1]), month)
    day = _day(text)
    if day is not None:
        return _month_of_first(day, written)
    code = "period_like_number" if _LIKE_NUMBER.fullmatch(text) else "period_wrong"
    raise CellWrong(code, value=shown(written))


def read_day(cell: Cell) -> date:
    """Raises CellWrong."""
    if isinstance(cell, Unreadable):
        raise CellWrong(cell.code, value=shown(cell.text))
    if isinstance(cell, date):
        return cell
    written = cell.text if isinstance(cell, Number) else cell
    day = _day("".join(narrowed(cleaned(written)).split()))
    if day is None:
        raise CellWrong("date_wrong", value=shown(written))
    return day


def _day(text: str) -> date | None:
    found = _DAY.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _month_of_first(day: date, written: str) -> Period:
    """A spreadsheet turns a month that is typed into its first day, and shows it as a month."""
    month = Period.of_month(day.year, day.month)
    if day.day != 1:
        raise CellWrong("period_is_day", value=shown(written), month=month)
    return month
