"""Reading a factor set's factors from a CSV file, as a spreadsheet writes it. Pure.

Nothing is repaired or guessed: what is not as it should be is named with its row and column, all of it.
"""

import csv
import io
import re
from typing import Final, NamedTuple

import pydantic

from schemas.carbon import FACTORS_MAX, Factor
from service.field_words import in_plain_words

COLUMNS: Final = ("material", "milligrams_co2e_per_kg", "stands_for")
HEADERS: Final = (COLUMNS, ("品类", "每千克毫克CO2e", "对应条目"))
FILE_BYTES_MAX: Final = 2**20
# With GB18030 second: it can read nearly anything, and UTF-8 only what is UTF-8.
ENCODINGS: Final = ("utf-8-sig", "gb18030")

HEADER_WANTED: Final = " or ".join(",".join(header) for header in HEADERS)
EMPTY: Final = "is empty; of merged cells only the first has the value, so write it into every row"
NOT_WHOLE: Final = (
    "must be a whole number of milligrams, in digits only, without unit, sign, separator or decimals:"
    " 0.22 kg of CO2e per kg is 220000"
)


class CellMistake(NamedTuple):
    """`row` counts as the spreadsheet does, from 1, which is the header; `column` is None where it is the whole row."""

    row: int
    column: str | None
    detail: str

    def __str__(self) -> str:
        where = f"row {self.row}" if self.column is None else f"row {self.row}, {self.column}"
        return f"{where}: {self.detail.rstrip('.')}."


class FactorRow(NamedTuple):
    """A row as it stands in the file; `factor` is None where there is a mistake in it."""

    row: int
    cells: tuple[str, str, str]
    factor: Factor | None


class FactorFile(NamedTuple):
    rows: list[FactorRow]
    mistakes: list[CellMistake]


def read_factors(content: bytes) -> FactorFile:
    """Every row below the header, empty ones left out, and every mistake. `content` is UTF-8 or GB18030."""
    if len(content) > FILE_BYTES_MAX:
        return _unreadable(f"the file has {len(content)} bytes; {FILE_BYTES_MAX} are the most")
    text = _decoded(content)
    if text is None:
        return _unreadable("this is no text in UTF-8 or GB18030; save the sheet as CSV, and not as a workbook")
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return _unreadable(f"this is no CSV: {error}")
    if not any(map(_filled, records)):
        return _unreadable("the file is empty")
    if tuple(_trimmed(records[0])) not in HEADERS:
        return _unreadable(f"the first row must be {HEADER_WANTED}, with commas between")
    read = FactorFile([], [])
    for number, record in enumerate(records[1:], start=2):
        if _filled(record):
            _read_row(number, _trimmed(record), read)
    if not read.rows:
        read.mistakes.append(CellMistake(2, None, "there is no factor below the header"))
    if len(read.rows) > FACTORS_MAX:
        read.mistakes.append(CellMistake(read.rows[FACTORS_MAX].row, None, f"{FACTORS_MAX} factors are the most"))
    return read


def _unreadable(detail: str) -> FactorFile:
    return FactorFile([], [CellMistake(1, None, detail)])


def _decoded(content: bytes) -> str | None:
    for encoding in ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # In a workbook, and in UTF-16, every other character is one of these.
        return None if "\0" in text else text.removeprefix("\ufeff")
    return None


def _filled(record: list[str]) -> bool:
    return any(cell.strip() for cell in record)


def _trimmed(record: list[str]) -> list[str]:
    """Without the empty columns that spreadsheets write behind the last one."""
    cells = [cell.strip() for cell in record]
    while len(cells) > len(COLUMNS) and not cells[-1]:
        cells.pop()
    return cells


def _read_row(number: int, record: list[str], read: FactorFile) -> None:
    cells = (*record, "", "", "")[: len(COLUMNS)]
    mistakes = [CellMistake(number, column, EMPTY) for column, cell in zip(COLUMNS, cells, strict=True) if not cell]
    if len(record) > len(COLUMNS):
        mistakes.append(CellMistake(number, None, f"has {len(record)} cells; {len(COLUMNS)} are wanted"))
    material, milligrams, stands_for = cells
    if milligrams and not re.fullmatch(r"[0-9]{1,18}", milligrams):
        mistakes.append(CellMistake(number, COLUMNS[1], NOT_WHOLE))
    factor = None
    if not mistakes:
        try:
            factor = Factor(material=material, milligrams_co2e_per_kg=int(milligrams), stands_for=stands_for)
        except pydantic.ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            mistakes = [CellMistake(number, str(each["loc"][0]), in_plain_words(each, Factor)) for each in found]
    read.mistakes.extend(mistakes)
    read.rows.append(FactorRow(number, (material, milligrams, stands_for), factor))
