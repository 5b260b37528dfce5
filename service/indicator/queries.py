"""SQL of the indicator, one function a statement."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from service.indicator.evidence import Document, Recorded
from service.indicator.recording import Identity, Latest, Reach
from service.periods import Period
from service.tables.indicator import indicator_input, scrap_station
from service.tables.people import api_key
from service.tables.places import area

# The only number of an advisory lock that is taken to record inputs.
INPUT_LOCK = 0x494E5054
LOCK_INPUTS = sa.text("SELECT pg_advisory_xact_lock(:lock)")

LATEST_VERSIONS = sa.text("""
SELECT DISTINCT ON (area_id, first_day, last_day, kind, source, material_id)
       area_id, first_day, last_day, kind, source, material_id, version, grams, ppm,
       document, document_date, document_sha256, sheet.id IS NOT NULL AS is_of_sheet, indicator_input.created_at
FROM unnest(cast(:kinds AS text[]), cast(:sources AS text[]), cast(:first_days AS date[]), cast(:last_days AS date[]))
         AS wanted (kind, by, begins, ends)
JOIN indicator_input USING (kind)
LEFT JOIN indicator_import AS sheet ON sheet.sha256 = document_sha256
WHERE (by IS NULL OR source = by) AND last_day >= begins
  -- No input goes beyond its year.
  AND first_day BETWEEN date_trunc('year', begins)::date AND ends
