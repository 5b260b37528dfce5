"""Setting the targets by year, in the caller's transaction: superseded and never overwritten."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_cursor
from schemas.targets import NewTarget, SetTarget, SetTargets, TargetReceipt, TargetsQuery
from service.errors import AreaUnknown, NothingToWithdraw
from service.indicator import publication_queries, queries, target_queries
from service.periods import Period


async def set_target(connection: AsyncConnection, wanted: NewTarget, *, set_by: UUID) -> TargetReceipt:
    """What is set already changes nothing. Raises AreaUnknown and NothingToWithdraw."""
    await queries.lock_inputs(connection)
    if await queries.read_area(connection, wanted.area) is None:
        raise AreaUnknown.of(wanted.area)
    latest = await target_queries.latest_target(connection, wanted.area, wanted.year)
    before = None if latest is None else latest.rate_per_mille
    if before is None and wanted.withdraw:
        raise NothingToWithdraw(
            f"{wanted.area} has no target of its own for {wanted.year}.",
            zh=f"{wanted.area} 没有自己的 {wanted.year} 年目标，无可撤回。",
        )
    if latest is not None and _says(latest, wanted):
        return await _receipt(connection, latest, "unchanged", before)
    await target_queries.insert_target(
        connection,
        area_id=wanted.area,
        year=wanted.year,
        version=1 if latest is None else latest.version + 1,
        rate_per_mille=wanted.rate_per_mille,
        reason=wanted.reason,
        recorded_by=set_by,
    )
    effect = "withdrawal" if wanted.withdraw else "new" if before is None else "correction"
    now = await target_queries.latest_target(connection, wanted.area, wanted.year)
    return await _receipt(connection, now, effect, before)


async def read_targets(connection: AsyncConnection, query: TargetsQuery) -> SetTargets:
    """One page, the last that was set first. Raises AreaUnknown."""
    if query.area is not None and await queries.read_area(connection, query.area) is None:
        raise AreaUnknown.of(query.area)
    # One more than is shown tells whether there is a next page.
    rows = await target_queries.targets_page(
        connection,
        area_id=query.area,
        year=query.year,
        history=query.history,
        before_id=query.cursor,
        limit=query.limit + 1,
    )
    shown = rows[: query.limit]
    return SetTargets(
        targets=[SetTarget.model_validate(_told(row)) for row in shown],
        next_cursor=encode_cursor(shown[-1].id) if len(rows) > query.limit else None,
    )


def _says(latest: Any, wanted: NewTarget) -> bool:
    """Whether a version says all that is wanted: the rate, the reason if one is given, and who set it."""
    same_reason = wanted.reason is None or wanted.reason == latest.reason
    return latest.rate_per_mille == wanted.rate_per_mille and same_reason and latest.recorded_by is not None


async def _receipt(connection: AsyncConnection, row: Any, effect: str, before: int | None) -> TargetReceipt:
    published = await publication_queries.published_within(connection, row.area_id, Period(row.year))
    numbers = sorted(each.number for each in published if each.restated_by is None)
    return TargetReceipt.model_validate(
        {**_told(row), "effect": effect, "before_per_mille": before, "published": numbers}
    )


def _told(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "area": row.area_id,
        "year": row.year,
        "version": row.version,
        "superseded": row.superseded,
        "rate_per_mille": row.rate_per_mille,
        "withdrawn": row.rate_per_mille is None,
        "reason": row.reason,
        "set_by": row.setter_name,
        "set_at": row.created_at,
    }
