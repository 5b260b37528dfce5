"""Workbooks that people download: cells stay what was put into them, however they look."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import xlsxwriter  # type: ignore[import-untyped]

XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# What a spreadsheet would take for a formula; in East Asia the full-width signs too.
FORMULA_BEGINNINGS: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
# A sheet has 2²⁰ rows, the first of which is its header; what is written beyond is dropped without a word.
LINES_EACH_SHEET: Final = 2**20 - 1

Cells: TypeAlias = Sequence[str | int | float | None]


def shown_text(value: str | None) -> str:
    """As a spreadsheet shows it, never as it would compute it, also after it was saved as CSV."""
    shown = value or ""
    return f"'{shown}" if shown.startswith(FORMULA_BEGINNINGS) else shown


def open_book(path: Path, *, in_order: bool = True) -> Any:
    """A workbook of XlsxWriter that is written row after row, in constant memory; or, if not `in_order`, in any way,
    and kept in memory until it is closed."""
    # Text stays text: no cell becomes a formula, a number or a link by how it looks.
    plain = {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    return xlsxwriter.Workbook(path, {"constant_memory": in_order, **plain})


class Lines:
    """Rows below a header, on as many sheets as they take: `name`, `name 2` and so on. The first is there also where
    there is no row. Not for two threads at once."""

    def __init__(self, book: Any, name: str, header: Sequence[str], widths: Sequence[int]) -> None:
        """`widths`: of the columns, in characters; the last is that of all that follow."""
        self._book = book
        self._bold = book.add_format({"bold": True})
        self._name, self._header, self._widths = name, header, widths
        self._sheets = 0
        self._begin_sheet()

    def write(self, rows: Iterable[Cells], formats: Sequence[Any] = ()) -> None:
        """The next rows, each with a cell for each column; an empty string is no cell. `formats`: by column."""
        for cells in rows:
            if self._row > LINES_EACH_SHEET:
                self._begin_sheet()
            if formats:
                for column, cell in enumerate(cells):
                    if cell not in ("", None):
                        self._sheet.write(self._row, column, cell, formats[column])
            else:
                self._sheet.write_row(self._row, 0, cells)
            self._row += 1

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet(self._name if self._sheets == 1 else f"{self._name} {self._sheets}")
        for column in range(len(self._header)):
            self._sheet.set_column(column, column, self._widths[min(column, len(self._widths) - 1)])
        self._sheet.freeze_panes(1, 0)
        self._sheet.write_row(0, 0, self._header, self._bold)
        self._row = 1
