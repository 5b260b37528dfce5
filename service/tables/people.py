"""Tables of who has an account or a key: residents, merchants, their machines, operators."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from service.tables.columns import Instant, created_at, demo, metadata

account = Table(
    "account",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("kind", Text, nullable=False),
    created_at(),
    CheckConstraint("kind IN ('issuer', 'resident', 'merchant')", name="kind"),
)

resident = Table(
    "resident",
    metadata,
    # The id of the resident is the id of their account.
    Column("id", BigInteger, ForeignKey("account.id"), primary_key=True, autoincrement=False),
    Column("openid_digest", LargeBinary, unique=True),
    # Traders bring what others collected: their days have limits of their own.
    Column("kind", Text, nullable=False, server_default="resident"),
    created_at(),
    demo(),
    CheckConstraint("kind IN ('resident', 'trader')", name="kind"),
)

# Who made a resident a trader, or a resident again, when and why: never changed.
resident_change = Table(
    "resident_change",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("resident_id", BigInteger, ForeignKey("resident.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # The operator's API key.
    Column("changed_by", Uuid, nullable=False),
    created_at(),
    CheckConstraint("kind IN ('resident', 'trader')", name="kind"),
)

session = Table(
    "session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("resident_id", BigInteger, ForeignKey("resident.id"), nullable=False, index=True),
    Column("expires_at", Instant, nullable=False),
    created_at(),
    demo(),
)

credential = Table(
    "credential",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("resident_id", BigInteger, ForeignKey("resident.id"), nullable=False, index=True),
    Column("bound_at", Instant, nullable=False, server_default=func.now(), index=True),
    # Drops before that are not its resident's, whenever they arrive: a card had another owner once, perhaps.
    Column("counts_from", Instant, nullable=False, server_default=text("now() - interval '30 days'")),
    demo(),
    CheckConstraint("kind IN ('card', 'code')", name="kind"),
)

merchant = Table(
    "merchant",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", BigInteger, ForeignKey("account.id"), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    # Where its shop is; null for a merchant that has machines only.
    Column("site_id", Text, ForeignKey("site.id"), index=True),
    # How long coins stay held for it, and how long after that its machines may still tell what they gave out.
    Column("hold_seconds", Integer, nullable=False, server_default=text("120")),
    Column("capture_grace_seconds", Integer, nullable=False, server_default=text("0")),
    created_at(),
    CheckConstraint("hold_seconds BETWEEN 1 AND 86400", name="hold_seconds"),
    CheckConstraint("capture_grace_seconds BETWEEN 0 AND 2592000", name="capture_grace_seconds"),
)

# What the city pays a merchant for its coins: in force from here until the next one, superseded, never edited.
merchant_rate = Table(
    "merchant_rate",
    metadata,
    Column("merchant_id", Text, ForeignKey("merchant.id"), primary_key=True),
    Column("effective_from", Instant, primary_key=True),
    Column("fen_per_1000_coins", Integer, nullable=False),
    created_at(),
    CheckConstraint("fen_per_1000_coins >= 0", name="fen_per_1000_coins"),
)

machine = Table(
    "machine",
    metadata,
    Column("id", Text, primary_key=True),
    Column("merchant_id", Text, ForeignKey("merchant.id"), nullable=False, index=True),
    Column("site_id", Text, ForeignKey("site.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    CheckConstraint("kind IN ('water', 'detergent')", name="kind"),
)

machine_key = Table(
    "machine_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("machine_id", Text, ForeignKey("machine.id"), nullable=False, index=True),
    Column("algorithm", Text, nullable=False),
    # As in `bin_key`.
    Column("key", LargeBinary, nullable=False),
    Column("valid_from", Instant, nullable=False, server_default=func.now()),
    Column("valid_until", Instant),
    demo(),
    CheckConstraint("algorithm IN ('ed25519', 'hmac-sha256')", name="algorithm"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("id", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    # By which keys of one person are told, see service/operator_names.py.
    Column("plain_name", Text, nullable=False),
    Column("merchant_id", Text, ForeignKey("merchant.id"), index=True),
    Column("station_id", Text, ForeignKey("scrap_station.id"), index=True),
    Column("revoked_at", Instant),
    created_at(),
    demo(),
    CheckConstraint("role IN ('merchant', 'viewer', 'operator', 'auditor', 'admin', 'station')", name="role"),
    CheckConstraint("(role = 'merchant') = (merchant_id IS NOT NULL)", name="merchant"),
    CheckConstraint("(role = 'station') = (station_id IS NOT NULL)", name="station"),
)
