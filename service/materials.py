"""The materials that there are, by name: for features that know them by the id only."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables.reference import material


async def material_names(connection: AsyncConnection) -> dict[str, tuple[str, str]]:
    """Of every material: its names, Chinese and English, by its id."""
    found = await connection.execute(sa.select(material.c.id, material.c.name, material.c.name_en))
    return {row.id: (row.name, row.name_en) for row in found}
