"""What the rows of a sheet come to, one after the other, beside what is recorded. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from service.indicator.evidence import Document
from service.indicator.importing.columns import ColumnId
from service.indicator.importing.sheet import SheetError, SheetRow
from service.indicator.recording import Book, Effect, EffectKind, Entry, Identity, Refusal

Value = TypeVar("Value")
# Row, column, code, Chinese and English.
TellError = Callable[[int, ColumnId, str, str, str], SheetError]


class Deciding:
    """The first effects and errors are kept, so many as `told_max`; all are counted. `document` is the file itself."""

    def __init__(self, book: Book, document: Document, error: TellError, *, told_max: int) -> None:
        self._book = book
        self._document = document
        self._error = error
        self._told_max = told_max
        self._first_rows: dict[Identity, int] = {}
        self._shared: dict[object, object] = {}
        self._last_row: int | None = None
        self.rows = 0
        self.counts: Final[Counter[EffectKind]] = Counter()
        self.effects: Final[list[tuple[int, Effect]]] = []
        self.errors: Final[list[SheetError]] = []
        self.errors_found = 0

    def take(self, read: Iterable[SheetRow | SheetError]) -> list[Effect]:
        """What these rows change."""
        changes: list[Effect] = []
        for each in read:
            if isinstance(each, SheetError):
                self._refuse(each)
                continue
            self._count(each.number)
            found = self._decide(each)
            if isinstance(found, SheetError):
                self._refuse(found)
                continue
            self.counts[found.kind] += 1
            if len(self.effects) < self._told_max:
                self.effects.append((each.number, found))
            if found.kind != "unchanged":
                changes.append(found)
        return changes

    def _count(self, row: int | None) -> None:
        """A row may have several errors."""
        if row is not None and row != self._last_row:
            self.rows += 1
            self._last_row = row

    def _refuse(self, error: SheetError) -> None:
        self._count(error.row)
        self.errors_found += 1
        if len(self.errors) < self._told_max:
            self.errors.append(error)

    def _decide(self, row: SheetRow) -> Effect | SheetError:
        entry = self._entry(row)
        if isinstance(entry, SheetError):
            return entry
        first = self._first_rows.setdefault(entry.identity, row.number)
        if first != row.number:
            return self._error(
                row.number,
                "area",
                "repeated_in_file",
                f"与第 {first} 行是同一项（区域、期间、类别、来源、材料都相同）。请只留一行。",
                f"This is the same input as row {first}: area, period, kind, source and material. Leave one of them.",
            )
        found = self._book.enter(entry)
        if isinstance(found, Refusal):
            return self._error(row.number, found.field, found.code, found.zh, found.en)
        return found

    def _entry(self, row: SheetRow) -> Entry | SheetError:
        is_in_document = row.document_sha256 == self._document.sha256
        if row.document_date is None and not is_in_document:
            return self._error(
                row.number,
                "document_date",
                "document_date_missing",
                "填写了文件名称，却没有文件日期。请填写文件上的日期，或清空文件（以导入的文件为凭证）。",
                "A document is named without its date. Write the day that it bears; or name none, and the imported file"
                " is the document.",
            )
        document = Document(row.document_name, row.document_date or self._document.day, row.document_sha256)
        return Entry(
            area_id=self._share(row.area),
            period=self._share(row.period),
            kind=self._share(row.kind),
            source=self._share(row.source),
            material=self._share(row.material),
            amount=row.amount,
            document=self._share(document),
            entered=row.entered,
            is_in_document=is_in_document,
        )

    def _share(self, value: Value) -> Value:
        """Equal values once: thousands of rows are of one area, month and source, and the book keeps them all."""
        return self._shared.setdefault(value, value)  # type: ignore[return-value]
