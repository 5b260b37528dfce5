"""What merchants and operators send and get about webhooks, and what webhooks hold."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.common import Answer, Request
from schemas.cursors import Cursor, NextCursor

MESSAGES_LIMIT_DEFAULT = 20
MESSAGES_LIMIT_MAX = 100


class WebhookRegistration(Request):
    url: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        description="Where messages are posted: https, a host on the Internet, no user, no password, no fragment"
    )


class _Endpoint(Answer):
    id: UUID
    url: str
    created_at: AwareDatetime


class RegisteredWebhook(_Endpoint):
    """The secret is shown this once. The same URL registered again is the same endpoint with a new secret, and the one
    before is worth nothing from then on."""

    secret: str = Field(
        description="whsec_ and base64: the key of the signature of every message",
        pattern=r"^whsec_[A-Za-z0-9+/]+={0,2}$",
    )


class WebhookEndpoint(_Endpoint):
    disabled_at: AwareDatetime | None = Field(description="From then on nothing is sent")
    disabled_because: str | None


class WebhookEndpoints(Answer):
    """Oldest first, disabled ones too."""

    webhooks: list[WebhookEndpoint]


class WebhookMessagesQuery(Request):
    limit: Annotated[int, Field(ge=1, le=MESSAGES_LIMIT_MAX)] = MESSAGES_LIMIT_DEFAULT
    cursor: Cursor | None = None


class WebhookAttempt(Answer):
    """One request, with the status of its answer or with why there was none."""

    attempted_at: AwareDatetime
    milliseconds: int
    status: int | None
    error: str | None = Field(
        description="timed_out, name_not_found, address_refused, certificate_refused, not_connected, connection_lost or"
        " secret_unreadable"
    )


class WebhookDelivery(Answer):
    """A message on its way to one endpoint: waiting, delivered, or failed when all attempts were made."""

    webhook_id: UUID
    url: str
    state: Literal["waiting", "delivered", "failed"]
    next_attempt_at: AwareDatetime | None = Field(description="At the earliest; null where it is settled")
    settled_at: AwareDatetime | None
    attempts: list[WebhookAttempt] = Field(description="The latest 20, oldest first")


class WebhookMessage(Answer):
    id: UUID = Field(description="The header webhook-id, the same in every attempt")
    created_at: AwareDatetime
    payload: dict[str, Any] = Field(description="What is sent: type, timestamp, data")
    deliveries: list[WebhookDelivery]


class WebhookMessages(Answer):
    """Newest first."""

    messages: list[WebhookMessage]
    next_cursor: NextCursor


class WebhookReplay(Answer):
    """The message waits for its first attempt again, at each of these endpoints."""

    message_id: UUID
    webhook_ids: list[UUID]


class WebhookReplayRequest(Request):
    """Nothing to say: the message is sent again."""
