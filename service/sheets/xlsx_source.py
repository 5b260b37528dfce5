"""The rows of a workbook's sheet, as it is parsed; no more than a part of it is in memory."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from service.sheets.cells import (
    Cell,
    Limits,
    Number,
    RawRow,
    SheetError,
    SheetRefused,
    Unreadable,
    cleaned,
    column_letter,
    shown,
)
from service.sheets.files import refused
from service.sheets.package import Package, broken, local_name
from service.sheets.workbook_parts import SheetPart, TextCollector, WorkbookParts, read_parts

_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_AREA: Final = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})(?::([A-Z]{1,3})([1-9][0-9]{0,6}))?")
_NUMBER: Final = re.compile(r"-?[0-9]{1,25}(?:\.[0-9]{1,25})?(?:[eE][+-]?[0-9]{1,4})?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,25}")
# Characters that XML cannot hold, as workbooks write them.
_ESCAPE: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
# A spreadsheet shows no more digits of a number than these, and keeps no more of one that is typed.
DIGITS_SHOWN: Final = 15
# Up to here the calendars of spreadsheets differ by a day, 29 February 1900.
FIRST_SURE_DAY: Final = 61
MERGED_AREAS_MAX: Final = 10_000
FORMULA_CHARACTERS: Final = 100


class MergedArea(NamedTuple):
    """Rows as a spreadsheet shows them, columns from 0; both ends are in it."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int

    def __str__(self) -> str:
        return f"{column_letter(self.first_column)}{self.first_row}:{column_letter(self.last_column)}{self.last_row}"


class MergedRows:
    """The areas that touch a table, met as its rows are read from top to bottom."""

    def __init__(self, areas: Iterable[MergedArea], header_row: int, columns: int) -> None:
        """Raises SheetRefused where the header itself is merged."""
        self._areas = sorted(area for area in areas if area.last_row >= header_row and area.first_column < columns)
        self._next = 0
        self._covered_to = 0
        for area in self._areas:
            if area.first_row <= header_row:
                raise SheetRefused(SheetError.of("merged", row=header_row, column=area.first_column, area=area))

    def meet(self, row: int) -> tuple[list[MergedArea], bool]:
        """Those that are met here for the first time; and whether the row is in any."""
        new = []
        while self._next < len(self._areas) and self._areas[self._next].first_row <= row:
            area = self._areas[self._next]
            self._next += 1
            self._covered_to = max(self._covered_to, area.last_row)
            if area.last_row >= row:
                new.append(area)
        return new, row <= self._covered_to


