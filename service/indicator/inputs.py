"""Recording what the indicator is made of: amounts with their documents, superseded and never overwritten."""

import asyncio
from collections.abc import Collection, Iterable
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_cursor
from schemas.indicator_inputs import DueLine, IndicatorInput, InputReceipt, InputsQuery, RecordedInput, RecordedInputs
from service.errors import AreaUnknown, InputOverlaps, MaterialUnknown, NothingToWithdraw, TanbiError, ValidationFailed
from service.indicator import queries
from service.indicator.basis import tree_of
from service.indicator.documents import document_answer
from service.indicator.evidence import Document, Evidence, Recorded, Tree
from service.indicator.kinds import KINDS
from service.indicator.newly_due import Due, newly_due
from service.indicator.recording import Book, Effect, Entry, Reach, Refusal
from service.materials import material_names
from service.periods import Period

# The roles that record inputs, and propose and publish what they come to.
RECORDERS: Final = frozenset({"operator", "admin"})
# What a refusal is over HTTP; any other is a mistake in the field that it names.
REFUSED_AS: dict[str, type[TanbiError]] = {
    "area_unknown": AreaUnknown,
    "material_unknown": MaterialUnknown,
    "input_overlaps": InputOverlaps,
    "nothing_to_withdraw": NothingToWithdraw,
}


async def record_input(
    connection: AsyncConnection, wanted: IndicatorInput, *, recorded_by: UUID, today: date
) -> InputReceipt:
    """A new version of an input, in the caller's transaction, and what counted before; `today` is the business day. The
    same amount from the same document again is the version that there is.

    Raises ValidationFailed for an amount in the wrong unit or a period that has not begun, AreaUnknown,
    MaterialUnknown, InputOverlaps where the same mass would be there twice, and NothingToWithdraw.
    """
    _check_unit(wanted)
    entry = Entry(
        area_id=wanted.area,
        period=Period.parse(wanted.period),
        kind=wanted.kind,
        source=wanted.source,
        material=wanted.material,
        amount=wanted.ppm if wanted.grams is None else wanted.grams,
        document=Document(wanted.document.name, wanted.document.date, wanted.document.sha256),
    )
    await queries.lock_inputs(connection)
    book = await open_book(connection, [Reach.of(entry.identity)], today=today)
    found = book.enter(entry)
    if isinstance(found, Refusal):
        raise refused(found)
    await write_effects(connection, [found], recorded_by=recorded_by, import_id=None)
    due = await _newly_due(connection, found, today)
    return _receipt(await queries.find_input(connection, entry.identity, found.version), found, due)


async def _newly_due(connection: AsyncConnection, effect: Effect, today: date) -> list[Due]:
    """What the input that was just written makes due, in its year and the one after. A correction makes nothing due."""
    entry, kind = effect.entry, KINDS[effect.entry.kind]
    # Recyclables come from many, and a share is no one's duty.
    if effect.kind not in ("new", "withdrawal") or kind.unit != "grams" or kind.streams:
        return []
    tree = tree_of(await queries.read_areas(connection))
    year = entry.period.year
    # A line of a year is known by the year before.
    days = date(year - 1, 1, 1), date(year + 1, 12, 31)
    rows = await queries.latest_inputs(connection, *days, None, kind.id)

    def made() -> list[Due]:
        after = queries.counting(rows)
        before = [each for each in after if (each.area_id, each.period, each.source, each.material) != written]
        if effect.before is not None:
            place, period, source, material = written
            before.append(Recorded(None, place, period, kind.id, source, material, 0, effect.before))
        return newly_due(Evidence(tree, before), Evidence(tree, after), kind, entry.area_id, (year, year + 1), today)

    written = entry.area_id, entry.period, entry.source, entry.material
    return await asyncio.to_thread(made)


async def sources_of(connection: AsyncConnection, area_id: str, period: Period, kind: str) -> list[tuple[str, str]]:
    """Whose inputs of the kind count in any month of the period, at the area, around it or in it: source and area.
    They add up."""
    reach = Reach(kind, None, period.first_day, period.last_day)
    latest = await queries.latest_versions(connection, [reach])
    tree = tree_of(await queries.read_areas(connection))
    counting = {
        (source, at)
        for (at, _, _, source, _), each in latest.items()
        if each.amount is not None and tree.on_one_line(at, area_id)
    }
    return sorted(counting)


async def open_book(connection: AsyncConnection, wanted: Collection[Reach], *, today: date) -> Book:
    """What is recorded within these reaches. Whoever goes on to write has taken the inputs' lock before: then it
    stays so until the transaction ends."""
    areas = await queries.read_areas(connection)
    return Book(
        Tree({row.id: row.parent_id for row in areas}),
        await queries.latest_versions(connection, wanted),
        areas={row.id: (row.name, row.name_en) for row in areas},
        materials=await material_names(connection),
        today=today,
    )


