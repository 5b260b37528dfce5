"""A statement as a workbook: its totals on one sheet, its lines on as many more as they take."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from service.files.sheets import Cells, Lines, open_book

COLUMN_CHARACTERS: Final = 22


class Workbook:
    """The workbook as it is written to a file, line after line, in constant memory. Not for two threads at once."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._book = open_book(path)
        self._bold = self._book.add_format({"bold": True})
        self._header = header
        self._lines: Lines

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
        self._lines = Lines(self._book, "明细 Lines", self._header, [COLUMN_CHARACTERS])

    def write(self, lines: Iterable[Cells]) -> None:
        """The next lines, each with a cell for each column; an empty string is no cell."""
        self._lines.write(lines)
