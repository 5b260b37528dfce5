"""Tables of bins: their keys, their places, and what they say of themselves."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
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
from sqlalchemy.dialects.postgresql import JSONB

from service.tables.columns import Instant, created_at, demo, metadata

bin_ = Table(
    "bin",
    metadata,
    Column("id", Text, primary_key=True),
    # Where it stands now, and since when; before that, see `bin_placement`.
    Column("site_id", Text, ForeignKey("site.id"), nullable=False, index=True),
    Column("placed_at", Instant, nullable=False, server_default=func.now()),
    Column("state", Text, nullable=False, server_default="active"),
    Column("model", Text),
    # e and the capacity of its scale; what one box holds.
    Column("verification_interval_grams", Integer, nullable=False),
    Column("capacity_grams", Integer, nullable=False),
    Column("box_capacity_grams", Integer, nullable=False, server_default=text("30000")),
    Column("certificate_expires_on", Date),
    # The last service visit, when its clock was set and its memory emptied.
    Column("serviced_at", Instant),
    created_at(),
    CheckConstraint("state IN ('registered', 'active', 'suspended', 'retired')", name="state"),
    CheckConstraint("verification_interval_grams > 0 AND capacity_grams > 0 AND box_capacity_grams > 0", name="scale"),
)

# Where a bin stood: from here until its next row.
bin_placement = Table(
    "bin_placement",
    metadata,
    Column("bin_id", Text, ForeignKey("bin.id"), primary_key=True),
    Column("effective_from", Instant, primary_key=True),
    Column("site_id", Text, ForeignKey("site.id"), nullable=False, index=True),
    created_at(),
)

# What was done to a bin, when it took effect and by whom: never changed.
bin_change = Table(
    "bin_change",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("bin_id", Text, ForeignKey("bin.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("effective_at", Instant, nullable=False),
    # The site of a move, the key that came or went, what the scale is now; null for the others.
    Column("subject", Text),
    Column("reason", Text),
    # The operator's API key; null for the bin itself and for commands.
    Column("changed_by", Uuid),
    created_at(),
    CheckConstraint(
        "kind IN ('registered', 'claim_code', 'claimed', 'key_added', 'key_ended', 'suspended', 'resumed', 'moved',"
        " 'serviced', 'scale', 'retired')",
        name="kind",
    ),
    Index(None, "bin_id", "id"),
)

# A code by which a registered bin is claimed once; the newest of a bin is the only one that is good.
bin_claim = Table(
    "bin_claim",
    metadata,
    Column("code_hash", LargeBinary, primary_key=True),
    Column("bin_id", Text, ForeignKey("bin.id"), nullable=False, index=True),
    Column("expires_at", Instant, nullable=False),
    Column("claimed_at", Instant),
    Column("withdrawn_at", Instant),
    created_at(),
    demo(),
    Index(
        "uq_bin_claim_open",
        "bin_id",
        unique=True,
        postgresql_where=text("claimed_at IS NULL AND withdrawn_at IS NULL"),
    ),
)

bin_key = Table(
    "bin_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bin_id", Text, ForeignKey("bin.id"), nullable=False, index=True),
    Column("algorithm", Text, nullable=False),
    # The public key of Ed25519 as it is; an HMAC secret encrypted, see service/secrets.py.
    Column("key", LargeBinary, nullable=False),
    # Null for an HMAC secret that was issued, until the bin has shown that it has it.
    Column("valid_from", Instant, server_default=func.now()),
    Column("valid_until", Instant),
    demo(),
    CheckConstraint("algorithm IN ('ed25519', 'hmac-sha256')", name="algorithm"),
    # One private key in two bins is a copied firmware image; one that has ended does not come back.
    Index("uq_bin_key_public_key", "key", unique=True, postgresql_where=text("algorithm = 'ed25519'")),
)

# What a bin said last; and when it was last heard of, by telemetry.
bin_status = Table(
    "bin_status",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("heard_at", Instant, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("clock_skew_seconds", Integer),
    Column("firmware", Text),
    Column("temperature_celsius", Double),
    Column("smoke", Boolean),
    Column("door_open", Boolean),
    Column("scale_zero_grams", Integer),
    Column("battery_percent", SmallInteger),
    # Of each: material, fill_percent and mass_grams.
    Column("boxes", JSONB),
    # Of the fullest box, and in all boxes.
    Column("fill_percent_max", SmallInteger),
    Column("mass_grams", BigInteger),
    # Of each field of what bins tell, the time of the newest event that told it, in Unix seconds.
    Column("told_at", JSONB, nullable=False, server_default=text("'{}'")),
    # The time of what was last added to `bin_telemetry`.
    Column("kept_at", Instant),
    # Room on each page for the new version of a row, and no other index: each heartbeat is an update.
    postgresql_with={"fillfactor": 50},
)

# What bins said, thinned, for as long as the retention says.
bin_telemetry = Table(
    "bin_telemetry",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("occurred_at", Instant, primary_key=True),
    Column("received_at", Instant, nullable=False),
    Column("temperature_celsius", Double),
    Column("smoke", Boolean),
    Column("door_open", Boolean),
    Column("scale_zero_grams", Integer),
    Column("battery_percent", SmallInteger),
    Column("boxes", JSONB),
    # For what is not kept any longer.
    Index(None, "occurred_at"),
)

# What somebody has to look at: open until the bin says otherwise.
bin_alarm = Table(
    "bin_alarm",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("bin_id", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    # What was measured when it opened: degrees, grams or percent, by kind.
    Column("measured", Double),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    CheckConstraint("kind IN ('smoke', 'heat', 'scale_zero', 'battery')", name="kind"),
    CheckConstraint("closed_at >= opened_at", name="life"),
    Index("uq_bin_alarm_open", "bin_id", "kind", unique=True, postgresql_where=text("closed_at IS NULL")),
    Index(None, "bin_id", "id"),
)

# What bins of a model are told about their firmware; of all models where it is null. The newest in force counts.
firmware_notice = Table(
    "firmware_notice",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("model", Text),
    Column("version", Text, nullable=False),
    Column("notice", Text, nullable=False),
    Column("notice_en", Text, nullable=False),
    Column("url", Text),
    Column("sha256", LargeBinary),
    Column("effective_from", Instant, nullable=False),
    created_at(),
)
