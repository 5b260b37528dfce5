"""Held drops as rows, however they came to be held."""

import os
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables.weighing import held_event, review_decision, weigh_event


class Held(NamedTuple):
    """One held drop: the key of its event, and the id of its review."""

    bin_id: str
    event_id: str
    review_id: uuid.UUID


async def hold(
    connection: AsyncConnection,
    *,
    code: str = "heavy_drop",
    figures: dict[str, int] | None = None,
    held_for: int | None = None,
    grams: int = 1250,
    coins_per_kg: int | None = 100,
    occurred_at: datetime | None = None,
    held_at: datetime | None = None,
    verdict: str = "hold",
    reviewed: bool = True,
    **changes: Any,
) -> Held:
    """A drop of paper that a rule held, in the connection's transaction: for whose card was shown, or for nobody yet.
    `changes` are of its event; without a review (not `reviewed`) it is like any other."""
    held_at = held_at or datetime.now(UTC)
    event = {
        "bin_id": "NK-0001",
        "event_id": str(uuid.uuid4()),
        "content_digest": os.urandom(32),
        "site_id": "site-1",
        # Of no count: these are many, and a bin uses a number once.
        "epoch": None,
        "sequence": 1,
        "material_id": "paper",
        "weight_grams": grams,
        "verdict": verdict,
        "code": None if verdict == "credit" else code,
        "outcome": "held",
        "coins_per_kg": coins_per_kg,
        "coins": 0 if coins_per_kg is None else grams * coins_per_kg // 1000,
        "occurred_at": occurred_at or held_at - timedelta(minutes=1),
        "received_at": held_at,
        **changes,
    }
    await connection.execute(sa.insert(weigh_event).values(event))
    key = {"bin_id": event["bin_id"], "event_id": event["event_id"]}
    if not reviewed:
        return Held(event["bin_id"], event["event_id"], uuid.UUID(int=0))
    review_id: uuid.UUID = (
        await connection.execute(
            sa.insert(held_event)
            .values(**key, resident_id=held_for, findings=[{"code": code, "figures": figures or {}}], held_at=held_at)
            .returning(held_event.c.id)
        )
    ).scalar_one()
    return Held(event["bin_id"], event["event_id"], review_id)


async def decide(
    connection: AsyncConnection, held: Held, decision: str, *, placed_at: datetime, site_id: str = "site-1"
) -> None:
    """Only the row of a decision: what folding reads of it."""
    of_event = (review_decision.c.bin_id == held.bin_id) & (review_decision.c.event_id == held.event_id)
    earlier = sa.select(sa.func.count() + 1).select_from(review_decision).where(of_event).scalar_subquery()
    release = {"placed_at": placed_at, "site_id": site_id, "coins_per_kg": 100, "coins": 125}
    await connection.execute(
        sa.insert(review_decision).values(
            bin_id=held.bin_id,
            event_id=held.event_id,
            ordinal=earlier,
            decision=decision,
            reason="test",
            decided_by=uuid.uuid4(),
            **(release if decision == "released" else {}),
        )
    )
