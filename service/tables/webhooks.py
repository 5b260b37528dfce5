"""Tables of what merchants are told."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from service.tables.columns import Instant, created_at, demo, metadata

webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("merchant_id", Text, ForeignKey("merchant.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    # Encrypted, see service/secrets.py.
    Column("secret", LargeBinary, nullable=False),
    Column("disabled_at", Instant),
    Column("disabled_because", Text),
    created_at(),
    demo(),
    CheckConstraint("(disabled_at IS NULL) = (disabled_because IS NULL)", name="disabled"),
    # The same URL registered again is the same endpoint with a new secret.
    Index("uq_webhook_endpoint_url", "merchant_id", "url", unique=True, postgresql_where=text("disabled_at IS NULL")),
)

# The outbox: written in the transaction of what it tells, for merchants that have an endpoint.
webhook_message = Table(
    "webhook_message",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("merchant_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    # The JSON as it is sent: what is signed are these bytes.
    Column("payload", Text, nullable=False),
    created_at(),
    # The order in which a merchant's messages are listed.
    Column("number", BigInteger, Identity(always=True), nullable=False),
    Index(None, "merchant_id", "number"),
    # By age, for what is not kept any longer.
    Index(None, "created_at"),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("message_id", Uuid, ForeignKey("webhook_message.id", ondelete="CASCADE"), primary_key=True),
    # No foreign key: it would lock one row for all redemptions of a merchant. Endpoints are never deleted.
    Column("endpoint_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", Instant, nullable=False, server_default=func.now()),
    Column("settled_at", Instant),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
    CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name="settled"),
    # Per endpoint, so that what one leaves waiting is not read for another.
    Index("ix_webhook_delivery_waiting", "endpoint_id", "next_attempt_at", postgresql_where=text("state = 'waiting'")),
)

# Each attempt, for the merchant who asks what was sent and what they answered.
webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("message_id", Uuid, nullable=False),
    Column("endpoint_id", Uuid, nullable=False),
    Column("attempted_at", Instant, nullable=False, server_default=func.now()),
    Column("milliseconds", Integer, nullable=False),
    # The HTTP status, or why there was none.
    Column("status", SmallInteger),
    Column("error", Text),
    Index(None, "message_id", "endpoint_id"),
    ForeignKeyConstraint(
        ["message_id", "endpoint_id"],
        ["webhook_delivery.message_id", "webhook_delivery.endpoint_id"],
        ondelete="CASCADE",
    ),
    CheckConstraint("num_nonnulls(status, error) = 1", name="answer"),
)