ORDER BY area_id, first_day, last_day, kind, source, material_id, version DESC
""")

IDENTITY = (
    indicator_input.c.area_id,
    indicator_input.c.first_day,
    indicator_input.c.last_day,
    indicator_input.c.kind,
    indicator_input.c.source,
    indicator_input.c.material_id,
)


# What `recorded` reads.
RECORDED = (
    indicator_input.c.id,
    *IDENTITY,
    indicator_input.c.version,
    indicator_input.c.grams,
    indicator_input.c.ppm,
    indicator_input.c.document,
    indicator_input.c.document_date,
    indicator_input.c.document_sha256,
    indicator_input.c.created_at,
)
# Made in a few milliseconds.
PORTION_ROWS = 2_000


async def read_area(connection: AsyncConnection, area_id: str) -> sa.Row[Any] | None:
    return (await connection.execute(sa.select(area).where(area.c.id == area_id))).one_or_none()


async def read_areas(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
    """The whole tree: id, parent_id, kind, name, name_en."""
    return (await connection.execute(sa.select(area))).all()


async def read_area_names(connection: AsyncConnection, area_ids: Collection[str]) -> Sequence[Any]:
    """id, name, name_en of these areas."""
    wanted = sa.any_(sa.literal(list(area_ids), sa.ARRAY(sa.Text)))
    return (
        await connection.execute(sa.select(area.c.id, area.c.name, area.c.name_en).where(area.c.id == wanted))
    ).all()


async def latest_inputs(
    connection: AsyncConnection,
    first_day: date,
    last_day: date,
    area_ids: Collection[str] | None,
    kind: str | None = None,
) -> list[sa.Row[Any]]:
    """The latest version of each input within these days, of these areas or of all, of one kind or of all; withdrawn
    ones too. See `counting`."""
    latest = (
        sa.select(*RECORDED)
        .ext(distinct_on(*IDENTITY))
        .where(indicator_input.c.first_day >= first_day, indicator_input.c.last_day <= last_day)
        .order_by(*IDENTITY, indicator_input.c.version.desc())
    )
    if kind is not None:
        latest = latest.where(indicator_input.c.kind == kind)
    if area_ids is not None:
        latest = latest.where(indicator_input.c.area_id == sa.any_(sa.literal(list(area_ids), sa.ARRAY(sa.Text))))
    return await portions(connection, latest)


async def inputs_by_id(connection: AsyncConnection, ids: Collection[int]) -> list[sa.Row[Any]]:
    """Versions of inputs, as they were recorded, for ever. See `counting`."""
    # One array: of single parameters a statement has at most 32767, and a year of communities has more inputs.
    wanted = sa.any_(sa.literal(list(ids), sa.ARRAY(sa.BigInteger)))
    return await portions(connection, sa.select(*RECORDED).where(indicator_input.c.id == wanted))


async def portions(connection: AsyncConnection, query: sa.Select[Any] | sa.TextClause) -> list[sa.Row[Any]]:
    """Rows by the ten thousand are made a portion at a time: for no longer than one takes do bins wait."""
    rows: list[sa.Row[Any]] = []
    async with connection.stream(query.execution_options(yield_per=PORTION_ROWS)) as found:
        async for portion in found.partitions():
            rows.extend(portion)
    return rows


def counting(rows: Iterable[Any]) -> list[Recorded]:
    """Of rows of inputs those that are not withdrawn. Of many it takes long, so in a thread."""
    return [recorded(row) for row in rows if not is_withdrawn(row)]


def by_id(rows: Iterable[Any]) -> dict[int, Recorded]:
    """The same by their ids."""
    return {each.id: each for each in counting(rows) if each.id is not None}


def is_withdrawn(row: Any) -> bool:
    return row.grams is None and row.ppm is None


def recorded(row: Any) -> Recorded:
    """A row of a version that is not withdrawn."""
    return Recorded(
        id=row.id,
        area_id=row.area_id,
        period=Period.of_days(row.first_day, row.last_day),
        kind=row.kind,
        source=row.source,
        material=row.material_id,
        version=row.version,
        amount=row.ppm if row.grams is None else row.grams,
        document=document_of(row),
        recorded_at=row.created_at,
    )


def document_of(row: Any) -> Document:
    sha256 = None if row.document_sha256 is None else row.document_sha256.hex()
    return Document(row.document, row.document_date, sha256)


async def scrap_stations(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
    """All that there are: id, area_id, name, name_en, reports_from, reports_until."""
    return (await connection.execute(sa.select(scrap_station).order_by(scrap_station.c.id))).all()


async def lock_inputs(connection: AsyncConnection) -> None:
    """Until the transaction ends nobody else records inputs: what was looked at stays so."""
    await connection.execute(LOCK_INPUTS, {"lock": INPUT_LOCK})


async def latest_versions(connection: AsyncConnection, wanted: Collection[Reach]) -> dict[Identity, Latest]:
    """The latest version of each input within these reaches, withdrawn ones too."""
    found = await connection.execute(
        LATEST_VERSIONS,
        {
            "kinds": [each.kind for each in wanted],
            "sources": [each.source for each in wanted],
            "first_days": [each.first_day for each in wanted],
            "last_days": [each.last_day for each in wanted],
        },
    )
    return {
        (
            row.area_id,
            Period.of_days(row.first_day, row.last_day),
            row.kind,
            row.source,
            row.material_id,
        ): Latest(
            row.version,
            row.ppm if row.grams is None else row.grams,
            document_of(row),
            is_of_sheet=row.is_of_sheet,
            recorded_at=row.created_at,
        )
        for row in found
    }


async def insert_inputs(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    await connection.execute(sa.insert(indicator_input), rows)


async def find_input(connection: AsyncConnection, identity: Identity, version: int) -> Any:
    """One version with whether a later one superseded it, and the name on the key that recorded it."""
    area_id, period, kind, source, material_id = identity
    return (
        await connection.execute(
            _named_inputs().where(
                indicator_input.c.area_id == area_id,
                indicator_input.c.first_day == period.first_day,
                indicator_input.c.last_day == period.last_day,
                indicator_input.c.kind == kind,
                indicator_input.c.source == source,
                indicator_input.c.material_id.is_not_distinct_from(material_id),
                indicator_input.c.version == version,
            )
        )
    ).one()


async def inputs_page(
    connection: AsyncConnection,
    *,
    area_id: str | None,
    period: Period | None,
    kind: str | None,
    import_id: UUID | None,
    before_id: int | None,
    limit: int,
) -> Sequence[Any]:
    """Inputs, newest first, every version; see find_input."""
    query = _named_inputs().order_by(indicator_input.c.id.desc())
    if area_id is not None:
        query = query.where(indicator_input.c.area_id == area_id)
    if period is not None:
        query = query.where(
            indicator_input.c.first_day >= period.first_day, indicator_input.c.last_day <= period.last_day
        )
    if kind is not None:
        query = query.where(indicator_input.c.kind == kind)
    if import_id is not None:
        query = query.where(indicator_input.c.import_id == import_id)
    if before_id is not None:
        query = query.where(indicator_input.c.id < before_id)
    found: Sequence[Any] = (await connection.execute(query.limit(limit))).all()
    return found


async def all_versions(
    connection: AsyncConnection, area_ids: Collection[str], first_day: date, last_day: date
) -> Sequence[Any]:
    """Every version of every input of these areas within these days, those of one input after each other; see
    find_input."""
    return await portions(
        connection,
        _named_inputs()
        .where(
            indicator_input.c.area_id == sa.any_(sa.literal(list(area_ids), sa.ARRAY(sa.Text))),
            indicator_input.c.first_day >= first_day,
            indicator_input.c.last_day <= last_day,
        )
        .order_by(
            indicator_input.c.kind,
            indicator_input.c.area_id,
            indicator_input.c.first_day,
            indicator_input.c.last_day,
            indicator_input.c.source,
            indicator_input.c.material_id,
            indicator_input.c.version,
        ),
    )


def _named_inputs() -> sa.Select[Any]:
    later = indicator_input.alias("later")
    superseded = sa.exists().where(
        *(later.c[column.name] == column for column in IDENTITY if column.name != "material_id"),
        later.c.material_id.is_not_distinct_from(indicator_input.c.material_id),
        later.c.version > indicator_input.c.version,
    )
    return sa.select(indicator_input, superseded.label("superseded"), api_key.c.name.label("recorder_name")).outerjoin(
        api_key, api_key.c.id == indicator_input.c.recorded_by
    )
