"""The sheet to fill in, with the areas and materials that this installation has."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.imports import UnitName
from service.indicator.importing.import_queries import area_names
from service.indicator.importing.template import template_csv, template_xlsx
from service.materials import material_names


async def write_template(
    connection: AsyncConnection, path: Path, form: Literal["xlsx", "csv"], *, unit: UnitName
) -> None:
    """A new file at `path`."""
    if form == "csv":
        await asyncio.to_thread(template_csv, path, unit=unit)
        return
    areas, materials = await area_names(connection), await material_names(connection)
    await asyncio.to_thread(partial(template_xlsx, path, areas=areas, materials=materials, unit=unit))