async def write_effects(
    connection: AsyncConnection, effects: Iterable[Effect], *, recorded_by: UUID, import_id: UUID | None
) -> None:
    """Each a new version, but for those that change nothing."""
    rows = [_row(each, recorded_by=recorded_by, import_id=import_id) for each in effects if each.kind != "unchanged"]
    if rows:
        await queries.insert_inputs(connection, rows)


def refused(refusal: Refusal) -> TanbiError:
    """A refusal as the one who recorded by hand is told it."""
    known = REFUSED_AS.get(refusal.code)
    if known is not None:
        return known(refusal.en, zh=refusal.zh)
    pointer = "/document/date" if refusal.field == "document_date" else f"/{refusal.field}"
    errors = [{"pointer": pointer, "code": refusal.code, "detail": refusal.en}]
    return ValidationFailed(refusal.en, zh=refusal.zh, errors=errors)


def _check_unit(wanted: IndicatorInput) -> None:
    kind = KINDS[wanted.kind]
    if wanted.withdraw or getattr(wanted, kind.unit) is not None:
        return
    if kind.unit == "grams":
        detail = f"{kind.id} is a mass: it is recorded in grams, and on the command line in t, kg or g."
        zh = f"“{kind.name_zh}”是重量：以克录入，命令行可写 t、kg 或 g。"
    else:
        detail = f"{kind.id} is a share: it is recorded in ppm, and on the command line in % or ‰."
        zh = f"“{kind.name_zh}”是份额：以百万分之一录入，命令行可写 % 或 ‰。"
    raise ValidationFailed(detail, zh=zh, errors=[{"pointer": f"/{kind.unit}", "code": "missing", "detail": detail}])


def _row(effect: Effect, *, recorded_by: UUID, import_id: UUID | None) -> dict[str, Any]:
    entry = effect.entry
    unit = KINDS[entry.kind].unit
    return {
        "area_id": entry.area_id,
        "first_day": entry.period.first_day,
        "last_day": entry.period.last_day,
        "kind": entry.kind,
        "source": entry.source,
        "material_id": entry.material,
        "version": effect.version,
        "grams": entry.amount if unit == "grams" else None,
        "ppm": entry.amount if unit == "ppm" else None,
        "entered": entry.entered,
        "document": entry.document.name,
        "document_date": entry.document.day,
        "document_sha256": None if entry.document.sha256 is None else bytes.fromhex(entry.document.sha256),
        "import_id": import_id,
        "recorded_by": recorded_by,
    }


async def read_inputs(connection: AsyncConnection, query: InputsQuery) -> RecordedInputs:
    """One page, newest first, of every version. Raises AreaUnknown."""
    if query.area is not None and await queries.read_area(connection, query.area) is None:
        raise AreaUnknown.of(query.area)
    # One more than is shown tells whether there is a next page.
    rows = await queries.inputs_page(
        connection,
        area_id=query.area,
        period=None if query.period is None else Period.parse(query.period),
        kind=query.kind,
        import_id=query.import_id,
        before_id=query.cursor,
        limit=query.limit + 1,
    )
    shown = rows[: query.limit]
    return RecordedInputs(
        inputs=[recorded_input(row) for row in shown],
        next_cursor=encode_cursor(shown[-1].id) if len(rows) > query.limit else None,
    )


def _receipt(row: Any, effect: Effect, due: Iterable[Due]) -> InputReceipt:
    unit = KINDS[effect.entry.kind].unit
    return InputReceipt(
        **recorded_input(row).model_dump(),
        effect=effect.kind,
        before_grams=effect.before if unit == "grams" else None,
        before_ppm=effect.before if unit == "ppm" else None,
        newly_due=[
            DueLine(
                area=each.line.area_id,
                source=each.line.source,
                material=each.line.material,
                months=[str(month) for month in each.months],
            )
            for each in due
        ],
    )


def recorded_input(row: Any) -> RecordedInput:
    return RecordedInput(
        id=row.id,
        area=row.area_id,
        period=str(Period.of_days(row.first_day, row.last_day)),
        kind=row.kind,
        source=row.source,
        material=row.material_id,
        version=row.version,
        superseded=row.superseded,
        grams=row.grams,
        ppm=row.ppm,
        withdrawn=queries.is_withdrawn(row),
        entered=row.entered,
        document=document_answer(queries.document_of(row)),
        import_id=None if row.import_id is None else str(row.import_id),
        recorded_by=row.recorder_name or "",
        recorded_at=row.created_at,
    )
