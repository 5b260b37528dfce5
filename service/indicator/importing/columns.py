"""The columns of a sheet of inputs, known by their names in the header. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from service.indicator.importing.amounts import UNIT_BY_SPELLING, UNITS_THERE_ARE, Unit
from service.indicator.importing.sheet import input_error
from service.sheets.cells import (
    HEADER_AMONG_ROWS,
    Limits,
    Number,
    RawRow,
    SheetError,
    SheetRefused,
    cleaned,
    column_letter,
    folded,
    shown,
)

ColumnId = Literal[
    "area", "period", "kind", "source", "material", "amount", "document", "document_date", "document_sha256"
]


@dataclass(frozen=True, slots=True)
class Column:
    """What a column is called; either name or both stand in the header. `also`: other names it may have."""

    id: ColumnId
    zh: str
    en: str
    required: bool
    also: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Both names, as the template writes them."""
        return f"{self.zh} {self.en}" if self.zh != self.en else self.zh


COLUMNS: Final = (
    Column("area", "区域", "area", True, ("区域编号", "行政区域")),
    Column("period", "期间", "period", True, ("统计期间", "所属期")),
    Column("kind", "类别", "kind", True, ("数据类别",)),
    Column("source", "来源", "source", True, ("数据来源",)),
    Column("material", "材料", "material", False, ("品类",)),
    Column("amount", "数量", "amount", True, ("重量", "weight")),
    Column("document", "文件", "document", False, ("文件名称", "document name")),
    Column("document_date", "文件日期", "document date", False),
    Column("document_sha256", "SHA-256", "SHA-256", False, ("sha256", "文件sha-256", "document sha-256")),
)
COLUMN_BY_ID: Final = {column.id: column for column in COLUMNS}
_BY_NAME: Final = {folded(name): column for column in COLUMNS for name in (column.zh, column.en, *column.also)}
_ALL_TITLES: Final = tuple(column.title for column in COLUMNS)
_BRACKETS: Final = re.compile(r"\(([^()]*)\)")
# As many as tell a header from a row that holds one of its words.
_KNOWN_OF_A_HEADER: Final = 2


@dataclass(frozen=True, slots=True)
class Header:
    """Where each column is (from 0), what its header cell says, and the unit of the amounts.

    `width`: up to the last cell of the header that is not empty.
    """

    row: int
    places: Mapping[ColumnId, int]
    names: Mapping[int, str]
    unit: Unit
    width: int

    def error(self, code: str, row: int, column: ColumnId | int, **values: object) -> SheetError:
        """An error at a column of a row; of a column that the sheet has not, at the row."""
        place = column if isinstance(column, int) else self.places.get(column)
        name = self.names.get(place) if place is not None else COLUMN_BY_ID[column].title  # type: ignore[index]
        return input_error(code, row=row, column=place, name=name, **values)


def known_columns(row: RawRow) -> int:
    """How many cells of the row are names of columns."""
    return sum(isinstance(cell, str) and _column(cell)[0] is not None for cell in row.cells.values())


def columns_of_header(rows: Iterable[RawRow]) -> int:
    """How many are known of the header among these rows; 0 where there is none."""
    header = find_header(rows)
    return 0 if header is None else known_columns(header)


def find_header(rows: Iterable[RawRow]) -> RawRow | None:
    """The first row that looks like one."""
    return next((row for row in rows if known_columns(row) >= _KNOWN_OF_A_HEADER), None)


def header_missing() -> SheetRefused:
    return SheetRefused(input_error("header_missing", rows=HEADER_AMONG_ROWS, columns=_ALL_TITLES))


def read_header(row: RawRow, limits: Limits) -> Header:
    """Raises SheetRefused with all that is wrong in it."""
    last = max(row.cells)
    if last >= limits.columns:
        raise SheetRefused(input_error("too_many_columns", row=row.number, limit=limits.columns))
    places: dict[ColumnId, int] = {}
    names: dict[int, str] = {}
    errors: list[SheetError] = []
    unit: Unit | None = None
    for place, cell in sorted(row.cells.items()):
        text = cell if isinstance(cell, str) else _text(cell)
        names[place] = shown(text)
        column, units = _column(text) if isinstance(cell, str) else (None, [])
        at = {"row": row.number, "column": place}
        if column is None:
            errors.append(input_error("column_unknown", **at, name=shown(text), columns=_ALL_TITLES))
        elif column.id in places:
            first = column_letter(places[column.id])
            errors.append(input_error("column_twice", **at, name=column.title, first=first))
        else:
            places[column.id] = place
            if column.id == "amount":
                unit, wrong = _unit(units)
                if wrong is not None:
                    code, values = wrong
                    errors.append(input_error(code, **at, name=names[place], **values))
    errors += [
        input_error("column_missing", row=row.number, name=column.title)
        for column in COLUMNS
        if column.required and column.id not in places
    ]
    if errors or unit is None:
        raise SheetRefused(*errors[: limits.errors])
    return Header(row.number, places, names, unit, last + 1)


def _text(cell: object) -> str:
    return cell.text if isinstance(cell, Number) else str(getattr(cell, "text", cell))


def _column(text: str) -> tuple[Column | None, list[str]]:
    """The column that a header cell names, and what stands there in brackets."""
    plain = folded(text).replace("*", "")
    units = [cleaned(unit) for unit in _BRACKETS.findall(plain)]
    name = cleaned(_BRACKETS.sub(" ", plain))
    column = _BY_NAME.get(name)
    if column is None:
        # Both names: no Chinese one has a space in it.
        first, _, rest = name.replace("/", " ").partition(" ")
        if _BY_NAME.get(first) is _BY_NAME.get(cleaned(rest)):
            column = _BY_NAME.get(first)
    if column is not None and units and column.id != "amount":
        return None, []
    return column, units


def _unit(units: list[str]) -> tuple[Unit | None, tuple[str, dict[str, Any]] | None]:
    """The unit, or the code and values of what is wrong with it."""
    if not units:
        return None, ("unit_missing", {"units": UNITS_THERE_ARE})
    for unit in units:
        if unit not in UNIT_BY_SPELLING:
            return None, ("unit_unknown", {"unit": shown(unit), "units": UNITS_THERE_ARE})
    named = {UNIT_BY_SPELLING[unit].name: UNIT_BY_SPELLING[unit] for unit in units}
    if len(named) > 1:
        return None, ("unit_twice", {"units": tuple(named)})
    return next(iter(named.values())), None
