"""The rows of a CSV file, as Excel, WPS and other programs write one."""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from service.sheets.cells import HEADER_AMONG_ROWS, RawRow, SheetError, SheetRefused, cleaned
from service.sheets.files import contains, parts_of, refused

SEPARATORS: Final = (",", ";", "\t")
# By the mark at the beginning of the file.
MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Excel on a Chinese Windows writes the second.
UNMARKED: Final = ("utf-8", "gb18030")
# As much as the csv module takes in one cell.
LINE_CHARACTERS_MAX: Final = 2**17


# How many columns of the header are known among the first rows of a sheet.
KnownColumns = Callable[[Iterable[RawRow]], int]


class CsvSource:
    """A file whose encoding and separator are known. Raises SheetRefused where it is no text."""

    def __init__(self, path: Path, known_columns: KnownColumns) -> None:
        self.encoding = _encoding_of(path)
        self._path = path
        self._known_columns = known_columns
        self._file: TextIO | None = None
        self._bytes = path.stat().st_size
        self._separator = self._best_separator()

    def rows(self, last: int | None = None) -> Iterator[RawRow]:
        """Every row that is not empty, numbered as a spreadsheet shows it, up to the `last`.

        Raises SheetRefused where it breaks off.
        """
        with self._path.open(encoding=self.encoding, newline="") as file:
            self._file = file
            yield from self._rows(file, self._separator, last)

    @property
    def share_read(self) -> float:
        """Of the last reading, from 0 to 1."""
        if self._file is None:
            return 0.0
        return 1.0 if self._file.closed else self._file.buffer.tell() / self._bytes

    def _best_separator(self) -> str:
        """By which most columns of the header are known; a comma where there is no header."""

        def known(separator: str) -> int:
            with self._path.open(encoding=self.encoding, newline="") as file:
                try:
                    return self._known_columns(self._rows(file, separator, HEADER_AMONG_ROWS))
                except SheetRefused:
                    return 0

        return max(SEPARATORS, key=known)

    def _rows(self, file: TextIO, separator: str, last: int | None = None) -> Iterator[RawRow]:
        lines = _Lines(file)
        reader = csv.reader(iter(lines), delimiter=separator, strict=True)
        for number in count(1) if last is None else range(1, last + 1):
            try:
                cells = next(reader, None)
            except csv.Error:
                raise SheetRefused(SheetError.of("quotes_unbalanced", row=number)) from None
            if lines.too_long:
                raise SheetRefused(SheetError.of("line_too_long", row=number, limit=LINE_CHARACTERS_MAX))
            if cells is None:
                return
            filled = {place: cell for place, cell in enumerate(cells) if cleaned(cell)}
            if filled:
                yield RawRow(number, filled, len(cells))


class _Lines:
    """The lines of a text, none of which is longer than is good for the memory."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.too_long = False

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(LINE_CHARACTERS_MAX):
            if len(line) == LINE_CHARACTERS_MAX and line[-1] not in "\r\n":
                self.too_long = True
                return
            yield line


class _Flaw(NamedTuple):
    """Where a text is not what its encoding says; lines count from 1."""

    line: int
    nul: bool


def _encoding_of(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    for mark, encoding in MARKS:
        if start.startswith(mark):
            flaw = _flaw(path, encoding)
            if flaw is None:
                return encoding
            code = "nul_bytes" if flaw.nul else "encoding_broken"
            raise refused(code, encoding=encoding.removesuffix("-sig").upper(), line=flaw.line)
    lines = []
    for encoding in UNMARKED:
        flaw = _flaw(path, encoding)
        if flaw is None:
            return encoding
        lines.append(flaw.line)
        if flaw.nul:
            raise refused("nul_bytes", line=flaw.line)
    # A byte that is 0 in no text of these encodings tells UTF-16 without its mark.
    raise refused("nul_bytes" if contains(path, b"\0") else "encoding_unknown", line=max(lines))


def _flaw(path: Path, encoding: str) -> _Flaw | None:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line = 1
    for part in chain(parts_of(path), (b"",)):
        try:
            text = decoder.decode(part, final=not part)
        except UnicodeDecodeError as wrong:
            return _Flaw(line + wrong.object[: wrong.start].count(b"\n"), nul=False)
        if "\0" in text:
            return _Flaw(line + text[: text.index("\0")].count("\n"), nul=True)
        line += text.count("\n")
    return None
