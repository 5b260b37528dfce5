"""What was sent to a merchant and what was answered; and how to send it again."""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_cursor
from schemas.webhooks import WebhookAttempt, WebhookDelivery, WebhookMessage, WebhookMessages, WebhookReplay
from service.errors import WebhookUnknown
from service.webhooks import queries


async def read_messages(
    connection: AsyncConnection, merchant_id: str, *, before_number: int | None, limit: int
) -> WebhookMessages:
    """One page, newest first, with each delivery and its attempts."""
    # One more than is shown tells whether there is a next page.
    rows = await queries.page_of_messages(connection, merchant_id, before_number=before_number, limit=limit + 1)
    shown = rows[:limit]
    found = await queries.deliveries_of(connection, [row.id for row in shown])
    deliveries = {
        message_id: list(_deliveries(of_message))
        for message_id, of_message in groupby(found, lambda row: row.message_id)
    }
    return WebhookMessages(
        messages=[
            WebhookMessage(
                id=row.id,
                created_at=row.created_at,
                payload=json.loads(row.payload),
                deliveries=deliveries.get(row.id, []),
            )
            for row in shown
        ],
        next_cursor=encode_cursor(shown[-1].number) if len(rows) > limit else None,
    )


def _deliveries(rows: Iterable[Any]) -> Iterable[WebhookDelivery]:
    for _, of_endpoint in groupby(rows, lambda row: row.endpoint_id):
        attempts = list(of_endpoint)
        first = attempts[0]
        yield WebhookDelivery(
            webhook_id=first.endpoint_id,
            url=first.url,
            state=first.state,
            next_attempt_at=first.next_attempt_at if first.state == "waiting" else None,
            settled_at=first.settled_at,
            attempts=[
                WebhookAttempt.model_validate(row, from_attributes=True)
                for row in attempts
                if row.attempted_at is not None
            ],
        )


async def replay_message(connection: AsyncConnection, message_id: UUID, *, demo: bool) -> WebhookReplay:
    """Send a message again to every endpoint that its merchant has now. Raises WebhookUnknown where there is none."""
    merchant_id = await queries.merchant_of_message(connection, message_id)
    if merchant_id is None:
        raise WebhookUnknown(f"There is no webhook message {message_id}; settled ones are deleted with time.")
    endpoints = await queries.replay(connection, message_id, demo=demo)
    if not endpoints:
        raise WebhookUnknown(f"The merchant {merchant_id} has no endpoint that is not disabled. Register one first.")
    return WebhookReplay(message_id=message_id, webhook_ids=endpoints)
