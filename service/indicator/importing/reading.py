"""Reading a CSV file or a workbook of indicator inputs, row by row; no database, no web.

Memory does not grow with the file, but for the texts that a workbook shares. Hidden rows and columns are read like any
other, because leaving them out would lose a mass without a word; a notice says that they were.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path
from typing import Final, Literal, TypeAlias

from service.indicator.importing.columns import (
    ColumnId,
    Header,
    columns_of_header,
    find_header,
    header_missing,
    read_header,
)
from service.indicator.importing.rows import DOCUMENT_CHARACTERS, FORBIDDEN, FileDocument, Known, read_row
from service.indicator.importing.sheet import SheetRow, input_error
from service.indicator.kinds import KINDS, Kind
from service.sheets.cells import (
    HEADER_AMONG_ROWS,
    Limits,
    RawRow,
    SheetError,
    SheetNotice,
    SheetRefused,
    cleaned,
    column_letter,
    shown,
)
from service.sheets.csv_source import CsvSource
from service.sheets.files import check_size, form_of, sha256_of
from service.sheets.package import broken
from service.sheets.xlsx_source import MergedArea, MergedRows, XlsxSheet, XlsxSource, header_sheets

Read: TypeAlias = SheetRow | SheetError
CHUNK_ROWS: Final = 1_000
SHEETS_SHOWN: Final = 20
WORKBOOK_NAMES: Final = (".xlsx", ".xlsm")
NO_TEXT: Final = frozenset({"nul_bytes", "encoding_unknown", "encoding_broken"})
DEFAULT_LIMITS: Final = Limits()


class Sheet:
    """A file whose header is right. Each iteration reads it anew, from the row below the header to the end.

    What is wrong comes as SheetErrors among the rows, in their order: as many as the limit, then one that says so.
    """

    def __init__(self, source: "_Source", header: Header, known: Known, document: FileDocument, limits: Limits) -> None:
        self._source = source
        self._known = known
        self._document = document
        self._limits = limits
        self._begun = False
        self.header: Final = header

    @property
    def sha256(self) -> str:
        """Of the file, in hex."""
        return self._document.sha256

    @property
    def form(self) -> Literal["csv", "xlsx"]:
        return self._source.form

    @property
    def read_as(self) -> str:
        """The encoding of a CSV file, or the name of a workbook's sheet."""
        return self._source.read_as

    @property
    def share_read(self) -> float:
        """How much of the file the present iteration has read, from 0 to 1."""
        return self._source.share_read if self._begun else 0.0

    @property
    def notices(self) -> tuple[SheetNotice, ...]:
        """What the last iteration noticed; whole when it is over."""
        return tuple(self._source.notices(self.header))

    def error(self, row: int, column: ColumnId, code: str, zh: str, en: str) -> SheetError:
        """What the caller found wrong in a cell that could be read, with the place before the words."""
        return replace(self.header.error("said", row, column, zh=zh, en=en), code=code)

    def __iter__(self) -> Iterator[Read]:
        self._begun = True
        count = told = 0
        try:
            for raw in self._source.rows(self.header):
                count += 1
                if count > self._limits.rows:
                    yield input_error("too_many_rows", row=raw.number, limit=self._limits.rows)
                    return
                read = self._read(raw)
                if isinstance(read, SheetRow):
                    yield read
                    continue
                for error in read:
                    if told == self._limits.errors:
                        yield input_error("more_errors", row=raw.number, limit=told)
                        return
                    told += 1
                    yield error
        except SheetRefused as refusal:
            yield from refusal.errors
            return
        if not count:
            yield input_error("no_rows")

    def _read(self, raw: RawRow) -> SheetRow | list[SheetError]:
        new, merged = self._source.merged(raw.number)
        if merged:
            return [self.header.error("merged", raw.number, area.first_column, area=area) for area in new]
        return read_row(raw, self.header, self._known, self._document, self._limits)


