"""SQL of adjustments, one function a statement."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.adjustments import AdjustmentState
from schemas.cursors import Moment
from service.tables import adjustment, api_key, resident, transfer

_STATE = sa.func.coalesce(adjustment.c.decision, "waiting")
_requester = api_key.alias("requester")
_decider = api_key.alias("decider")
# An adjustment with the names of its operators, also of revoked keys, and its transfer.
_NAMED = (
    sa.select(
        adjustment,
        _STATE.label("state"),
        _requester.c.name.label("requester_name"),
        _decider.c.name.label("decider_name"),
        transfer.c.id.label("transfer_id"),
    )
    .join(_requester, _requester.c.id == adjustment.c.requested_by)
    .outerjoin(_decider, _decider.c.id == adjustment.c.decided_by)
    .outerjoin(
        transfer,
        sa.and_(
            transfer.c.owner_id == adjustment.c.owner_id,
            transfer.c.adjustment_id == adjustment.c.id,
            # Spelled out, so that the index of these rows is used.
            transfer.c.kind == sa.literal_column("'adjustment'"),
        ),
    )
)


async def resident_exists(connection: AsyncConnection, resident_id: int, *, demo: bool) -> bool:
    found = sa.exists().where(resident.c.id == resident_id, resident.c.demo.is_(False) | sa.literal(demo))
    return bool((await connection.execute(sa.select(found))).scalar_one())


async def operator_name(connection: AsyncConnection, key_id: UUID) -> str:
    name: str = (await connection.execute(sa.select(api_key.c.name).where(api_key.c.id == key_id))).scalar_one()
    return name


async def insert_adjustment(connection: AsyncConnection, **values: Any) -> None:
    await connection.execute(sa.insert(adjustment).values(**values))


async def lock_adjustment(connection: AsyncConnection, adjustment_id: UUID) -> None:
    """Whoever decides on it too waits until the transaction ends. Nothing where there is none."""
    await connection.execute(
        sa.select(adjustment.c.id).where(adjustment.c.id == adjustment_id).with_for_update(key_share=True)
    )


async def find_adjustment(connection: AsyncConnection, adjustment_id: UUID) -> sa.Row[Any] | None:
    return (await connection.execute(_NAMED.where(adjustment.c.id == adjustment_id))).one_or_none()


async def decide(connection: AsyncConnection, adjustment_id: UUID, **values: Any) -> None:
    """The adjustment is locked and was not decided before."""
    await connection.execute(
        sa.update(adjustment)
        .where(adjustment.c.id == adjustment_id)
        .values(decided_at=sa.func.clock_timestamp(), **values)
    )


async def page_of_adjustments(
    connection: AsyncConnection, *, state: AdjustmentState | None, before: Moment | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Newest first; of all states where none is named."""
    query = _NAMED.order_by(adjustment.c.created_at.desc(), adjustment.c.id.desc()).limit(limit)
    if state == "waiting":
        query = query.where(adjustment.c.decision.is_(None))
    elif state is not None:
        query = query.where(adjustment.c.decision == state)
    if before is not None:
        query = query.where(sa.tuple_(adjustment.c.created_at, adjustment.c.id) < sa.tuple_(before.at, before.id))
    return (await connection.execute(query)).all()
