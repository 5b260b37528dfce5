"""Recording what the indicator is made of: masses with their documents, superseded and never overwritten."""

from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_cursor
from schemas.indicator import IndicatorInput, RecordedInput, RecordedInputs
from service.errors import AreaUnknown, InputOverlaps, ValidationFailed
from service.indicator import queries
from service.periods import Period


async def record_input(
    connection: AsyncConnection, wanted: IndicatorInput, *, recorded_by: UUID, today: date
) -> RecordedInput:
    """A new version of an input, in the caller's transaction; `today` is the business day.

    Raises ValidationFailed for a period that has not begun, AreaUnknown, and InputOverlaps where a month of a recorded
    year is sent, or the year of recorded months: the same mass would be there twice.
    """
    period = Period.parse(wanted.period)
    if period.first_day > today:
        detail = f"{period} has not begun; what was not weighed yet cannot be recorded."
        raise ValidationFailed(detail, errors=[{"pointer": "/period", "code": "not_begun", "detail": detail}])
    if await queries.read_area(connection, wanted.area) is None:
        raise AreaUnknown(f"There is no area {wanted.area}.")
    # Held until COMMIT: two operators cannot record what overlaps, nor the same version, at the same moment.
    await queries.lock_input(connection, wanted.area, wanted.kind, wanted.source)
    days = {"first_day": period.first_day, "last_day": period.last_day}
    version = 1
    for row in await queries.versions_overlapping(
        connection, area_id=wanted.area, kind=wanted.kind, source=wanted.source, **days
    ):
        recorded = Period.of_days(row.first_day, row.last_day)
        if recorded != period:
            raise InputOverlaps(
                f"{wanted.kind} of {wanted.area} from {wanted.source} is recorded for {recorded} already, which shares"
                f" days with {period}. Correct it by sending {recorded} again."
            )
        version = row.version + 1
    new = await queries.insert_input(
        connection,
        recorded_by=recorded_by,
        area_id=wanted.area,
        kind=wanted.kind,
        source=wanted.source,
        version=version,
        grams=wanted.grams,
        document=wanted.document,
        **days,
    )
    return RecordedInput(
        id=new.id,
        area=wanted.area,
        period=str(period),
        kind=wanted.kind,
        source=wanted.source,
        version=version,
        superseded=False,
        grams=wanted.grams,
        document=wanted.document,
        recorded_at=new.created_at,
    )


async def read_inputs(
    connection: AsyncConnection, *, area_id: str | None, period: Period | None, before_id: int | None, limit: int
) -> RecordedInputs:
    """One page, newest first, of every version. Raises AreaUnknown."""
    if area_id is not None and await queries.read_area(connection, area_id) is None:
        raise AreaUnknown(f"There is no area {area_id}.")
    # One more than is shown tells whether there is a next page.
    rows = await queries.inputs_page(connection, area_id=area_id, period=period, before_id=before_id, limit=limit + 1)
    shown = rows[:limit]
    return RecordedInputs(
        inputs=[
            RecordedInput(
                id=row.id,
                area=row.area_id,
                period=str(Period.of_days(row.first_day, row.last_day)),
                kind=row.kind,
                source=row.source,
                version=row.version,
                superseded=row.superseded,
                grams=row.grams,
                document=row.document,
                recorded_at=row.created_at,
            )
            for row in shown
        ],
        next_cursor=encode_cursor(shown[-1].id) if len(rows) > limit else None,
    )