def read_sheet(
    path: Path,
    *,
    kinds: Mapping[str, Kind] = KINDS,
    areas: Mapping[str, Sequence[str]] | None = None,
    materials: Mapping[str, Sequence[str]] | None = None,
    file_name: str | None = None,
    sheet_name: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Sheet:
    """The sheet of inputs in a file, told by its content: CSV, or a workbook (.xlsx) and there the visible sheet that
    has the header, or the one named. Blocks: for a thread.

    `areas` and `materials` map ids to names; where they are given, rows may name either and anything else is an error.
    `file_name` is the document's name where a row names none; the path's by default.
    Raises SheetRefused with all that is wrong where no row can be read, and OSError.
    """
    check_size(path, limits)
    source: _Source
    if form_of(path) == "csv":
        source = _CsvTable(_csv_source(path, file_name or path.name))
    else:
        source = _XlsxTable.found(XlsxSource(path, limits), sheet_name)
    head = find_header(source.first_rows())
    if head is None:
        raise header_missing()
    header = read_header(head, limits)
    source.look(header)
    document = FileDocument(shown_name(file_name or path.name), sha256_of(path))
    return Sheet(source, header, Known.of(kinds, areas, materials), document, limits)


def _csv_source(path: Path, name: str) -> CsvSource:
    """Raises SheetRefused; what is no text and is called a workbook is told to be a damaged one."""
    try:
        return CsvSource(path, columns_of_header)
    except SheetRefused as refusal:
        if name.casefold().endswith(WORKBOOK_NAMES) and {each.code for each in refusal.errors} <= NO_TEXT:
            raise broken("zip") from None
        raise


async def read_chunks(sheet: Sheet, rows: int = CHUNK_ROWS) -> AsyncIterator[list[Read]]:
    """The same off the event loop, so many at a time."""
    found = iter(sheet)
    while chunk := await asyncio.to_thread(_next, found, rows):
        yield chunk


def _next(found: Iterator[Read], rows: int) -> list[Read]:
    return list(islice(found, rows))


def shown_name(name: str) -> str:
    """A file's name as that of a document."""
    return cleaned(FORBIDDEN.sub(" ", name))[:DOCUMENT_CHARACTERS]


class _CsvTable:
    form: Final = "csv"

    def __init__(self, source: CsvSource) -> None:
        self._source = source
        self.read_as: Final = source.encoding

    @property
    def share_read(self) -> float:
        return self._source.share_read

    def first_rows(self) -> Iterator[RawRow]:
        return self._source.rows(HEADER_AMONG_ROWS)

    def look(self, header: Header) -> None:
        """Nothing in a text is merged or hidden."""

    def rows(self, header: Header) -> Iterator[RawRow]:
        return (row for row in self._source.rows() if row.number > header.row)

    def merged(self, _: int) -> tuple[list[MergedArea], bool]:
        return [], False

    def notices(self, _: Header) -> Iterable[SheetNotice]:
        return ()


class _XlsxTable:
    form: Final = "xlsx"

    def __init__(self, sheet: XlsxSheet) -> None:
        self._sheet = sheet
        self.read_as: Final = sheet.name
        self._areas: list[MergedArea] = []
        self._hidden_columns: frozenset[int] = frozenset()
        self._merged = MergedRows((), 0, 0)
        self._hidden_rows = 0
        self._first_hidden_row = 0

    @classmethod
    def found(cls, source: XlsxSource, sheet_name: str | None) -> "_XlsxTable":
        """The one sheet with the header, or the one named. Raises SheetRefused, also where several have it: to leave
        one out would lose what stands in it without a word."""
        tables = [cls(source.sheet(part)) for part in header_sheets(source, sheet_name)]
        found = [table for table in tables if find_header(table.first_rows()) is not None]
        if not found:
            raise header_missing()
        if len(found) > 1:
            names = tuple(shown(table.read_as) for table in found[:SHEETS_SHOWN])
            raise SheetRefused(input_error("several_sheets", names=names))
        return found[0]

    @property
    def share_read(self) -> float:
        return self._sheet.share_read

    def first_rows(self) -> Iterator[RawRow]:
        return takewhile(lambda raw: raw.number <= HEADER_AMONG_ROWS, (row.raw for row in self._sheet.rows()))

    def look(self, header: Header) -> None:
        """Raises SheetRefused where the header is merged, or the sheet is not whole."""
        self._areas, hidden = self._sheet.layout()
        self._hidden_columns = hidden & header.names.keys()
        self._begin(header)

    def _begin(self, header: Header) -> None:
        self._merged = MergedRows(self._areas, header.row, header.width)
        self._hidden_rows = 0

    def rows(self, header: Header) -> Iterator[RawRow]:
        self._begin(header)
        for row in self._sheet.rows():
            if row.raw.number > header.row:
                if row.hidden:
                    self._first_hidden_row = self._first_hidden_row if self._hidden_rows else row.raw.number
                    self._hidden_rows += 1
                yield row.raw

    def merged(self, row: int) -> tuple[list[MergedArea], bool]:
        return self._merged.meet(row)

    def notices(self, header: Header) -> Iterable[SheetNotice]:
        if self._hidden_rows:
            yield SheetNotice.of("hidden_rows", count=self._hidden_rows, first=self._first_hidden_row)
        if self._hidden_columns:
            columns = tuple(f"{column_letter(place)} {header.names[place]}" for place in sorted(self._hidden_columns))
            yield SheetNotice.of("hidden_columns", columns=columns)


_Source: TypeAlias = _CsvTable | _XlsxTable
