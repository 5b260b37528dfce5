"""Setting the targets by year: once each, in the caller's transaction."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import violated_constraint
from service.errors import AreaUnknown, TargetExists
from service.indicator import queries


async def set_target(connection: AsyncConnection, *, area_id: str, year: int, per_mille: int) -> None:
    """A target is a promise: it is set once. Raises AreaUnknown or TargetExists."""
    try:
        await queries.insert_target(connection, area_id, year, per_mille)
    except IntegrityError as error:
        if violated_constraint(error) == "fk_target_area_id_area":
            raise AreaUnknown(f"There is no area {area_id}.") from None
        if violated_constraint(error) == "pk_target":
            raise TargetExists(f"{area_id} has a target for {year} already, and it stays so.") from None
        raise


async def list_targets(connection: AsyncConnection) -> Sequence[Any]:
    """area_id, year, rate_per_mille of every target."""
    return await queries.all_targets(connection)
