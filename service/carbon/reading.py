"""Reading a factor set's factors from a CSV file, as a spreadsheet writes it; no database.

Nothing is repaired or guessed: what is not as it should be is named with its row and column, all of it.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pydantic

from schemas.carbon import FACTORS_MAX, Factor
from service.field_words import in_plain_words, in_plain_words_zh
from service.sheets.cells import Limits, RawRow, SheetError, SheetRefused, cleaned
from service.sheets.csv_source import CsvSource
from service.sheets.files import check_size, form_of

COLUMNS: Final = ("material", "milligrams_co2e_per_kg", "stands_for")
HEADERS: Final = (COLUMNS, ("品类", "每千克毫克CO2e", "对应条目"))
LIMITS: Final = Limits(file_bytes=2**20)

COLUMNS_ZH: Final = dict(zip(*HEADERS, strict=True))
HEADER_WANTED: Final = " or ".join(",".join(header) for header in HEADERS)
# English and Chinese, as every mistake is told.
Words = tuple[str, str]
EMPTY: Final[Words] = (
    "is empty; of merged cells only the first has the value, so write it into every row",
    "没有填写；合并的单元格只有第一格有值，请逐行填写",
)
NOT_WHOLE: Final[Words] = (
    "must be a whole number of milligrams, in digits only, without unit, sign, separator or decimals:"
    " 0.22 kg of CO2e per kg is 220000",
    "应为毫克整数，只写数字，不带单位、正负号、分隔符和小数：每千克 0.22 千克 CO2e 写作 220000",
)


class CellMistake(NamedTuple):
    """`row` counts as the spreadsheet does, from 1, which is the header; `column` is None where it is the whole row.
    As a string it is told in English."""

    row: int
    column: str | None
    detail: str
    detail_zh: str

    def __str__(self) -> str:
        where = f"row {self.row}" if self.column is None else f"row {self.row}, {self.column}"
        return f"{where}: {self.detail.rstrip('.')}."

    @property
    def zh(self) -> str:
        where = f"第 {self.row} 行" if self.column is None else f"第 {self.row} 行“{COLUMNS_ZH[self.column]}”"
        return f"{where}：{self.detail_zh.rstrip('。')}。"


class FactorRow(NamedTuple):
    """A row as it stands in the file; `factor` is None where there is a mistake in it."""

    row: int
    cells: tuple[str, str, str]
    factor: Factor | None


class FactorFile(NamedTuple):
    rows: list[FactorRow]
    mistakes: list[CellMistake]


def read_factors(path: Path) -> FactorFile:
    """Every row below the header, empty ones left out, and every mistake. Blocks. Raises OSError."""
    read = FactorFile([], [])
    try:
        check_size(path, LIMITS)
        if form_of(path) != "csv":
            return _unreadable(
                1, "this is a workbook; save its sheet as CSV UTF-8", "这是工作簿，请把工作表另存为 CSV UTF-8"
            )
        rows = CsvSource(path, _columns_of_header).rows()
        header = next(rows, None)
        if header is None:
            return _unreadable(1, "the file is empty", "文件是空的，请填写后再导入")
        if _cells(header) not in HEADERS:
            return _unreadable(
                header.number,
                f"the first row must be {HEADER_WANTED}",
                f"首行应为 {' 或 '.join(','.join(each) for each in reversed(HEADERS))}",
            )
        for row in rows:
            _read_row(row.number, _cells(row), read)
    except SheetRefused as refusal:
        return FactorFile(read.rows, [*read.mistakes, *map(_refused, refusal.errors)])
    if not read.rows:
        zh = "表头下面没有因子，请填写后再导入"
        read.mistakes.append(CellMistake(2, None, "there is no factor below the header", zh))
    if len(read.rows) > FACTORS_MAX:
        beyond, zh = read.rows[FACTORS_MAX].row, f"至多 {FACTORS_MAX} 个因子，请删去多余的行"
        read.mistakes.append(CellMistake(beyond, None, f"{FACTORS_MAX} factors are the most", zh))
    return read


def _unreadable(row: int, detail: str, detail_zh: str) -> FactorFile:
    return FactorFile([], [CellMistake(row, None, detail, detail_zh)])


def _refused(error: SheetError) -> CellMistake:
    """What the reader of sheets tells, without the place that stands before its words there."""
    if not error.row:
        return CellMistake(1, None, error.en, error.zh)
    return CellMistake(error.row, None, error.en.partition(": ")[2], error.zh.partition("：")[2])


def _columns_of_header(rows: Iterable[RawRow]) -> int:
    """How many cells of the first row are names of columns."""
    known = {name for header in HEADERS for name in header}
    return sum(cell in known for cell in _cells(next(iter(rows), RawRow(1, {}))))


def _cells(row: RawRow) -> tuple[str, ...]:
    """Without the empty columns that spreadsheets write behind the last one."""
    return tuple(cleaned(str(row.cells.get(place, ""))) for place in range(max(row.cells, default=-1) + 1))


def _read_row(number: int, record: Sequence[str], read: FactorFile) -> None:
    cells = (*record, "", "", "")[: len(COLUMNS)]
    mistakes = [CellMistake(number, column, *EMPTY) for column, cell in zip(COLUMNS, cells, strict=True) if not cell]
    if len(record) > len(COLUMNS):
        found_zh = f"有 {len(record)} 个单元格，应为 {len(COLUMNS)} 个"
        mistakes.append(CellMistake(number, None, f"has {len(record)} cells; {len(COLUMNS)} are wanted", found_zh))
    material, milligrams, stands_for = cells
    if milligrams and not re.fullmatch(r"[0-9]{1,18}", milligrams):
        mistakes.append(CellMistake(number, COLUMNS[1], *NOT_WHOLE))
    factor = None
    if not mistakes:
        try:
            factor = Factor(material=material, milligrams_co2e_per_kg=int(milligrams), stands_for=stands_for)
        except pydantic.ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            mistakes = [
                CellMistake(number, str(each["loc"][0]), in_plain_words(each, Factor), in_plain_words_zh(each))
                for each in found
            ]
    read.mistakes.extend(mistakes)
    read.rows.append(FactorRow(number, (material, milligrams, stands_for), factor))
