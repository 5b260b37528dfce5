"""Recording what the indicator is made of: amounts with their documents, superseded and never overwritten."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
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
from service.indicator.newly_due import Changes, Due, can_make_due, newly_due, unsettled
from service.indicator.recording import Book, Effect, Entry, Identity, Reach, Refusal
from service.materials import material_names
from service.periods import Period

# The roles that record inputs, and propose and publish what they come to.
RECORDERS: Final = frozenset({"operator", "admin"})
# Of sheets of more areas with those around them, all that is recorded is looked through at once.
WAY_UP_MAX: Final = 200
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
    changing = await gather_changing(connection, [entry.identity] if can_make_due(found) else [], today)
    due = await asyncio.to_thread(due_after, changing)
    await write_effects(connection, [found], recorded_by=recorded_by, import_id=None)
    return _receipt(await queries.find_input(connection, entry.identity, found.version), found, due)


@dataclass(frozen=True, slots=True)
class Changing:
    """Inputs of a kind of waste that are still to be written: to be recorded, or withdrawn where they count now; the
    areas that have to be looked at; and the rows of what is recorded of the kind that these need, in their years and in
    those before and after."""

    changes: Changes
    identities: Sequence[Identity]
    tree: Tree
    areas: Collection[str]
    rows: Sequence[Any]


async def gather_changing(connection: AsyncConnection, identities: Collection[Identity], today: date) -> list[Changing]:
    by_kind: dict[str, list[Identity]] = {}
    for each in identities:
        by_kind.setdefault(each[2], []).append(each)
    tree = tree_of(await queries.read_areas(connection) if identities else ())
    return [
        await _gather_kind(connection, tree, of_kind, Changes.of(KINDS[kind_id], of_kind, today))
        for kind_id, of_kind in sorted(by_kind.items())
    ]


async def _gather_kind(
    connection: AsyncConnection, tree: Tree, identities: Sequence[Identity], changes: Changes
) -> Changing:
    years = {period.year for _, period, _, _, _ in identities}
    # A line of a year is known by the year before.
    days = date(min(years) - 1, 1, 1), date(max(years) + 1, 12, 31)
    way_up = changes.way_up(tree)
    if len(way_up) > WAY_UP_MAX:
        return Changing(
            changes, identities, tree, way_up, await queries.latest_inputs(connection, *days, None, changes.kind.id)
        )
    rows = await queries.latest_inputs(connection, *days, way_up, changes.kind.id)
    # A city records a hundred thousand inputs, and one person's next one needs a few of them.
    open_ones = await asyncio.to_thread(_unsettled, Changing(changes, identities, tree, way_up, rows))
    parts = {part for each in open_ones for part in tree.subtree(each)}.difference(way_up)
    if parts:
        rows += await queries.latest_inputs(connection, *days, parts, changes.kind.id)
    return Changing(changes, identities, tree, changes.area_ids | open_ones, rows)


def _unsettled(changing: Changing) -> frozenset[str]:
    return unsettled(*_before_and_after(changing), changing.changes)


def due_after(gathered: Iterable[Changing]) -> list[DueLine]:
    """What becomes due when they are written. Of many it takes long, so in a thread."""
    return [
        due_line(due)
        for changing in gathered
        for due in newly_due(*_before_and_after(changing), changing.changes, changing.areas)
    ]


def _before_and_after(changing: Changing) -> tuple[Evidence, Evidence]:
    kind = changing.changes.kind.id
    counting = queries.counting(changing.rows)
    before = {(each.area_id, each.period, kind, each.source, each.material): each for each in counting}
    after = dict(before)
    for identity in changing.identities:
        if after.pop(identity, None) is None:
            area_id, period, _, source, material = identity
            # How much it is makes no difference to who owes what.
            after[identity] = Recorded(None, area_id, period, kind, source, material, 0, 0)
    return Evidence(changing.tree, before.values()), Evidence(changing.tree, after.values())


def due_line(due: Due) -> DueLine:
    return DueLine(
        kind=due.line.kind,
        area=due.line.area_id,
        source=due.line.source,
        material=due.line.material,
        months=[str(month) for month in due.months],
    )


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


def _receipt(row: Any, effect: Effect, due: list[DueLine]) -> InputReceipt:
    unit = KINDS[effect.entry.kind].unit
    return InputReceipt(
        **recorded_input(row).model_dump(),
        effect=effect.kind,
        before_grams=effect.before if unit == "grams" else None,
        before_ppm=effect.before if unit == "ppm" else None,
        newly_due=due,
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
