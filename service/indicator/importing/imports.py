"""Importing a sheet of inputs: all or nothing, and each file once. Everything happens in the caller's transaction.

All is decided twice. The first time takes no lock and finds what is wrong, so that a file full of mistakes keeps nobody
waiting; the second decides and writes while nobody else records, from rows that need not be read again.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_moment_cursor
from schemas.imports import (
    TOLD_MAX,
    ImportCounts,
    ImportEffect,
    ImportRecord,
    ImportResult,
    Imports,
    ImportsQuery,
    ImportSummary,
    SheetProblem,
    SheetRemark,
)
from schemas.indicator_inputs import DueLine
from service.errors import ImportRefused, ImportUnknown
from service.indicator import queries
from service.indicator.evidence import Document
from service.indicator.importing import import_queries
from service.indicator.importing.deciding import Deciding
from service.indicator.importing.kept_rows import KeptRows
from service.indicator.importing.reading import Read, Sheet, read_chunks, read_sheet, shown_name
from service.indicator.importing.sheet import SheetRow
from service.indicator.inputs import due_after, gather_changing, open_book, write_effects
from service.indicator.recording import Book, Effect, Reach
from service.materials import material_names
from service.sheets.cells import Limits, SheetError, SheetRefused, column_letter
from service.sheets.files import sha256_of

Stage = Literal["checking", "recording"]
Progress = Callable[[Stage, float], None]
# All are counted, and the first are told.
ERRORS_MAX: Final = 10**9
NOTHING_TOLD: Final[Mapping[str, Any]] = {
    "effects": [],
    "effects_more": 0,
    "errors": [],
    "errors_more": 0,
    "newly_due": [],
    "newly_due_more": 0,
}
KEEP_ALIVE: Final = sa.text("SELECT 1")
KEEP_ALIVE_SECONDS: Final = 1.0
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that nobody changes meanwhile. `name` is what its sender calls it; `sheet_name` as read_sheet takes it."""

    path: Path
    name: str
    sheet_name: str | None
    file_bytes_max: int


def no_progress(_stage: Stage, _share: float) -> None:
    """Nobody watches."""


async def import_file(
    connection: AsyncConnection,
    upload: Upload,
    *,
    dry_run: bool,
    imported_by: UUID,
    today: date,
    zone: str,
    progress: Progress = no_progress,
) -> ImportResult:
    """What the file did, or with `dry_run` would do. `today` is the business day in `zone`.

    A file that was imported before, by its digest, is not imported again; the answer says when it was. Raises
    ImportRefused with all that is wrong, unless `dry_run`: then the answer says it.
    """
    try:
        sheet = await _read(connection, upload)
    except SheetRefused as refusal:
        errors = [_problem(each, None) for each in refusal.errors]
        return _unless_wrong(await _unreadable(upload, errors, dry_run=dry_run))
    before = await import_queries.find_import_of_file(connection, bytes.fromhex(sheet.sha256))
    running = _Running(connection, sheet, upload, today, zone, dry_run=dry_run)
    if before is not None and not dry_run:
        return running.imported(before)
    with KeptRows() as kept:
        found = await running.decide(running.read(None if dry_run else kept, progress), _write_nothing)
        # Of a file that is refused nothing becomes due.
        changing = await gather_changing(connection, () if found.errors_found else found.changing, today)
        due = await _kept_alive(connection, asyncio.to_thread(due_after, changing))
        checked = running.answer(found, import_id=None, before=before, due=due)
        if dry_run:
            return checked
        _unless_wrong(checked)
        # They hold all that is recorded of its years.
        del found, changing
        return await _record(running, kept, checked, due, imported_by, progress)


async def _record(
    running: "_Running",
    kept: KeptRows,
    checked: ImportResult,
    due: Sequence[DueLine],
    imported_by: UUID,
    progress: Progress,
) -> ImportResult:
    """Write what was checked, and makes months `due`. Raises ImportRefused where it cannot stand beside what was
    recorded meanwhile."""
    connection, sheet, upload = running.connection, running.sheet, running.upload
    await queries.lock_inputs(connection)
    # The same file may have been imported by somebody else while this one was checked.
    before = await import_queries.find_import_of_file(connection, bytes.fromhex(sheet.sha256))
    if before is not None:
        return running.imported(before)
    import_id = uuid.uuid4()
    await import_queries.insert_import(
        connection,
        id=import_id,
        sha256=bytes.fromhex(sheet.sha256),
        file_name=shown_name(upload.name),
        file_bytes=upload.path.stat().st_size,
        rows=checked.rows,
        imported_by=imported_by,
    )

    async def write(changes: list[Effect]) -> None:
        await write_effects(connection, changes, recorded_by=imported_by, import_id=import_id)

    found = await running.decide(running.read_again(kept, checked.rows, progress), write)
    return _unless_wrong(running.answer(found, import_id=import_id, before=None, due=due))


