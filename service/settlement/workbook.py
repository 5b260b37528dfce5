"""A statement as a workbook: its totals on one sheet, its lines on as many more as they take."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import xlsxwriter  # type: ignore[import-untyped]

# A sheet has 2²⁰ rows, the first of which is its header; what is written beyond is dropped without a word.
LINES_EACH_SHEET: Final = 2**20 - 1
COLUMN_CHARACTERS: Final = 22

Cells: TypeAlias = Sequence[str | int]


class Workbook:
    """The workbook as it is written to a file, line after line, in constant memory. Not for two threads at once."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        # Text stays text: no cell becomes a formula, a number or a link by how it looks.
        plain = {"strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
        self._book = xlsxwriter.Workbook(path, {"constant_memory": True, **plain})
        self._bold = self._book.add_format({"bold": True})
        self._header = header
        self._sheets = 0
        self._sheet: Any = None
        self._row = 0

    def close(self) -> None:
        """Pack what was written; also where it is not whole, or its parts would stay behind."""
        self._book.close()

    def write_totals(self, totals: Iterable[tuple[str, str | int]], payable_fen: int) -> None:
        """The first sheet, before any line."""
        sheet = self._book.add_worksheet("结算单 Statement")
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 1, 40)
        place = -1
        for place, (name, amount) in enumerate(totals):
            sheet.write_string(place, 0, name, self._bold)
            sheet.write(place, 1, amount)
        sheet.write_string(place + 1, 0, "应付金额（元）Payable, yuan", self._bold)
        # A double holds every amount up to 90 billion yuan to the fen.
        sheet.write_number(place + 1, 1, payable_fen / 100, self._book.add_format({"num_format": "#,##0.00"}))
        self._begin_sheet()

    def write(self, lines: Iterable[Cells]) -> None:
        """The next lines, each with a cell for each column; an empty string is no cell."""
        for cells in lines:
            if self._row > LINES_EACH_SHEET:
                self._begin_sheet()
            self._sheet.write_row(self._row, 0, cells)
            self._row += 1

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._book.add_worksheet("明细 Lines" if self._sheets == 1 else f"明细 Lines {self._sheets}")
        self._sheet.set_column(0, len(self._header) - 1, COLUMN_CHARACTERS)
        self._sheet.freeze_panes(1, 0)
        self._sheet.write_row(0, 0, self._header, self._bold)
        self._row = 1
