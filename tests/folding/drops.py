"""What folding tests share: drops written by the ledger's own statement, and ticks until all is folded."""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import transaction
from service.folding import queries
from service.folding.worker import tick
from service.ledger.queries import open_wallet
from service.plausibility.rule_book import RuleBook
from service.residents.claiming import Terms, claim_waiting
from service.settings import Settings
from service.tables.bins import bin_
from service.tables.people import credential, resident
from service.tables.weighing import bin_memory
from service.weighing.pending import PendingEvent
from service.weighing.rules import coins_for
from tests.world import NO_RULES, SEQUENCE

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
TERMS = Terms(timedelta(days=400), "Asia/Shanghai", demo=False, rules=RuleBook())


@dataclass(frozen=True)
class Place:
    """The small world of tests/world.py, and one merchant."""

    resident_id: int
    card: bytes
    merchant_account_id: int


def drop(
    *,
    grams: int = 1250,
    material: str = "paper",
    card: bytes | None = None,
    occurred_at: datetime = NOON,
    coins_per_kg: int | None = 100,
    bin_id: str = "NK-0001",
    sequence: int | None = None,
) -> PendingEvent:
    """A validated drop; `card` is a credential's digest, and no tariff (None) leaves the drop held."""
    return PendingEvent(
        bin_id=bin_id,
        event_id=str(uuid.uuid4()),
        content_digest=os.urandom(32),
        sequence=next(SEQUENCE) if sequence is None else sequence,
        material_id=material,
        weight_grams=grams,
        box_weight_grams=None,
        credential_digest=card,
        occurred_at=occurred_at.timestamp(),
        coins_per_kg=coins_per_kg,
        coins=0 if coins_per_kg is None else coins_for(grams, coins_per_kg),
    )


async def write(connection: AsyncConnection, *events: PendingEvent) -> None:
    """Credit events in the connection's transaction, which stays open."""
    # The driver's transaction begins with the first statement that goes through SQLAlchemy.
    await connection.execute(sa.select(1))
    raw: Any = (await connection.get_raw_connection()).driver_connection
    await NO_RULES.credit(raw, events)


async def commit_drops(engine: AsyncEngine, *events: PendingEvent) -> None:
    async with transaction(engine) as connection:
        await write(connection, *events)


async def new_bin(engine: AsyncEngine) -> str:
    """A bin of its own, for whose transaction stays open."""
    bin_id = f"NK-{next(SEQUENCE):06}"
    async with transaction(engine) as connection:
        scale = {"verification_interval_grams": 10, "capacity_grams": 60_000}
        await connection.execute(sa.insert(bin_).values(id=bin_id, site_id="site-1", **scale))
        await connection.execute(sa.insert(bin_memory).values(bin_id=bin_id))
    return bin_id


async def new_resident(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        resident_id = await open_wallet(connection)
        await connection.execute(sa.insert(resident).values(id=resident_id))
        return resident_id


async def bind(connection: AsyncConnection, card: bytes, resident_id: int) -> None:
    await connection.execute(
        sa.insert(credential).values(
            digest=card, kind="card", resident_id=resident_id, counts_from=datetime(2020, 1, 1, tzinfo=UTC)
        )
    )


async def credit_waiting_for(connection: AsyncConnection, *cards: bytes) -> int:
    return await claim_waiting(connection, list(cards), TERMS)


async def fold_all(engine: AsyncEngine, settings: Settings) -> None:
    """Tick until whatever was committed before this call is folded.

    Anything else that runs on this server, such as autovacuum, may hold an older transaction id for a moment.
    """
    async with transaction(engine) as connection:
        mark = (await connection.execute(sa.text("SELECT pg_current_xact_id()::text::bigint"))).scalar_one()
    while True:
        await tick(engine, settings)
        async with transaction(engine) as connection:
            seen = await queries.peek(
                connection, instance=settings.instance, lease=timedelta(0), interval=timedelta(microseconds=1)
            )
            settled = (
                await connection.execute(sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))
            ).scalar_one()
        if settled > mark and not seen.rows_due:
            return
        await asyncio.sleep(0.01)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what another task or the server is about to do."""
    while True:
        if await condition():
            return
        await asyncio.sleep(0.01)


async def rows(engine: AsyncEngine, table: sa.Table, order: Sequence[str]) -> list[tuple[Any, ...]]:
    async with transaction(engine) as connection:
        found = await connection.execute(sa.select(table).order_by(*(table.c[name] for name in order)))
        return [tuple(row) for row in found]
