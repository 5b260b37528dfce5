"""Scrap stations: set up by operators, and reporting what they bought with a key of their own."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_bin_cursor
from schemas.stations import (
    NewStation,
    RecordedWeight,
    ReportedWeight,
    Station,
    StationMonth,
    StationReceipt,
    StationReport,
    Stations,
    StationsQuery,
    StationWeights,
)
from service.db import violated_constraint
from service.errors import AreaUnknown, MonthNotDue, StationExists, StationUnknown, ValidationFailed
from service.indicator import queries, station_queries
from service.indicator.documents import document_answer
from service.indicator.evidence import Document
from service.indicator.inputs import open_book, refused, write_effects
from service.indicator.recording import Effect, Entry, Reach, Refusal
from service.indicator.reporting import Duty, report_document, report_text
from service.periods import Period

KIND: Final = "scrap_station_recyclables"


async def add_station(connection: AsyncConnection, wanted: NewStation) -> None:
    """Raises StationExists or AreaUnknown; the caller rolls back."""
    try:
        await station_queries.insert_station(
            connection,
            id=wanted.id,
            area_id=wanted.area,
            name=wanted.name,
            name_en=wanted.name_en,
            reports_from=Period.parse(wanted.reports_from).first_day,
        )
    except IntegrityError as error:
        constraint = violated_constraint(error)
        if constraint == "pk_scrap_station":
            raise StationExists(f"There is a station {wanted.id} already.", zh=f"已有回收站 {wanted.id}。") from None
        if constraint == "fk_scrap_station_area_id_area":
            raise AreaUnknown.of(wanted.area) from None
        raise


async def close_station(connection: AsyncConnection, station_id: str, until: str) -> None:
    """`until` is its last month. Raises StationUnknown, or ValidationFailed for a month before its first, or before one
    that it has reported."""
    await queries.lock_inputs(connection)
    row = await _find(connection, station_id)
    month = Period.parse(until)
    if month.first_day < row.reports_from:
        raise ValidationFailed(
            f"Station {station_id} reports from {row.reports_from:%Y-%m} on: close it then or later.",
            zh=f"回收站 {station_id} 自 {row.reports_from:%Y-%m} 起填报，关闭月份不能更早。",
        )
    reports = await station_queries.counting_reports(connection, KIND, [station_id])
    latest = max((each.last_day for each in reports), default=month.last_day)
    if latest > month.last_day:
        raise ValidationFailed(
            f"Station {station_id} has reported up to {latest:%Y-%m}: close it then or later, or withdraw that first.",
            zh=f"回收站 {station_id} 已填报到 {latest:%Y-%m}，关闭月份不能更早；或先撤回之后的数据。",
        )
    await station_queries.end_station(connection, station_id, month.last_day)


async def report_weights(
    connection: AsyncConnection, station_id: str, wanted: StationReport, *, recorded_by: UUID, today: date
) -> StationReceipt:
    """Record what the station bought, all of it or nothing, in the caller's transaction.

    Raises StationUnknown, MonthNotDue, MaterialUnknown, and InputOverlaps where an operator has recorded the same mass
    otherwise.
    """
    await queries.lock_inputs(connection)
    row = await _find(connection, station_id)
    month = Period.parse(wanted.month)
    refusal = _duty(row).refusal(month, today)
    if refusal is not None:
        raise MonthNotDue(refusal)
    grams = {each.material: each.grams for each in wanted.weights}
    text = report_text(station_id, month, grams)
    document = report_document(row.name, month, text, today)
    if wanted.document is not None:
        document = Document(wanted.document.name, wanted.document.date, wanted.document.sha256)
    reach = Reach(KIND, station_id, month.first_day, month.last_day)
    book = await open_book(connection, [reach], today=today)
    effects: list[Effect] = []
    for material, weight in grams.items():
        entry = Entry(
            area_id=row.area_id,
            period=month,
            kind=KIND,
            source=station_id,
            material=material,
            amount=weight,
            document=document,
            entered=f"{weight} g",
            is_in_document=wanted.document is None,
        )
        found = book.enter(entry)
        if isinstance(found, Refusal):
            raise refused(found)
        effects.append(found)
    await write_effects(connection, effects, recorded_by=recorded_by, import_id=None)
    return StationReceipt(
        month=str(month),
        weights=[_reported(each) for each in effects],
        document=document_answer(document),
        report_text=text,
    )


def _reported(effect: Effect) -> ReportedWeight:
    return ReportedWeight.model_validate(
        {
            "material": effect.entry.material,
            "grams": effect.entry.amount,
            "before_grams": effect.before,
            "effect": effect.kind,
            "version": effect.version,
        }
    )


async def read_station(connection: AsyncConnection, station_id: str, *, today: date) -> Station:
    """Raises StationUnknown."""
    [found] = await _stations(connection, [await _find(connection, station_id)], today)
    return found


async def read_stations(connection: AsyncConnection, query: StationsQuery, *, today: date) -> Stations:
    """One page, by id."""
    # One more than is shown tells whether there is a next page.
    rows = await station_queries.page_of_stations(connection, after=query.cursor, limit=query.limit + 1)
    shown = rows[: query.limit]
    return Stations(
        stations=await _stations(connection, shown, today),
        next_cursor=encode_bin_cursor(shown[-1].id) if len(rows) > query.limit else None,
    )


async def read_weights(connection: AsyncConnection, station_id: str, month: str) -> StationWeights:
    """What counts of a month; also where an operator recorded it. Raises StationUnknown."""
    await _find(connection, station_id)
    period = Period.parse(month)
    rows = await station_queries.counting_reports(
        connection, KIND, [station_id], within=(period.first_day, period.last_day)
    )
    return StationWeights(
        month=month,
        weights=[
            RecordedWeight(
                material=row.material_id,
                grams=row.grams,
                version=row.version,
                document=document_answer(queries.document_of(row)),
                recorded_at=row.created_at,
            )
            for row in rows
            if (row.first_day, row.last_day) == (period.first_day, period.last_day)
        ],
    )


async def _find(connection: AsyncConnection, station_id: str) -> Any:
    row = await station_queries.find_station(connection, station_id)
    if row is None:
        raise StationUnknown(f"There is no station {station_id}.", zh=f"没有回收站 {station_id}。")
    return row


def _duty(row: Any) -> Duty:
    return Duty(row.reports_from, row.reports_until)


async def _stations(connection: AsyncConnection, rows: Sequence[Any], today: date) -> list[Station]:
    reports = await station_queries.counting_reports(connection, KIND, [row.id for row in rows])
    reported: set[tuple[str, Period]] = {
        (each.source, month) for each in reports for month in Period.of_days(each.first_day, each.last_day).months
    }
    return [
        Station(
            id=row.id,
            name=row.name,
            name_en=row.name_en,
            area=row.area_id,
            area_name=row.area_name,
            area_name_en=row.area_name_en,
            reports_from=f"{row.reports_from:%Y-%m}",
            reports_until=None if row.reports_until is None else f"{row.reports_until:%Y-%m}",
            months=[
                StationMonth(month=str(month), state="reported" if (row.id, month) in reported else "missing")
                for month in _duty(row).months(today)
            ],
        )
        for row in rows
    ]