async def _write_nothing(_changes: list[Effect]) -> None:
    """While it is only looked at."""


async def _read(connection: AsyncConnection, upload: Upload) -> Sheet:
    """Raises SheetRefused."""
    areas = await import_queries.area_names(connection)
    materials = await material_names(connection)
    reading = asyncio.to_thread(
        read_sheet,
        upload.path,
        areas=areas,
        materials=materials,
        file_name=upload.name,
        sheet_name=upload.sheet_name,
        limits=replace(Limits(), file_bytes=upload.file_bytes_max, errors=ERRORS_MAX),
    )
    return await _kept_alive(connection, reading)


async def _kept_alive(connection: AsyncConnection, work: Coroutine[Any, Any, Result]) -> Result:
    """Its result. A workbook's merged cells stand behind all of its rows, and the server ends a transaction that pauses
    for as long as they may take."""
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait({task}, timeout=KEEP_ALIVE_SECONDS))[0]:
            await connection.execute(KEEP_ALIVE)
    finally:
        await asyncio.wait({task})
    return task.result()


class _Running:
    """One sheet beside what is recorded."""

    def __init__(
        self, connection: AsyncConnection, sheet: Sheet, upload: Upload, today: date, zone: str, *, dry_run: bool
    ) -> None:
        self.connection = connection
        self.sheet = sheet
        self.upload = upload
        self._today = today
        self._zone = zone
        self._dry_run = dry_run

    async def read(self, kept: KeptRows | None, progress: Progress) -> AsyncIterator[list[Read]]:
        """The rows and errors of the sheet; the rows go to `kept` too, where they are wanted again."""
        async for read in read_chunks(self.sheet):
            if kept is not None:
                await asyncio.to_thread(kept.keep, [row for row in read if isinstance(row, SheetRow)])
            yield read
            progress("checking", self.sheet.share_read)

    async def read_again(self, kept: KeptRows, rows: int, progress: Progress) -> AsyncIterator[list[SheetRow]]:
        """The same rows, of a sheet without errors."""
        done = 0
        chunks = iter(kept)
        while read := await asyncio.to_thread(next, chunks, None):
            yield read
            done += len(read)
            progress("recording", done / rows)

    async def decide(
        self, chunks: AsyncIterator[Sequence[Read]], write: Callable[[list[Effect]], Awaitable[None]]
    ) -> Deciding:
        """What all rows come to; as long as none is wrong, what they change goes to `write`."""
        book = await open_book(self.connection, (), today=self._today)
        document = Document(shown_name(self.upload.name), self._today, self.sheet.sha256)
        unit = self.sheet.header.unit
        deciding = Deciding(book, document, self.sheet.error, unit=unit, zone=self._zone, told_max=TOLD_MAX)
        known: set[Reach] = set()
        async for read in chunks:
            wanted = {Reach.of_year(row.kind, row.period.year) for row in read if isinstance(row, SheetRow)} - known
            known |= wanted
            await self._learn(book, wanted)
            changes = await asyncio.to_thread(deciding.take, read)
            if not deciding.errors_found:
                await write(changes)
        return deciding

    async def _learn(self, book: Book, wanted: set[Reach]) -> None:
        if wanted:
            latest = await queries.latest_versions(self.connection, wanted)
            await asyncio.to_thread(book.learn, latest)
        else:
            # The server ends a transaction that pauses for long, and all that follows may change nothing.
            await self.connection.execute(KEEP_ALIVE)

    def imported(self, before: Any) -> ImportResult:
        """The answer for a file that was imported already."""
        return self._result(
            import_id=None,
            before=before,
            rows=before.rows,
            counts=ImportCounts(new=0, correction=0, unchanged=0, withdrawal=0, errors=0),
        )

    def answer(self, found: Deciding, *, import_id: UUID | None, before: Any, due: Sequence[DueLine]) -> ImportResult:
        columns = {column_letter(place): name for name, place in self.sheet.header.places.items()}
        return self._result(
            import_id=import_id,
            before=before,
            rows=found.rows,
            counts=ImportCounts(
                new=found.counts["new"],
                correction=found.counts["correction"],
                unchanged=found.counts["unchanged"],
                withdrawal=found.counts["withdrawal"],
                errors=found.errors_found,
            ),
            effects=[_effect(row, effect) for row, effect in found.effects],
            effects_more=found.counts.total() - len(found.effects),
            errors=[_problem(each, columns.get(each.column or "")) for each in found.errors],
            errors_more=found.errors_found - len(found.errors),
            newly_due=due[:TOLD_MAX],
            newly_due_more=len(due[TOLD_MAX:]),
        )

    def _result(
        self, *, import_id: UUID | None, before: Any, rows: int, counts: ImportCounts, **told: Any
    ) -> ImportResult:
        return ImportResult(
            dry_run=self._dry_run,
            import_id=import_id,
            imported_before=None if before is None else import_summary(before),
            file_name=shown_name(self.upload.name),
            sha256=self.sheet.sha256,
            read_as=self.sheet.read_as,
            rows=rows,
            counts=counts,
            notices=[SheetRemark(code=each.code, zh=each.zh, en=each.en) for each in self.sheet.notices],
            **{**NOTHING_TOLD, **told},
        )


