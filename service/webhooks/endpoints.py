"""A merchant's endpoints: registered, listed, disabled."""

import os
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks import RegisteredWebhook, WebhookEndpoint, WebhookEndpoints
from service.errors import MerchantUnknown, WebhookLimitReached, WebhookUnknown
from service.secrets import Keyring
from service.webhooks import queries
from service.webhooks.rules import encode_secret

SECRET_BYTES: Final = 32


async def register_endpoint(
    connection: AsyncConnection, keyring: Keyring, *, merchant_id: str, url: str, endpoints_max: int, demo: bool
) -> RegisteredWebhook:
    """A new endpoint for a URL that was checked; where the merchant has it already, the same one with another secret.

    Raises MerchantUnknown or WebhookLimitReached.
    """
    if not await queries.lock_merchant(connection, merchant_id):
        raise MerchantUnknown(f"There is no merchant {merchant_id}.")
    known = await queries.active_endpoints(connection, merchant_id)
    if url not in known and len(known) >= endpoints_max:
        raise WebhookLimitReached(f"This merchant has {len(known)} endpoints, as many as one may have. Disable one.")
    endpoint_id = known.get(url) or uuid4()
    secret = os.urandom(SECRET_BYTES)
    created_at = await queries.put_endpoint(
        connection,
        endpoint_id=endpoint_id,
        merchant_id=merchant_id,
        url=url,
        secret=keyring.encrypt_webhook_secret(endpoint_id, secret),
        demo=demo,
    )
    return RegisteredWebhook(id=endpoint_id, url=url, created_at=created_at, secret=encode_secret(secret))


async def read_endpoints(connection: AsyncConnection, merchant_id: str) -> WebhookEndpoints:
    """All of a merchant's, without their secrets."""
    rows: Sequence[Any] = await queries.list_endpoints(connection, merchant_id)
    return WebhookEndpoints(webhooks=[WebhookEndpoint.model_validate(row, from_attributes=True) for row in rows])


async def disable_endpoint(
    connection: AsyncConnection, endpoint_id: UUID, *, because: str, merchant_id: str | None = None
) -> None:
    """Nothing is sent there from now on; what waits fails. Raises WebhookUnknown, also for another merchant's."""
    if not await queries.disable_endpoints(connection, [endpoint_id], because=because, merchant_id=merchant_id):
        raise WebhookUnknown
