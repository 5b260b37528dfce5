"""A statement as a workbook: its totals on one sheet, its lines on as many more as they take.

XlsxWriter makes the workbook with empty sheets; the lines are put into them while it is packed. A line takes XlsxWriter
40 µs, all with the interpreter locked, and 5 µs as it is written here: half a million lines would slow a replica down
for most of a minute.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeAlias
from xml.sax.saxutils import escape

import xlsxwriter  # type: ignore[import-untyped]

# A sheet has 2²⁰ rows, the first of which is its header.
LINES_EACH_SHEET: Final = 2**20 - 1
COLUMNS: Final = "ABCDEFG"
COLUMN_CHARACTERS: Final = 22
# Nearly as small as the usual 6, in two thirds of its time.
COMPRESSION: Final = 3
END_OF_ROWS: Final = b"</sheetData>"

Cells: TypeAlias = Sequence[str | int]


def frame(summary: Iterable[tuple[str, str | int]], payable_fen: int, header: Sequence[str], lines: int) -> bytes:
    """A workbook with the totals, and with a sheet for each so many lines that has only their header."""
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        bold = book.add_format({"bold": True})
        sheet = book.add_worksheet("结算单 Statement")
        sheet.set_column(0, 0, 34)
        sheet.set_column(1, 1, 40)
        place = 0
        for place, (name, amount) in enumerate(summary):
            sheet.write_string(place, 0, name, bold)
            if isinstance(amount, int):
                sheet.write_number(place, 1, amount)
            else:
                sheet.write_string(place, 1, amount)
        sheet.write_string(place + 1, 0, "应付金额（元）Payable, yuan", bold)
        # A double holds every amount up to 90 billion yuan to the fen.
        sheet.write_number(place + 1, 1, payable_fen / 100, book.add_format({"num_format": "#,##0.00"}))
        for number in range(sheets_of(lines)):
            sheet = book.add_worksheet("明细 Lines" if number == 0 else f"明细 Lines {number + 1}")
            sheet.set_column(0, len(COLUMNS) - 1, COLUMN_CHARACTERS)
            sheet.freeze_panes(1, 0)
            for column, name in enumerate(header):
                sheet.write_string(0, column, name, bold)
    return made.getvalue()


def sheets_of(lines: int) -> int:
    return max(1, -(-lines // LINES_EACH_SHEET))


class Packing:
    """The workbook as it is written to a file, line after line. Not for two threads at once."""

    def __init__(self, frame: bytes, path: Path, lines: int) -> None:
        """`lines` as the frame was made for."""
        self._frame = zipfile.ZipFile(io.BytesIO(frame))
        self._packed = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION)
        self._lines = lines
        self._number = 0
        self._sheet: Any = None
        self._tail = b""
        self._row = 0

    def __enter__(self) -> Self:
        waiting = {self._name(number) for number in range(1, sheets_of(self._lines) + 1)}
        for part in self._frame.infolist():
            if part.filename not in waiting:
                self._packed.writestr(part, self._frame.read(part))
        self._begin_sheet()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end_sheet()
        self._packed.close()

    def write(self, lines: Sequence[Cells]) -> None:
        """The next lines, each with a cell for each column; an empty string is no cell."""
        while lines:
            left = LINES_EACH_SHEET + 1 - self._row
            if left == 0:
                self._end_sheet()
                self._begin_sheet()
                continue
            rows = (row_of(self._row + place, cells) for place, cells in enumerate(lines[:left], start=1))
            self._sheet.write("".join(rows).encode())
            self._row += min(left, len(lines))
            lines = lines[left:]

    @staticmethod
    def _name(number: int) -> str:
        # The totals are the first.
        return f"xl/worksheets/sheet{number + 1}.xml"

    def _begin_sheet(self) -> None:
        self._number += 1
        name = self._name(self._number)
        lines = min(LINES_EACH_SHEET, self._lines - (self._number - 1) * LINES_EACH_SHEET)
        head, self._tail = self._frame.read(name).split(END_OF_ROWS)
        area = f'<dimension ref="A1:{COLUMNS[-1]}{lines + 1}"/>'
        self._sheet = self._packed.open(name, "w")
        self._sheet.write(head.replace(f'<dimension ref="A1:{COLUMNS[-1]}1"/>'.encode(), area.encode()))
        self._row = 1

    def _end_sheet(self) -> None:
        self._sheet.write(END_OF_ROWS + self._tail)
        self._sheet.close()


def row_of(row: int, cells: Cells) -> str:
    """A row of a sheet as Office Open XML (ECMA-376) has it, with its strings in their cells."""
    written = [
        f'<c r="{column}{row}"><v>{cell}</v></c>'
        if isinstance(cell, int)
        else f'<c r="{column}{row}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
        for column, cell in zip(COLUMNS, cells, strict=True)
        if cell != ""
    ]
    return f'<row r="{row}">{"".join(written)}</row>'
