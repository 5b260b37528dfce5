"""SQL of adjustments, one function a statement."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.adjustments import AdjustmentState
from schemas.cursors import Moment
from service.tables.ledger import adjustment, transfer
from service.tables.people import api_key, resident

ID_MAX: Final = 2**63 - 1

_STATE = sa.func.coalesce(adjustment.c.decision, "waiting")
_requester = api_key.alias("requester")
_decider = api_key.alias("decider")
_corrected = transfer.alias("corrected")
_earlier = transfer.alias("earlier")


def _signed(table: sa.FromClause) -> sa.Case[Any]:
    """More than 0 to the resident, less than 0 from them."""
    return sa.case((table.c.credit_account_id == table.c.owner_id, table.c.coins), else_=-table.c.coins)


# What corrections of the same transfer moved, of those before this one; of all, where this one has not moved any.
_EARLIER_COINS = (
    sa.select(sa.func.coalesce(sa.func.sum(_signed(_earlier)), 0).cast(sa.BigInteger))
    .where(
        _earlier.c.owner_id == adjustment.c.owner_id,
        _earlier.c.kind == sa.literal_column("'adjustment'"),
        _earlier.c.reverses_id == adjustment.c.corrects_id,
        _earlier.c.id < sa.func.coalesce(transfer.c.id, ID_MAX),
    )
    .scalar_subquery()
)
# An adjustment with the names of its operators, also of revoked keys, and its transfer.
_NAMED = (
    sa.select(
        adjustment,
        _STATE.label("state"),
        _requester.c.name.label("requester_name"),
        _decider.c.name.label("decider_name"),
        transfer.c.id.label("transfer_id"),
        _signed(_corrected).label("corrects_coins"),
        sa.case((adjustment.c.corrects_id.is_not(None), _EARLIER_COINS)).label("earlier_corrections_coins"),
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
    .outerjoin(
        _corrected,
        sa.and_(_corrected.c.owner_id == adjustment.c.owner_id, _corrected.c.id == adjustment.c.corrects_id),
    )
)


async def resident_exists(connection: AsyncConnection, resident_id: int, *, demo: bool) -> bool:
    found = sa.exists().where(resident.c.id == resident_id, resident.c.demo.is_(False) | sa.literal(demo))
    return bool((await connection.execute(sa.select(found))).scalar_one())


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
