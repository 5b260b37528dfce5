"""SQL of imports, one function a statement."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import Moment
from service.tables.indicator import indicator_import
from service.tables.people import api_key
from service.tables.places import area

_NAMED = sa.select(indicator_import, api_key.c.name.label("importer_name")).outerjoin(
    api_key, api_key.c.id == indicator_import.c.imported_by
)

IMPORTED_INPUTS = sa.text("""
SELECT count(*) AS inputs,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM indicator_input AS later
           WHERE (later.area_id, later.first_day, later.last_day, later.kind, later.source)
                 = (input.area_id, input.first_day, input.last_day, input.kind, input.source)
             AND later.material_id IS NOT DISTINCT FROM input.material_id
             AND later.version > input.version
       )) AS superseded
FROM indicator_input AS input
WHERE import_id = :import_id
""")


async def area_names(connection: AsyncConnection) -> dict[str, tuple[str, str]]:
    """Of every area: its names, Chinese and English, by its id."""
    found = await connection.execute(sa.select(area.c.id, area.c.name, area.c.name_en).order_by(area.c.id))
    return {row.id: (row.name, row.name_en) for row in found}


async def find_import_of_file(connection: AsyncConnection, sha256: bytes) -> Any:
    """The import of the file with this digest, with `importer_name`; None where it was not imported."""
    return (await connection.execute(_NAMED.where(indicator_import.c.sha256 == sha256))).one_or_none()


async def find_import(connection: AsyncConnection, import_id: UUID) -> Any:
    """The same by its id."""
    return (await connection.execute(_NAMED.where(indicator_import.c.id == import_id))).one_or_none()


async def insert_import(connection: AsyncConnection, **values: Any) -> None:
    await connection.execute(sa.insert(indicator_import).values(**values))


async def imported_inputs(connection: AsyncConnection, import_id: UUID) -> Any:
    """How many `inputs` it recorded, and how many of them are `superseded`."""
    return (await connection.execute(IMPORTED_INPUTS, {"import_id": import_id})).one()


async def page_of_imports(connection: AsyncConnection, *, before: Moment | None, limit: int) -> Sequence[Any]:
    """Newest first, with `importer_name`."""
    query = _NAMED.order_by(indicator_import.c.created_at.desc(), indicator_import.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(
            sa.tuple_(indicator_import.c.created_at, indicator_import.c.id) < sa.tuple_(before.at, before.id)
        )
    found: Sequence[Any] = (await connection.execute(query)).all()
    return found
