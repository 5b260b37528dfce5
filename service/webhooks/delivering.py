"""The worker that sends what the outbox holds, at least once each.

Each process runs it. In turns: one transaction records the answers that came and claims what is due; the requests run
between transactions, never inside one. A claim is a lease: a process that dies leaves its deliveries to the others.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from time import monotonic
from typing import Final
from uuid import UUID

from aiohttp import ClientSession
from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import hide_rows, is_retryable, transaction
from service.metrics import Metrics
from service.secrets import Keyring
from service.settings import Settings
from service.webhooks import queries
from service.webhooks.queries import Attempted, Claimed
from service.webhooks.rules import Outcome, decide
from service.webhooks.sending import Answer, send

logger = logging.getLogger(__name__)

# Longer than a request may take, with time to record its answer.
LEASE: Final = timedelta(seconds=60)
HOUSEKEEPING_SECONDS: Final = 10.0
HOUSEKEEPING_ROWS_MAX: Final = 1000
GONE: Final = "410 Gone"


@dataclass(frozen=True, slots=True)
class _Done:
    """`secret` is the endpoint's as it was when the attempt began."""

    attempted: Attempted
    outcome: Outcome
    secret: bytes


class Deliveries:
    """What this process has on its way, and what came back of it."""

    def __init__(
        self, engine: AsyncEngine, settings: Settings, keyring: Keyring, session: ClientSession, metrics: Metrics
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._keyring = keyring
        self._session = session
        self._metrics = metrics
        self._running: dict[asyncio.Task[_Done | None], UUID] = {}
        # Kept until the database has taken it.
        self._done: list[_Done] = []
        self._unreadable: set[UUID] = set()

    async def turn(self) -> None:
        """Record what came back, claim what is due and send it. Nothing is lost by what the database may raise."""
        self._collect()
        room = self._settings.webhook_deliveries_max - len(self._running)
        if not self._done and not room:
            return
        async with transaction(self._engine) as connection:
            recorded = await _record(connection, self._done) if self._done else []
            claimed = await queries.claim_due(
                connection,
                busy=self._busy(),
                deliveries_max=room,
                endpoint_deliveries_max=self._settings.webhook_endpoint_deliveries_max,
                lease=LEASE,
                demo=self._settings.demo,
            )
        for each in recorded:
            self._metrics.count_webhook(each.outcome)
        self._done.clear()
        for delivery in claimed:
            self._running[asyncio.create_task(self._attempt(delivery))] = delivery.endpoint_id

    def forget(self) -> None:
        """Leave what came back to another attempt: the database does not take it."""
        self._done.clear()

    async def wait(self, seconds: float) -> None:
        """Until something comes back, at most so long."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Cut off what is on its way; it is sent again when its lease has ended."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _collect(self) -> None:
        for task in [task for task in self._running if task.done()]:
            del self._running[task]
            done = task.result()
            if done is not None:
                self._done.append(done)

    def _busy(self) -> Mapping[UUID, int]:
        return Counter(self._running.values())

    async def _attempt(self, delivery: Claimed) -> _Done | None:
        """None where there was none: the delivery is due again, as it was, when its lease has ended."""
        answer: Answer | None
        try:
            secret = self._keyring.decrypt_webhook_secret(delivery.endpoint_id, delivery.secret)
        except InvalidTag:
            if delivery.endpoint_id not in self._unreadable:
                logger.warning(
                    "the secret of webhook endpoint %s cannot be read: was TANBI_SECRET_KEY changed? Its"
                    " merchant has to register it again",
                    delivery.endpoint_id,
                )
            self._unreadable.add(delivery.endpoint_id)
            answer = Answer(datetime.now(UTC), 0, None, "secret_unreadable")
        else:
            answer = await send(
                self._session,
                merchant_id=delivery.merchant_id,
                url=delivery.url,
                secret=secret,
                message_id=delivery.message_id,
                payload=delivery.payload,
            )
        if answer is None:
            return None
        decision = decide(
            delivery.attempts + 1,
            answer.status,
            jitter=SystemRandom().random(),
            retry_after_seconds=answer.retry_after_seconds,
        )
        attempted = Attempted(
            message_id=delivery.message_id,
            endpoint_id=delivery.endpoint_id,
            attempts=delivery.attempts,
            claimed_until=delivery.claimed_until,
            sent_at=answer.sent_at,
            milliseconds=answer.milliseconds,
            status=answer.status,
            error=answer.error,
            state=decision.state,
            delay_seconds=decision.delay_seconds,
        )
        return _Done(attempted, decision.outcome, delivery.secret)


async def _record(connection: AsyncConnection, done: Sequence[_Done]) -> Sequence[_Done]:
    """Write down what came back; as it was written.

    A 410 to an attempt that began before its merchant has registered the URL again is a failure like any other.
    """
    gone = [(each.attempted.endpoint_id, each.secret) for each in done if each.outcome == "gone"]
    disabled = await queries.disable_gone(connection, gone, because=GONE) if gone else set()
    recorded = [
        each if each.outcome != "gone" or (each.attempted.endpoint_id, each.secret) in disabled else _outlived(each)
        for each in done
    ]
    await queries.record_attempts(connection, [each.attempted for each in recorded])
    return recorded


def _outlived(done: _Done) -> _Done:
    attempts = done.attempted.attempts + 1
    decision = decide(attempts, None, jitter=SystemRandom().random())
    attempted = replace(done.attempted, state=decision.state, delay_seconds=decision.delay_seconds)
    return replace(done, attempted=attempted, outcome=decision.outcome)


async def keep_house(
    engine: AsyncEngine, *, retention: timedelta, demo: bool, rows_max: int = HOUSEKEEPING_ROWS_MAX
) -> bool:
    """Give up what waits for disabled endpoints and delete old messages, so many of each; whether more is left."""
    async with transaction(engine) as connection:
        if not await queries.lock_housekeeping(connection):
            return False
        settled = await queries.settle_disabled(connection, limit=rows_max)
        deleted = await queries.delete_old(connection, retention=retention, limit=rows_max, demo=demo)
    return rows_max in (settled, deleted)


async def deliver_forever(
    engine: AsyncEngine, settings: Settings, keyring: Keyring, session: ClientSession, metrics: Metrics
) -> None:
    """Send what is due until cancelled. Says once that the database went away."""
    deliveries = Deliveries(engine, settings, keyring, session, metrics)
    retention = timedelta(days=settings.webhook_retention_days)
    house_due = monotonic()
    said: type[Exception] | None = None
    try:
        while True:
            try:
                await deliveries.turn()
                if monotonic() >= house_due:
                    house_due = monotonic() + HOUSEKEEPING_SECONDS
                    if await keep_house(engine, retention=retention, demo=settings.demo):
                        house_due = monotonic()
                said = None
            except Exception as error:
                if not (is_retryable(error) or isinstance(error, PoolTimeout)):
                    deliveries.forget()
                    hide_rows(error)
                    logger.exception("webhooks could not be sent; they are tried again")
                elif said is not type(error):
                    logger.warning("webhooks wait for the database: %s", type(error).__name__)
                said = type(error)
            await deliveries.wait(settings.webhook_poll_seconds)
    finally:
        await deliveries.close()
