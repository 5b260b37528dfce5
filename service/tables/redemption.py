"""Tables of what coins are spent on, and within which limits."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from service.tables.columns import Instant, created_at, metadata

pay_code = Table(
    "pay_code",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("owner_id", BigInteger, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant),
    created_at(),
    # A resident has one code that is not used: a new one takes its place.
    Index("uq_pay_code_unused", "owner_id", unique=True, postgresql_where=text("used_at IS NULL")),
)

# What was asked for and granted. What became of it is said by `hold`, `hold_resolution` and `transfer`: nothing here
# ever changes.
redemption = Table(
    "redemption",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid, primary_key=True),
    Column("merchant_id", Text, nullable=False),
    Column("machine_id", Text),
    # As many as were granted; with an offer, its price at that moment.
    Column("coins", BigInteger, nullable=False),
    Column("offer_id", Text),
    # One piece was taken off the offer's stock; it returns when the hold is voided or expires.
    Column("from_stock", Boolean, nullable=False, server_default=text("false")),
    # Null where the coins were taken at once.
    Column("expires_at", Instant),
    created_at(),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("offer_id IS NOT NULL OR NOT from_stock", name="stock"),
    Index("ix_redemption_id", "id"),
    # A resident's own, by day: for limits and for their list.
    Index(None, "owner_id", "created_at"),
    # A merchant's own, for its list.
    Index(None, "merchant_id", "created_at"),
)

# A machine told what it had given out when its grace was over: the merchant bears it, and here it is written.
uncovered_capture = Table(
    "uncovered_capture",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("redemption_id", Uuid, primary_key=True),
    Column("merchant_id", Text, nullable=False),
    Column("machine_id", Text, nullable=False),
    Column("coins", BigInteger, nullable=False),
    Column("received_at", Instant, nullable=False),
    CheckConstraint("coins > 0", name="coins"),
    Index(None, "merchant_id", "received_at"),
)

offer = Table(
    "offer",
    metadata,
    Column("id", Text, primary_key=True),
    Column("merchant_id", Text, ForeignKey("merchant.id"), nullable=False, index=True),
    # The merchant's machines of this kind give it out; null for its shop.
    Column("machine_kind", Text),
    Column("title", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("unit_en", Text, nullable=False),
    Column("coins", BigInteger, nullable=False),
    Column("valid_from", Instant, nullable=False),
    Column("valid_until", Instant),
    # Pieces a resident may have on a business day; null for any number.
    Column("resident_day_max", Integer),
    # Pieces that were ever put in stock, and that are taken; null for an offer without stock.
    Column("stock_added", BigInteger),
    Column("stock_taken", BigInteger, nullable=False, server_default=text("0")),
    created_at(),
    CheckConstraint("machine_kind IN ('water', 'detergent')", name="machine_kind"),
    CheckConstraint("coins > 0", name="coins"),
    # Equal: it was withdrawn before it began.
    CheckConstraint("valid_until >= valid_from", name="validity"),
    CheckConstraint("resident_day_max > 0", name="resident_day_max"),
    CheckConstraint("stock_taken BETWEEN 0 AND coalesce(stock_added, 0)", name="stock"),
    # These rows are updated with every piece.
    postgresql_with={"fillfactor": 70},
)

# The most coins of one redemption, of a resident's business day or of a merchant's: in force until the next row of the
# same kind and merchant; of two from the same moment the later written holds, so that one can be corrected before it
# takes effect. A merchant's own stands before the general one, whose `merchant_id` is null.
spending_limit = Table(
    "spending_limit",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("merchant_id", Text, ForeignKey("merchant.id")),
    Column("effective_from", Instant, nullable=False),
    # Null: no limit from here on.
    Column("coins", BigInteger),
    created_at(),
    CheckConstraint("kind IN ('redemption', 'resident_day', 'merchant_day')", name="kind"),
    CheckConstraint("coins >= 0", name="coins"),
    # A resident's day is one day at all merchants together.
    CheckConstraint("kind <> 'resident_day' OR merchant_id IS NULL", name="resident_day"),
)

# What a merchant's limit of the day has let through. There are rows only of days on which one was in force: limits of a
# day begin and end with a business day, so a row counts all of its day.
merchant_day = Table(
    "merchant_day",
    metadata,
    Column("merchant_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("coins", BigInteger, nullable=False),
    CheckConstraint("coins >= 0", name="coins"),
    postgresql_with={"fillfactor": 70},
)

idempotency_key = Table(
    "idempotency_key",
    metadata,
    # Who sent it: `resident:1`, `merchant:NK-M-01`, `machine:NK-W-01`, `key:<uuid of an operator's API key>`.
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_digest", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    # The JSON as it was sent: JSONB would reorder its members, and a retry hears the same bytes.
    Column("answer", Text, nullable=False),
    created_at(),
)