class XlsxSource:
    """A workbook whose parts are known. Raises SheetRefused where it is none."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._limits = limits
        self._package = Package(path, limits)
        self._parts = read_parts(self._package, limits)
        self.sheets = self._parts.sheets

    def sheet(self, part: SheetPart) -> "XlsxSheet":
        return XlsxSheet(self._package, self._parts, part, self._limits)


class XlsxSheet:
    """One sheet. `share_read` is of its last reading, from 0 to 1."""

    def __init__(self, package: Package, parts: WorkbookParts, part: SheetPart, limits: Limits) -> None:
        self._package = package
        self._parts = parts
        self._limits = limits
        self.name = part.name
        self._part = part.part
        self.share_read = 0.0

    def rows(self) -> Iterator["XlsxRow"]:
        """Every row that is not empty. Raises SheetRefused where the sheet breaks off."""
        parser = _RowParser(self._parts, self._limits)
        size = max(1, self._package.size_of(self._part))
        for done in self._package.parse(self._part, parser.start, parser.end, parser.text):
            self.share_read = done / size
            yield from parser.take()

    def layout(self) -> tuple[list[MergedArea], frozenset[int]]:
        """The merged areas, which stand behind all rows, and the columns that are hidden."""
        areas: list[MergedArea] = []
        hidden: set[int] = set()

        def start(element: str, attributes: Mapping[str, str]) -> None:
            name = local_name(element)
            if name == "mergeCell" and len(areas) < MERGED_AREAS_MAX:
                area = _merged_area(attributes.get("ref", ""))
                if area is not None:
                    areas.append(area)
            elif name == "col" and attributes.get("hidden") in {"1", "true"}:
                first, last = attributes.get("min", ""), attributes.get("max", "")
                if _WHOLE.fullmatch(first) and _WHOLE.fullmatch(last):
                    hidden.update(range(max(0, int(first) - 1), min(int(last), self._limits.columns)))

        for _ in self._package.parse(self._part, start):
            pass
        return areas, frozenset(hidden)


class XlsxRow(NamedTuple):
    raw: RawRow
    hidden: bool


class _RowParser:
    """Rows from the events of an XML parser."""

    def __init__(self, parts: WorkbookParts, limits: Limits) -> None:
        self._parts = parts
        self._limits = limits
        self._done: list[XlsxRow] = []
        self._in_data = False
        self._row = 0
        self._hidden = False
        self._cells: dict[int, Cell] = {}
        self._column = -1
        self._in_cell = False
        self._type = "n"
        self._style = 0
        self._formula: str | None = None
        self._value = ""
        self._within = ""
        self._inline = TextCollector(limits.cell_characters)

    def take(self) -> list[XlsxRow]:
        done, self._done = self._done, []
        return done

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        name = local_name(element)
        if self._in_cell:
            self._within = name
            if name == "f":
                self._formula = ""
            else:
                self._inline.begin(name)
        elif name == "c" and self._in_data:
            self._begin_cell(attributes)
        elif name == "row" and self._in_data:
            self._begin_row(attributes)
        elif name == "sheetData":
            self._in_data = True

    def end(self, element: str) -> None:
        name = local_name(element)
        if self._in_cell:
            self._within = ""
            if name == "c":
                self._end_cell()
            else:
                self._inline.end(name)
        elif name == "row" and self._in_data:
            if self._cells:
                self._done.append(XlsxRow(RawRow(self._row, self._cells), self._hidden))
            self._cells = {}
        elif name == "sheetData":
            self._in_data = False

    def text(self, text: str) -> None:
        if self._within == "v":
            if len(self._value) <= self._limits.cell_characters:
                self._value += text
        elif self._within == "f":
            if self._formula is not None and len(self._formula) <= FORMULA_CHARACTERS:
                self._formula += text
        elif self._in_cell:
            self._inline.add(text)

    def _begin_row(self, attributes: Mapping[str, str]) -> None:
        number = attributes.get("r", str(self._row + 1))
        if re.fullmatch(r"[1-9][0-9]{0,6}", number) is None or int(number) <= self._row:
            raise broken(f"row {self._row + 1}")
        self._row = int(number)
        self._hidden = attributes.get("hidden") in {"1", "true"}
        self._column = -1

    def _begin_cell(self, attributes: Mapping[str, str]) -> None:
        reference = attributes.get("r")
        if reference is None:
            self._column += 1
        else:
            found = _REFERENCE.fullmatch(reference)
            if found is None or int(found[2]) != self._row or _column(found[1]) <= self._column:
                raise broken(f"row {self._row}")
            self._column = _column(found[1])
        self._in_cell = True
        self._type = attributes.get("t", "n")
        style = attributes.get("s", "0")
        self._style = int(style) if style.isascii() and style.isdigit() and len(style) < 10 else 0
        self._formula = None
        self._value = ""
        self._within = ""

    def _end_cell(self) -> None:
        self._in_cell = False
        inline = self._inline.take()
        if self._formula is not None:
            # Formulas that are shared stand in the first of their cells only.
            said = f"={self._formula}" if self._formula else "="
            self._cells[self._column] = Unreadable("formula", f"{said} → {self._value}" if self._value else said)
            return
        cell = self._cell(inline)
        if not isinstance(cell, str) or cleaned(cell):
            self._cells[self._column] = cell

    def _cell(self, inline: str) -> Cell:
        """An empty text of an empty cell."""
        value = self._value
        if self._type == "inlineStr":
            return _unescaped(inline)
        if self._type == "str":
            return _unescaped(value)
        value = value.strip()
        if not value:
            return ""
        if self._type == "s":
            if not (value.isascii() and value.isdigit() and len(value) < 10):
                raise broken(f"row {self._row}")
            return _unescaped(self._parts.texts[int(value)])
        if self._type == "b":
            return Unreadable("boolean", "TRUE" if value == "1" else "FALSE")
        if self._type == "e":
            return Unreadable("error_value", value)
        if self._type == "d":
            return _iso_day(value)
        if self._style in self._parts.styles.dates:
            return self._day(value)
        return number_of(value, percent=self._style in self._parts.styles.percents)

    def _day(self, value: str) -> date | Unreadable:
        day = day_of(value, from_1904=self._parts.from_1904)
        if isinstance(day, date) and self._style in self._parts.styles.years:
            # It may stand for the year, or for a month that nobody sees.
            return Unreadable("year_alone", day.isoformat())
        return day


def number_of(value: str, *, percent: bool) -> Number | Unreadable:
    """As a spreadsheet shows it at most: sums such as 0.1 + 0.2 are kept as 0.30000000000000004 and shown as 0.3."""
    if _NUMBER.fullmatch(value) is None:
        return Unreadable("unreadable", value)
    whole = _WHOLE.fullmatch(value) is not None
    # A double has 17 digits at most; those of a number that was typed are 15, and come back unchanged.
    exact = Decimal(value if whole else format(float(value), f".{DIGITS_SHOWN}g"))
    if not exact.is_finite() or abs(exact.adjusted()) > 30:
        return Unreadable("unreadable", value)
    text = format(exact.scaleb(2) if percent else exact, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return Number(text, percent)


def day_of(value: str, *, from_1904: bool) -> date | Unreadable:
    """The day of a spreadsheet's number; its time of day is no matter."""
    if _NUMBER.fullmatch(value) is None or not abs(float(value)) < 3_000_000:
        return Unreadable("unreadable", value)
    serial = int(float(value))
    if from_1904:
        return date(1904, 1, 1) + timedelta(days=serial) if serial >= 0 else Unreadable("unreadable", value)
    if serial < FIRST_SURE_DAY:
        return Unreadable("unreadable", value)
    # 2 958 465 is the last day of 9999.
    return date(1899, 12, 30) + timedelta(days=serial) if serial <= 2_958_465 else Unreadable("unreadable", value)


def _iso_day(value: str) -> date | Unreadable:
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return Unreadable("unreadable", value)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _merged_area(reference: str) -> MergedArea | None:
    found = _AREA.fullmatch(reference)
    if found is None:
        return None
    rows = sorted((int(found[2]), int(found[4] or found[2])))
    columns = sorted((_column(found[1]), _column(found[3] or found[1])))
    return MergedArea(*rows, *columns)


def header_sheets(source: XlsxSource, wanted: str | None) -> list[SheetPart]:
    """Where to look for the header, in order. Raises SheetRefused where there is no sheet of the wanted name."""
    if wanted is None:
        return [sheet for sheet in source.sheets if not sheet.hidden]
    found = [sheet for sheet in source.sheets if sheet.name == wanted]
    if not found:
        names = tuple(shown(sheet.name) for sheet in source.sheets[:20])
        raise refused("sheet_unknown", name=shown(wanted), names=names)
    return found
