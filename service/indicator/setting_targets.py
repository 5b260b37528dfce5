"""Setting the targets by year, in the caller's transaction: superseded and never overwritten."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import violated_constraint
from service.errors import AreaUnknown
from service.indicator import queries


async def set_target(connection: AsyncConnection, *, area_id: str, year: int, per_mille: int) -> int | None:
    """What it was until now, in thousandths; the same again changes nothing. Raises AreaUnknown."""
    await queries.lock_inputs(connection)
    before = await queries.find_target(connection, area_id, year)
    if before is not None and before.rate_per_mille == per_mille:
        return per_mille
    version = 1 if before is None else before.version + 1
    try:
        await queries.insert_target(connection, area_id, year, version=version, per_mille=per_mille)
    except IntegrityError as error:
        if violated_constraint(error) == "fk_target_area_id_area":
            raise AreaUnknown(f"There is no area {area_id}.") from None
        raise
    return None if before is None else int(before.rate_per_mille)


async def list_targets(connection: AsyncConnection) -> Sequence[Any]:
    """area_id, year, version, rate_per_mille of every target, in its latest version."""
    return await queries.all_targets(connection)
