"""What the rows of a sheet come to, one after the other, beside what is recorded. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from service.business_days import business_day
from service.indicator.evidence import Document
from service.indicator.importing.amounts import Unit, written_amount
from service.indicator.importing.columns import ColumnId
from service.indicator.importing.sheet import SheetRow
from service.indicator.newly_due import can_make_due
from service.indicator.recording import Book, Effect, EffectKind, Entry, Identity, Latest, Refusal
from service.sheets.cells import SheetError, shown

Value = TypeVar("Value")
# Row, column, code, Chinese and English.
TellError = Callable[[int, ColumnId, str, str, str], SheetError]


class Deciding:
    """The first effects and errors are kept, so many as `told_max`; all are counted. `document` is the file itself,
    `unit` that of its amounts, `zone` that of the business day."""

    def __init__(
        self, book: Book, document: Document, error: TellError, *, unit: Unit, zone: str, told_max: int
    ) -> None:
        self._book = book
        self._document = document
        self._error = error
        self._unit = unit
        self._zone = zone
        self._told_max = told_max
        self._first_rows: dict[Identity, int] = {}
        self._shared: dict[object, object] = {}
        self._last_row: int | None = None
        self.rows = 0
        self.counts: Final[Counter[EffectKind]] = Counter()
        self.effects: Final[list[tuple[int, Effect]]] = []
        self.errors: Final[list[SheetError]] = []
        self.errors_found = 0
        # What may make somebody owe months.
        self.changing: Final[list[Identity]] = []

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
            if can_make_due(found):
                self.changing.append(found.entry.identity)
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
        latest = self._book.latest(entry.identity)
        if latest is not None and _takes_back(entry, latest):
            return self._corrected_meanwhile(row.number, latest)
        found = self._book.enter(entry)
        if not isinstance(found, Refusal):
            return found
        zh, en = found.zh, found.en
        if found.beside is not None and self._is_of_this_file(found.beside):
            zh, en = self._overlaps_row(entry.identity, found.beside)
        return self._error(row.number, found.field, found.code, zh, en)

    def _is_of_this_file(self, identity: Identity) -> bool:
        latest = self._book.latest(identity)
        return latest is not None and latest.recorded_at is None

    def _overlaps_row(self, identity: Identity, beside: Identity) -> tuple[str, str]:
        """Nothing of this file is recorded yet, so nothing is there to be corrected."""
        row = self._first_rows[beside]
        (zh, en), (other_zh, other_en) = self._book.told(identity), self._book.told(beside)
        return (
            f"本行（{zh}）与第 {row} 行（{other_zh}）重叠，同一重量会计两次。请只留其中之一。",
            f"This row, the {en}, overlaps row {row}, the {other_en}: the same would count twice. Leave one of them.",
        )

    def _corrected_meanwhile(self, row: int, latest: Latest) -> SheetError:
        name = shown(latest.document.name)
        at = latest.recorded_at
        on = self._document.day if at is None else business_day(at, self._zone)
        if latest.amount is None:
            zh = f"已于 {on} 依据“{name}”撤回，而本行没有写文件。请删除本行；若应恢复，请写明依据的文件和日期。"
            en = (
                f"This was withdrawn on {on} by the document “{name}”, and the row names none. Leave the row out; or"
                " name the document, with its date, that brings it back."
            )
        else:
            amount = written_amount(latest.amount, self._unit)
            zh = (
                f"已于 {on} 依据“{name}”录入 {amount}，本行与之不同，又没有写文件。请删除本行或改为 {amount}；"
                "若本行为准，请写明依据的文件和日期。"
            )
            en = (
                f"{amount} was recorded on {on} by the document “{name}”; the row says otherwise and names none. Leave"
                f" the row out or write {amount}; or name the document, with its date, that the row stands on."
            )
        return self._error(row, "amount", "corrected_meanwhile", zh, en)

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


def _takes_back(entry: Entry, latest: Latest) -> bool:
    """Whether a sheet, as it was before, would take back what a document of its own has corrected or withdrawn since.
    A row that names its document may, and so may a sheet what only a sheet has said."""
    return entry.is_in_document and not latest.is_of_sheet and entry.amount != latest.amount
