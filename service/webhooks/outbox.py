"""The outbox: what merchants are to be told, written in the transaction of what happened."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from service.db import DriverConnection
from service.moments import in_utc

MessageType = Literal[
    "redemption.captured",
    "redemption.voided",
    "redemption.expired",
    "redemption.refunded",
    "statement.issued",
]

# Messages and their deliveries in one statement: a merchant without an endpoint gets neither.
WRITE: Final = """
WITH message AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
      AS message (id, merchant_id, type, payload, created_at)
), written AS (
    INSERT INTO webhook_message (id, merchant_id, type, payload, created_at)
    SELECT id, merchant_id, type, payload, created_at
    FROM message
    WHERE EXISTS (SELECT FROM webhook_endpoint
                  WHERE webhook_endpoint.merchant_id = message.merchant_id AND disabled_at IS NULL)
    RETURNING id, merchant_id
)
INSERT INTO webhook_delivery (message_id, endpoint_id)
SELECT written.id, webhook_endpoint.id
FROM written
JOIN webhook_endpoint ON webhook_endpoint.merchant_id = written.merchant_id AND disabled_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One thing that happened, for one merchant. `data` is JSON: no resident, no balance, nothing personal."""

    merchant_id: str
    type: MessageType
    happened_at: datetime
    data: Mapping[str, Any]

    def payload(self) -> str:
        """Standard Webhooks 1.0: type, timestamp, data; the bytes that are signed and sent."""
        document = {"type": self.type, "timestamp": in_utc(self.happened_at), "data": self.data}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


async def write_messages(connection: DriverConnection, messages: Sequence[Message]) -> None:
    """In the caller's transaction: it is told if, and only if, it happened."""
    if not messages:
        return
    await connection.execute(
        WRITE,
        [uuid.uuid4() for _ in messages],
        [message.merchant_id for message in messages],
        [message.type for message in messages],
        [message.payload() for message in messages],
        [message.happened_at for message in messages],
    )