async def _unreadable(upload: Upload, errors: list[SheetProblem], *, dry_run: bool) -> ImportResult:
    is_looked_at = upload.path.stat().st_size <= upload.file_bytes_max
    return ImportResult(
        dry_run=dry_run,
        import_id=None,
        imported_before=None,
        file_name=shown_name(upload.name),
        sha256=await asyncio.to_thread(sha256_of, upload.path) if is_looked_at else None,
        read_as=None,
        rows=0,
        counts=ImportCounts(new=0, correction=0, unchanged=0, withdrawal=0, errors=len(errors)),
        effects=[],
        effects_more=0,
        errors=errors[:TOLD_MAX],
        errors_more=len(errors[TOLD_MAX:]),
        newly_due=[],
        newly_due_more=0,
        notices=[],
    )


def _unless_wrong(answer: ImportResult) -> ImportResult:
    """The answer itself where it is of a dry run, or nothing is wrong. Raises ImportRefused."""
    if answer.errors and not answer.dry_run:
        found = answer.counts.errors
        raise ImportRefused(
            f"Nothing was recorded: {found} {'error' if found == 1 else 'errors'}. {answer.errors[0].en}",
            errors=[{**each.model_dump(), "detail": each.en} for each in answer.errors],
            errors_more=answer.errors_more,
        )
    return answer


def _effect(row: int, effect: Effect) -> ImportEffect:
    entry = effect.entry
    return ImportEffect(
        row=row,
        area=entry.area_id,
        period=str(entry.period),
        kind=entry.kind,
        source=entry.source,
        material=entry.material,
        entered=entry.entered,
        amount=entry.amount,
        before=effect.before,
        effect=effect.kind,
        version=effect.version,
    )


def _problem(error: SheetError, column: str | None) -> SheetProblem:
    """`column` is what the API calls it; of one that it does not know, its letter."""
    pointer = "" if error.row is None else f"/rows/{error.row}"
    if error.column is not None:
        pointer += f"/{column or error.column}"
    return SheetProblem(
        pointer=pointer,
        row=error.row,
        column=error.column,
        column_name=error.column_name,
        code=error.code,
        zh=error.zh,
        en=error.en,
    )


async def read_imports(connection: AsyncConnection, query: ImportsQuery) -> Imports:
    """One page, newest first."""
    # One more than is shown tells whether there is a next page.
    rows = await import_queries.page_of_imports(connection, before=query.cursor, limit=query.limit + 1)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Imports(
        imports=[import_summary(row) for row in shown],
        next_cursor=encode_moment_cursor(shown[-1].created_at, shown[-1].id) if more else None,
    )


async def read_import(connection: AsyncConnection, import_id: UUID) -> ImportRecord:
    """Raises ImportUnknown."""
    row = await import_queries.find_import(connection, import_id)
    if row is None:
        raise ImportUnknown(f"There is no import {import_id}.")
    counts = await import_queries.imported_inputs(connection, import_id)
    return ImportRecord(**_summary(row), inputs=counts.inputs, superseded=counts.superseded)


def import_summary(row: Any) -> ImportSummary:
    return ImportSummary(**_summary(row))


def _summary(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "file_name": row.file_name,
        "sha256": row.sha256.hex(),
        "file_bytes": row.file_bytes,
        "rows": row.rows,
        "imported_by": row.importer_name or "",
        "imported_at": row.created_at,
    }
