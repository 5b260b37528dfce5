"""Messages, deliveries and attempts in the database, and a worker that goes a turn at a time."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from aiohttp.abc import AbstractResolver
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.webhooks import RegisteredWebhook
from service.db import Writers, transaction
from service.metrics import Metrics
from service.secrets import Keyring
from service.settings import Settings
from service.tables.webhooks import webhook_attempt, webhook_delivery, webhook_message
from service.webhooks.delivering import Deliveries
from service.webhooks.endpoints import register_endpoint
from service.webhooks.outbox import Message, write_messages
from service.webhooks.sending import DELIVERY_THREADS, Resolver, open_session

MERCHANT = "NK-M-01"
DATA = {"id": "0f5fbc8e-6c0e-4d3e-9a55-0c4a4d1c8a11", "state": "captured", "coins": 120, "title": "直饮水"}


@dataclass(frozen=True)
class World:
    """The database of a test, with its merchants."""

    engine: AsyncEngine
    settings: Settings

    async def register(self, url: str, merchant_id: str = MERCHANT, *, demo: bool = False) -> RegisteredWebhook:
        """An endpoint whose URL nobody checks."""
        async with transaction(self.engine) as connection:
            return await register_endpoint(
                connection,
                Keyring.of(self.settings),
                merchant_id=merchant_id,
                url=url,
                endpoints_max=self.settings.webhook_endpoints_max,
                demo=demo,
            )

    async def write(self, count: int = 1, merchant_id: str = MERCHANT, *, age: timedelta = timedelta()) -> None:
        """Messages, as redemption writes them."""
        happened_at = datetime.now(UTC) - age
        message = Message(merchant_id, "redemption.captured", happened_at, DATA)
        writers = Writers(self.settings)
        try:
            async with writers.connection() as connection:
                await write_messages(connection, [message] * count)
        finally:
            writers.close()

    async def messages(self) -> list[UUID]:
        async with self.engine.connect() as connection:
            query = sa.select(webhook_message.c.id).order_by(webhook_message.c.number)
            return list((await connection.execute(query)).scalars())

    async def deliveries(self) -> list[Any]:
        """Oldest message first."""
        async with self.engine.connect() as connection:
            query = (
                sa.select(
                    webhook_delivery,
                    (webhook_delivery.c.next_attempt_at - sa.func.clock_timestamp()).label("remaining"),
                )
                .join(webhook_message, webhook_message.c.id == webhook_delivery.c.message_id)
                .order_by(webhook_message.c.number)
            )
            return list((await connection.execute(query)).all())

    async def attempts(self) -> list[int | str]:
        """The status or error of each, oldest first."""
        async with self.engine.connect() as connection:
            rows = await connection.execute(sa.select(webhook_attempt).order_by(webhook_attempt.c.id))
            return [row.error if row.status is None else row.status for row in rows]

    async def make_due(self, **changes: Any) -> None:
        """What waits may be tried now."""
        async with transaction(self.engine) as connection:
            await connection.execute(
                sa.update(webhook_delivery)
                .where(webhook_delivery.c.state == "waiting")
                .values(next_attempt_at=sa.func.now(), **changes)
            )

    @asynccontextmanager
    async def worker(self, resolver: AbstractResolver | None = None, **settings: Any) -> AsyncIterator["Worker"]:
        changed = self.settings.model_copy(update=settings)
        own = Resolver(DELIVERY_THREADS)
        metrics = Metrics()
        async with open_session(changed, resolver or own) as session:
            deliveries = Deliveries(self.engine, changed, Keyring.of(changed), session, metrics)
            try:
                yield Worker(deliveries, metrics)
            finally:
                await deliveries.close()
                await own.close()


@dataclass(frozen=True)
class Worker:
    deliveries: Deliveries
    metrics: Metrics

    async def work(self) -> None:
        """Send what is due, and record every answer."""
        await self.deliveries.turn()
        while self.deliveries._running:
            await self.deliveries.wait(60)
            await self.deliveries.turn()

    def counts(self) -> Mapping[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "tanbi_webhook_attempts_total" and sample.value
        }
