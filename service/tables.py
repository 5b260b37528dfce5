"""Every table. Constraints are named, so that an expected violation can be told by its name.

`weigh_event`, `wallet`, `transfer`, `hold` and what else belongs to one resident have no foreign keys and no triggers:
they are distributed on Citus (by `bin_id` and by `owner_id`), and a check of every row's references costs more than the
row. `tanbi verify` checks them instead. Grams and coins are integers; times are stored in UTC.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# The one account that coins are issued from; merchants' and residents' accounts follow it.
ISSUER_ACCOUNT_ID = 1

Instant = DateTime(timezone=True)
CURRENT_XID = text("pg_current_xact_id()::text::bigint")


def created_at() -> Column[object]:
    return Column("created_at", Instant, nullable=False, server_default=func.now())


def demo() -> Column[object]:
    """True for what `tanbi demo` made: refused by a service that does not run as a demo."""
    return Column("demo", Boolean, nullable=False, server_default=text("false"))


# -- places ---------------------------------------------------------------------------------------------------------

area = Table(
    "area",
    metadata,
    Column("id", Text, primary_key=True),
    Column("parent_id", Text, ForeignKey("area.id"), index=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    CheckConstraint("kind IN ('city', 'district', 'subdistrict', 'community')", name="kind"),
    CheckConstraint("(kind = 'city') = (parent_id IS NULL)", name="parent"),
)

site = Table(
    "site",
    metadata,
    Column("id", Text, primary_key=True),
    Column("area_id", Text, ForeignKey("area.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    # WGS 84, in degrees; null where nobody has measured it.
    Column("latitude", Double),
    Column("longitude", Double),
    CheckConstraint("kind IN ('community', 'commercial', 'industrial', 'scenic')", name="kind"),
    CheckConstraint(
        "(latitude IS NULL) = (longitude IS NULL)"
        " AND (latitude IS NULL OR latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)",
        name="position",
    ),
)

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

material = Table(
    "material",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False),
)

tariff = Table(
    "tariff",
    metadata,
    Column("material_id", Text, ForeignKey("material.id"), primary_key=True),
    # In force from here until the next one of the same material: superseded, never edited.
    Column("effective_from", Instant, primary_key=True),
    Column("coins_per_kg", Integer, nullable=False),
    created_at(),
    CheckConstraint("coins_per_kg >= 0", name="coins_per_kg"),
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

# What makes a weigh event doubtful and what is done then: in force until the next row of the same code; of two from the
# same moment the later written holds.
plausibility_rule = Table(
    "plausibility_rule",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("code", Text, nullable=False),
    Column("effective_from", Instant, nullable=False),
    Column("action", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    created_at(),
    CheckConstraint("action IN ('off', 'credit', 'hold', 'reject')", name="action"),
    Index(None, "code", "effective_from"),
)

# Raised by every change of bins, keys, materials, tariffs, limits and rules: each process notices with one query.
reference_revision = Table(
    "reference_revision",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

# -- people and merchants -------------------------------------------------------------------------------------------

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

# -- weighing -------------------------------------------------------------------------------------------------------

weigh_event = Table(
    "weigh_event",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("event_id", Text(collation="C"), primary_key=True),
    Column("content_digest", LargeBinary, nullable=False),
    # Where the bin stood when it was credited: a bin that moves leaves its volumes behind.
    Column("site_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("material_id", Text, nullable=False),
    Column("weight_grams", Integer, nullable=False),
    Column("box_weight_grams", Integer),
    Column("credential_digest", LargeBinary),
    Column("resident_id", BigInteger),
    # What the rules said when it came, and why; what became of it since.
    Column("verdict", Text, nullable=False, server_default="credit"),
    Column("code", Text),
    Column("outcome", Text, nullable=False),
    # Which count of the bin's the sequence belongs to: a reset counter begins a new one. Null where it was used before.
    Column("epoch", Integer, server_default=text("0")),
    # How far the bin's clock was behind the service's when it signed; null where nobody knows.
    Column("clock_skew_seconds", Integer),
    # The tariff used, so that the coins can be recomputed from the row alone; null where none was in force.
    Column("coins_per_kg", Integer),
    Column("coins", BigInteger, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    # The transaction that wrote the row, and the one that credited it later where it had waited for its card.
    Column("xid", BigInteger, nullable=False, server_default=CURRENT_XID, index=True),
    Column("claimed_xid", BigInteger),
    CheckConstraint("weight_grams > 0", name="weight_grams"),
    CheckConstraint("coins = coalesce(weight_grams::bigint * coins_per_kg / 1000, 0)", name="coins"),
    CheckConstraint("outcome IN ('credited', 'unclaimed', 'held', 'rejected')", name="outcome"),
    CheckConstraint("(outcome = 'credited') = (resident_id IS NOT NULL)", name="resident"),
    CheckConstraint(
        "CASE verdict WHEN 'credit' THEN outcome IN ('credited', 'unclaimed') WHEN 'hold' THEN code IS NOT NULL"
        " WHEN 'reject' THEN code IS NOT NULL AND outcome = 'rejected' ELSE false END",
        name="verdict",
    ),
    Index(
        "ix_weigh_event_waiting",
        "credential_digest",
        postgresql_where=text("outcome = 'unclaimed' AND credential_digest IS NOT NULL"),
    ),
    # Whose held drops are, when their card is bound.
    Index(
        "ix_weigh_event_held_for",
        "credential_digest",
        postgresql_where=text("verdict = 'hold' AND credential_digest IS NOT NULL"),
    ),
    Index("ix_weigh_event_claimed", "claimed_xid", postgresql_where=text("claimed_xid IS NOT NULL")),
    Index("ix_weigh_event_claimed_for", "credential_digest", postgresql_where=text("claimed_xid IS NOT NULL")),
    # For days that are recomputed: events lie about in the order of their times, so a few bytes a megabyte are enough.
    Index(None, "occurred_at", postgresql_using="brin"),
)

weigh_event_conflict = Table(
    "weigh_event_conflict",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("event_id", Text(collation="C"), primary_key=True),
    Column("content_digest", LargeBinary, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("material_id", Text, nullable=False),
    Column("weight_grams", Integer, nullable=False),
    Column("credential_digest", LargeBinary),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
)

# What is remembered of a bin to judge its next event by. Whoever writes events of a bin locks its row first.
bin_memory = Table(
    "bin_memory",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    # The highest sequence of the present count, and the time of its event; null before the first.
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    Column("sequence", BigInteger),
    Column("sequence_at", Instant),
    Column("gaps_open", Integer, nullable=False, server_default=text("0")),
    # When an event of it was last stored.
    Column("heard_at", Instant),
    # By material: what the box weighed after which event. By hour: drops and grams. Where the present count begins, and
    # where those before it ended. See plausibility/bin_memory.py.
    Column("boxes", JSONB, nullable=False, server_default=text("'{}'")),
    Column("hours", JSONB, nullable=False, server_default=text("'{}'")),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    CheckConstraint("gaps_open >= 0", name="gaps_open"),
    postgresql_with={"fillfactor": 50},
)

# Sequences of a bin that never came, from one to another: closed by the late event, or shortened. Of one that is given
# up nobody waits for them any more: see plausibility/sequences.py.
sequence_gap = Table(
    "sequence_gap",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("first_sequence", BigInteger, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    # When the service learned of it, by an event that comes after it and occurred then.
    Column("opened_at", Instant, nullable=False),
    Column("before_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Column("given_up", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("first_sequence BETWEEN 0 AND last_sequence", name="sequences"),
    CheckConstraint("closed_at IS NOT NULL OR NOT given_up", name="given_up"),
    Index("ix_sequence_gap_open", "bin_id", "epoch", "first_sequence", postgresql_where=text("closed_at IS NULL")),
    # For lists, the newest first.
    Index(None, "id"),
)

# What a resident was credited for on a business day, by the drops' own time: what limits by day are held against.
resident_day = Table(
    "resident_day",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", Date, primary_key=True),
    Column("drops", Integer, nullable=False),
    Column("grams", BigInteger, nullable=False),
    Column("coins", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},
)

# A weigh event that waits, or waited, for a person to look at it.
held_event = Table(
    "held_event",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("event_id", Text(collation="C"), primary_key=True),
    Column("id", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
    # Whose credential was shown; null where it was nobody's yet.
    Column("resident_id", BigInteger),
    # Every rule that acted, with the figures that it tells: [{"code", "figures": {…}}], the first as the event's code.
    Column("findings", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("held_at", Instant, nullable=False),
    Column("appeal", Text),
    Column("appealed_at", Instant),
    CheckConstraint("state IN ('open', 'released', 'rejected', 'appealed', 'upheld')", name="state"),
    CheckConstraint("num_nonnulls(appeal, appealed_at) IN (0, 2)", name="appeal"),
    Index("ix_held_event_waiting", "held_at", "id", postgresql_where=text("state IN ('open', 'appealed')")),
    Index(None, "held_at", "id"),
    Index(None, "resident_id", "held_at", postgresql_where=text("resident_id IS NOT NULL")),
)

# What an operator decided about a held event: the first decision, and after an appeal the second. Never changed.
review_decision = Table(
    "review_decision",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("event_id", Text(collation="C"), primary_key=True),
    # 1, or 2 after an appeal.
    Column("ordinal", SmallInteger, primary_key=True, autoincrement=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # The operator's API key.
    Column("decided_by", Uuid, nullable=False),
    Column("decided_at", Instant, nullable=False, server_default=func.clock_timestamp()),
    # Of a release: when the drop counts as weighed (the event's own time, unless its clock was wrong), where the bin
    # stood then, the tariff of that time, and what it earned.
    Column("placed_at", Instant),
    Column("site_id", Text),
    Column("coins_per_kg", Integer),
    Column("coins", BigInteger),
    Column("xid", BigInteger, nullable=False, server_default=CURRENT_XID, index=True),
    CheckConstraint("ordinal IN (1, 2)", name="ordinal"),
    CheckConstraint("decision IN ('released', 'rejected')", name="decision"),
    CheckConstraint(
        "num_nonnulls(placed_at, site_id, coins_per_kg, coins) = CASE decision WHEN 'released' THEN 4 ELSE 0 END",
        name="released",
    ),
)

# A box that was emptied, as its bin tells it.
clearance = Table(
    "clearance",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("event_id", Text(collation="C"), primary_key=True),
    Column("id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Column("content_digest", LargeBinary, nullable=False),
    Column("site_id", Text, nullable=False),
    # As of a weigh event.
    Column("epoch", Integer),
    Column("sequence", BigInteger, nullable=False),
    Column("material_id", Text, nullable=False),
    # Who emptied it: the id of a card or a vehicle, never a name.
    Column("collector", Text, nullable=False),
    Column("mass_before_grams", Integer, nullable=False),
    Column("mass_after_grams", Integer, nullable=False),
    # What the drops since the last emptying add up to with what was left then, and by how much the mass before may
    # differ from it; null where nobody knows.
    Column("expected_grams", BigInteger),
    Column("permissible_grams", BigInteger),
    Column("outcome", Text, nullable=False),
    # What is doubtful about it, or why it was rejected; the findings as those of a held event.
    Column("code", Text),
    Column("findings", JSONB),
    Column("clock_skew_seconds", Integer),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    CheckConstraint("mass_before_grams >= 0 AND mass_after_grams >= 0", name="masses"),
    CheckConstraint("num_nonnulls(expected_grams, permissible_grams) IN (0, 2)", name="expected"),
    CheckConstraint("outcome = 'recorded' OR outcome = 'rejected' AND code IS NOT NULL", name="outcome"),
    CheckConstraint("num_nonnulls(code, findings) IN (0, 2)", name="findings"),
    Index(None, "occurred_at", "id"),
    Index(None, "bin_id", "occurred_at", "id"),
    Index("ix_clearance_doubtful", "occurred_at", "id", postgresql_where=text("code IS NOT NULL")),
)

clearance_conflict = Table(
    "clearance_conflict",
    metadata,
    Column("bin_id", Text(collation="C"), primary_key=True),
    Column("event_id", Text(collation="C"), primary_key=True),
    Column("content_digest", LargeBinary, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("material_id", Text, nullable=False),
    Column("collector", Text, nullable=False),
    Column("mass_before_grams", Integer, nullable=False),
    Column("mass_after_grams", Integer, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
)

# -- ledger ---------------------------------------------------------------------------------------------------------

wallet = Table(
    "wallet",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("posted", BigInteger, nullable=False, server_default=text("0")),
    Column("held", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("held >= 0", name="held"),
    CheckConstraint("posted >= held", name="available"),
    # Room on each page for the new version of a row: an update of a balance then touches no index.
    postgresql_with={"fillfactor": 70},
)

transfer = Table(
    "transfer",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("debit_account_id", BigInteger, nullable=False),
    Column("credit_account_id", BigInteger, nullable=False),
    Column("coins", BigInteger, nullable=False),
    # What moved the coins, by kind; see the constraint `cause`.
    Column("bin_id", Text(collation="C")),
    Column("event_id", Text(collation="C")),
    Column("redemption_id", Uuid),
    # The transfer that this one undoes, in whole or in part: a refund's capture, a cover, an expiry's lot, what was
    # corrected.
    Column("reverses_id", BigInteger),
    Column("reason", Text),
    Column("adjustment_id", Uuid),
    # API keys of the two operators of an adjustment.
    Column("requested_by", Uuid),
    Column("approved_by", Uuid),
    created_at(),
    Column("xid", BigInteger, nullable=False, server_default=CURRENT_XID, index=True),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("debit_account_id <> credit_account_id", name="accounts"),
    CheckConstraint("owner_id IN (debit_account_id, credit_account_id)", name="owner"),
    CheckConstraint("num_nonnulls(bin_id, event_id) = CASE kind WHEN 'credit' THEN 2 ELSE 0 END", name="weighed"),
    CheckConstraint(
        "CASE kind"
        " WHEN 'credit' THEN num_nonnulls(redemption_id, reverses_id, adjustment_id) = 0"
        " WHEN 'redemption' THEN redemption_id IS NOT NULL AND num_nonnulls(bin_id, reverses_id, adjustment_id) = 0"
        " WHEN 'refund' THEN num_nonnulls(redemption_id, reverses_id) = 2 AND num_nonnulls(bin_id, adjustment_id) = 0"
        # The scheme makes up what a late capture no longer found in the wallet, and has it back when that is refunded.
        " WHEN 'cover' THEN redemption_id IS NOT NULL AND num_nonnulls(bin_id, reverses_id, adjustment_id) = 0"
        " WHEN 'cover_refund' THEN num_nonnulls(redemption_id, reverses_id) = 2"
        " AND num_nonnulls(bin_id, adjustment_id) = 0"
        " WHEN 'expiry' THEN reverses_id IS NOT NULL AND num_nonnulls(bin_id, redemption_id, adjustment_id) = 0"
        " WHEN 'adjustment' THEN num_nonnulls(adjustment_id, reason) = 2 AND num_nonnulls(bin_id, redemption_id) = 0"
        # Not written any more: adjustments took its place.
        " WHEN 'reversal' THEN num_nonnulls(reverses_id, reason) = 2"
        " AND num_nonnulls(bin_id, redemption_id, adjustment_id) = 0"
        " ELSE false END",
        name="cause",
    ),
    # Both names stay on the transfer, and nobody approves their own.
    CheckConstraint(
        "CASE WHEN kind = 'adjustment' THEN coalesce(requested_by <> approved_by, false)"
        " ELSE num_nonnulls(requested_by, approved_by) = 0 END",
        name="operators",
    ),
    Index("uq_transfer_reverses", "owner_id", "reverses_id", unique=True, postgresql_where=text("kind = 'reversal'")),
    # A redemption is captured once and covered once, a lot expires once, an adjustment is posted once.
    Index(
        "uq_transfer_redemption", "owner_id", "redemption_id", unique=True, postgresql_where=text("kind = 'redemption'")
    ),
    Index("uq_transfer_cover", "owner_id", "redemption_id", unique=True, postgresql_where=text("kind = 'cover'")),
    Index("uq_transfer_expiry", "owner_id", "reverses_id", unique=True, postgresql_where=text("kind = 'expiry'")),
    Index(
        "uq_transfer_adjustment", "owner_id", "adjustment_id", unique=True, postgresql_where=text("kind = 'adjustment'")
    ),
    Index("ix_transfer_refund", "owner_id", "redemption_id", postgresql_where=text("kind = 'refund'")),
    # What a merchant took and gave back, for its settlement.
    Index("ix_transfer_taken", "credit_account_id", "created_at", postgresql_where=text("kind = 'redemption'")),
    Index("ix_transfer_given_back", "debit_account_id", "created_at", postgresql_where=text("kind = 'refund'")),
)

# Coins set aside: a row is here while its hold is open. It is deleted by the statement that writes its resolution.
hold = Table(
    "hold",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("redemption_id", Uuid, primary_key=True),
    Column("coins", BigInteger, nullable=False),
    Column("held_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("expires_at > held_at", name="life"),
)

# What became of a hold, for ever: the primary key lets that be said once.
hold_resolution = Table(
    "hold_resolution",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("redemption_id", Uuid, primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("coins", BigInteger, nullable=False),
    Column("captured_coins", BigInteger, nullable=False),
    Column("held_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("resolved_at", Instant, nullable=False),
    CheckConstraint("outcome IN ('captured', 'voided', 'expired')", name="outcome"),
    CheckConstraint("coins > 0 AND captured_coins BETWEEN 0 AND coins", name="coins"),
    CheckConstraint("(outcome = 'captured') = (captured_coins > 0)", name="captured"),
    # A hold that expires frees its coins at its time, whoever writes that down later.
    CheckConstraint("(outcome = 'expired') = (resolved_at >= expires_at)", name="time"),
)

# Coins that are earned while a row is the newest in force expire after so many months, at the end of the business day;
# never, where `months` is null.
coin_life = Table(
    "coin_life",
    metadata,
    Column("effective_from", Instant, primary_key=True),
    Column("months", SmallInteger),
    created_at(),
    CheckConstraint("months BETWEEN 1 AND 1200", name="months"),
)

# How far the worker that posts expiries has come in its present pass over the wallets; the highest number, where none
# is under way.
expiry_position = Table(
    "expiry_position",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner_id", BigInteger, nullable=False),
    Column("pass_began_at", Instant, nullable=False),
    CheckConstraint("id = 1", name="single"),
)

adjustment = Table(
    "adjustment",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid, primary_key=True),
    Column("direction", Text, nullable=False),
    Column("coins", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    # What it corrects: in words (a case, a weigh event), and the transfer where it is one of this wallet.
    Column("reference", Text, nullable=False),
    Column("corrects_id", BigInteger),
    Column("requested_by", Uuid, nullable=False),
    created_at(),
    Column("decision", Text),
    Column("decided_by", Uuid),
    Column("decided_at", Instant),
    Column("decision_reason", Text),
    CheckConstraint("direction IN ('credit', 'debit')", name="direction"),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("decision IN ('approved', 'rejected')", name="decision"),
    CheckConstraint("num_nonnulls(decision, decided_by, decided_at) IN (0, 3)", name="decided"),
    CheckConstraint("decided_by <> requested_by OR decision = 'rejected'", name="operators"),
    Index("ix_adjustment_id", "id"),
    # As they are listed, page by page.
    Index("ix_adjustment_created_at_id", "created_at", "id"),
    Index("ix_adjustment_waiting", "created_at", postgresql_where=text("decision IS NULL")),
)

# -- redemption -----------------------------------------------------------------------------------------------------

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

# -- settlement -----------------------------------------------------------------------------------------------------

settlement_statement = Table(
    "settlement_statement",
    metadata,
    Column("number", Text, primary_key=True),
    Column("merchant_id", Text, ForeignKey("merchant.id"), nullable=False),
    # The first day of the month that it closes.
    Column("month", Date, nullable=False),
    Column("captures", BigInteger, nullable=False),
    Column("captured_coins", BigInteger, nullable=False),
    Column("refunds", BigInteger, nullable=False),
    Column("refunded_coins", BigInteger, nullable=False),
    Column("net_coins", BigInteger, nullable=False),
    Column("payable_fen", BigInteger, nullable=False),
    # Late captures that nobody pays for: told, not counted.
    Column("uncovered_coins", BigInteger, nullable=False),
    Column("issued_at", Instant, nullable=False, server_default=func.now()),
    UniqueConstraint("merchant_id", "month"),
    CheckConstraint("extract(day FROM month) = 1", name="month"),
    CheckConstraint("net_coins = captured_coins - refunded_coins", name="net_coins"),
    CheckConstraint("captures >= 0 AND captured_coins >= 0 AND refunds >= 0 AND refunded_coins >= 0", name="sums"),
)

# Which transfers a statement is made of: each is settled once, so what comes late is on the next one.
settlement_line = Table(
    "settlement_line",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("transfer_id", BigInteger, primary_key=True, autoincrement=False),
    Column("statement_number", Text, ForeignKey("settlement_statement.number"), nullable=False),
    # In force when the coins were captured; a refund is settled at its capture's.
    Column("fen_per_1000_coins", Integer, nullable=False),
    Index(None, "statement_number", "transfer_id"),
)

# Which captures that came too late a statement tells of: each is told once.
settlement_uncovered = Table(
    "settlement_uncovered",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("redemption_id", Uuid, primary_key=True),
    Column("statement_number", Text, ForeignKey("settlement_statement.number"), nullable=False, index=True),
)

# -- webhooks -------------------------------------------------------------------------------------------------------

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

# -- indicator ------------------------------------------------------------------------------------------------------

volume = Table(
    "volume",
    metadata,
    Column("day", Date, primary_key=True),
    Column("site_id", Text, primary_key=True),
    Column("material_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("grams", BigInteger, nullable=False),
    Column("drops", BigInteger, nullable=False),
    # Of events that wait for a decision: not among the grams and drops.
    Column("held_grams", BigInteger, nullable=False, server_default=text("0")),
    Column("held_drops", BigInteger, nullable=False, server_default=text("0")),
    # As for wallets: these rows are updated twice a second.
    postgresql_with={"fillfactor": 70},
)

# The same by month, for whoever asks for a year of an area: a thirtieth of the rows. By site first, because a site's
# months are all that an area's answer reads.
volume_month = Table(
    "volume_month",
    metadata,
    Column("site_id", Text, primary_key=True),
    # Its first day.
    Column("month", Date, primary_key=True),
    Column("material_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("grams", BigInteger, nullable=False),
    Column("drops", BigInteger, nullable=False),
    Column("held_grams", BigInteger, nullable=False),
    Column("held_drops", BigInteger, nullable=False),
    CheckConstraint("extract(day FROM month) = 1", name="month"),
    postgresql_with={"fillfactor": 70},
)

resident_volume = Table(
    "resident_volume",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("material_id", Text, primary_key=True),
    # The carbon factors in force on the business day on which the drop counts; '' where none were.
    Column("set_id", Text, primary_key=True),
    Column("grams", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},
)

# Coins moved by business day, kind and the account on the other side of the wallet: issuer or merchant.
coin_volume = Table(
    "coin_volume",
    metadata,
    Column("day", Date, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("issued_coins", BigInteger, nullable=False, comment="into wallets"),
    Column("spent_coins", BigInteger, nullable=False, comment="out of wallets"),
    Column("transfers", BigInteger, nullable=False),
)

fold_position = Table(
    "fold_position",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    # Every row with a smaller transaction id is folded.
    Column("xid", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("ticked_at", Instant, nullable=False),
    Column("imbalance_coins", BigInteger, nullable=False, server_default=text("0")),
    Column("imbalance_at", Instant, nullable=False, server_default=text("'-infinity'")),
    CheckConstraint("id = 1", name="single"),
)

# What bins weighed as it was first shown to the public, with nothing in it that rests on a few drops (withholding.py):
# rows are never changed, so no two versions can be compared.
public_volume = Table(
    "public_volume",
    metadata,
    # The district of which a month is shown at once.
    Column("district_id", Text, ForeignKey("area.id"), primary_key=True),
    # Its first day.
    Column("month", Date, primary_key=True),
    Column("area_id", Text, ForeignKey("area.id"), primary_key=True),
    # '' for all of them together, which can be more than their sum.
    Column("material_id", Text, primary_key=True),
    Column("grams", BigInteger, nullable=False),
    created_at(),
    CheckConstraint("extract(day FROM month) = 1", name="month"),
    CheckConstraint("grams >= 0", name="grams"),
)

# A file of inputs that was imported whole; the same file again is known by its digest.
indicator_import = Table(
    "indicator_import",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("sha256", LargeBinary, nullable=False, unique=True),
    Column("file_name", Text, nullable=False),
    Column("file_bytes", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("imported_by", Uuid, nullable=False),
    created_at(),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
)

indicator_input = Table(
    "indicator_input",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("area_id", Text, ForeignKey("area.id"), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    # As service/indicator/kinds.py has them.
    Column("kind", Text, nullable=False),
    # Inputs of one kind add up over their sources; within one source a later version supersedes the earlier.
    Column("source", Text, nullable=False),
    # Of recyclables that are reported by material.
    Column("material_id", Text, ForeignKey("material.id")),
    Column("version", Integer, nullable=False),
    # A mass has grams and a share has parts per million; a version with neither withdraws the input.
    Column("grams", BigInteger),
    Column("ppm", Integer),
    # The amount as it was written, with its unit.
    Column("entered", Text),
    Column("document", Text, nullable=False),
    # Null of what was recorded before documents were asked for.
    Column("document_date", Date),
    Column("document_sha256", LargeBinary),
    Column("import_id", Uuid, ForeignKey("indicator_import.id"), index=True),
    # An operator's key, or a scrap station's.
    Column("recorded_by", Uuid, nullable=False),
    created_at(),
    UniqueConstraint(
        "area_id",
        "first_day",
        "last_day",
        "kind",
        "source",
        "material_id",
        "version",
        name="uq_indicator_input_version",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("grams >= 0", name="grams"),
    CheckConstraint("ppm BETWEEN 0 AND 1000000", name="ppm"),
    CheckConstraint("num_nonnulls(grams, ppm) <= 1", name="amount"),
    CheckConstraint(
        "first_day <= last_day AND extract(day FROM first_day) = 1 AND extract(day FROM last_day + 1) = 1", name="days"
    ),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("octet_length(document_sha256) = 32", name="document_sha256"),
    # As they are read: what was recorded for a span of days, and a page of one area.
    Index("ix_indicator_input_first_day", "first_day"),
)

# A scrap station (废品回收站) that reports what it bought, each month, with a key of its own.
scrap_station = Table(
    "scrap_station",
    metadata,
    Column("id", Text, primary_key=True),
    Column("area_id", Text, ForeignKey("area.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    # The months for which it is to report; open where it has not closed.
    Column("reports_from", Date, nullable=False),
    Column("reports_until", Date),
    created_at(),
    CheckConstraint("extract(day FROM reports_from) = 1", name="reports_from"),
    CheckConstraint("reports_until >= reports_from AND extract(day FROM reports_until + 1) = 1", name="reports_until"),
)

# A figure as it is proposed by one operator and published by another. `record` is all it is made of, as canonical JSON,
# and `digest` its SHA-256; neither is ever changed.
# A trigger, publication_is_decided_once, lets each row be decided on once, and changed in no other way.
publication = Table(
    "publication",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("area_id", Text, ForeignKey("area.id"), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    # What lists tell of a record, which may be megabytes; each as it stands there.
    Column("formula_id", Text, nullable=False),
    Column("formula_version", Integer, nullable=False),
    Column("counted_at", Text, nullable=False),
    Column("rate", Text, nullable=False),
    Column("rate_percent", Text, nullable=False),
    Column("numerator_grams", Text, nullable=False),
    Column("denominator_grams", Text, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("record", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    # Of a restatement: the number of the publication that it replaces, and why.
    Column("restates", Integer, ForeignKey("publication.number")),
    Column("reason", Text),
    Column("proposed_by", Uuid, nullable=False),
    created_at(),
    Column("decision", Text),
    Column("decided_by", Uuid),
    Column("decided_at", Instant),
    Column("decision_reason", Text),
    # From 1 on, in the order of publishing.
    Column("number", Integer, unique=True),
    CheckConstraint("octet_length(digest) = 32", name="digest"),
    CheckConstraint("(restates IS NULL) = (reason IS NULL)", name="restates"),
    CheckConstraint("decision IN ('published', 'rejected')", name="decision"),
    CheckConstraint("num_nonnulls(decision, decided_by, decided_at) IN (0, 3)", name="decided"),
    CheckConstraint("decided_by <> proposed_by OR decision = 'rejected'", name="operators"),
    CheckConstraint("(number IS NOT NULL) = (decision IS NOT DISTINCT FROM 'published')", name="number"),
    CheckConstraint("number > 0", name="number_positive"),
    # Each figure is published once and restated once; a restatement is restated in turn.
    Index(
        "uq_publication_first",
        "area_id",
        "first_day",
        "last_day",
        "formula_id",
        unique=True,
        postgresql_where=text("decision = 'published' AND restates IS NULL"),
    ),
    Index("uq_publication_restates", "restates", unique=True, postgresql_where=text("decision = 'published'")),
    Index("ix_publication_created_at_id", "created_at", "id"),
)

target = Table(
    "target",
    metadata,
    Column("area_id", Text, ForeignKey("area.id"), primary_key=True),
    Column("year", SmallInteger, primary_key=True, autoincrement=False),
    # The latest counts.
    Column("version", Integer, primary_key=True, autoincrement=False),
    # In thousandths, so that 38.5 % is exact.
    Column("rate_per_mille", SmallInteger, nullable=False),
    CheckConstraint("rate_per_mille BETWEEN 0 AND 1000", name="rate_per_mille"),
    CheckConstraint("version > 0", name="version"),
)

# -- carbon ---------------------------------------------------------------------------------------------------------

# What a kilogram of each material avoids, by one method and edition: imported whole, never changed.
carbon_factor_set = Table(
    "carbon_factor_set",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("note", Text),
    # SHA-256 of the whole set, see carbon/rules.py: a row that is added or lost later is noticed.
    Column("digest", LargeBinary, nullable=False),
    # The API key that sent it; null where a command did.
    Column("recorded_by", Uuid),
    created_at(),
    CheckConstraint("id <> ''", name="id"),
)

carbon_factor = Table(
    "carbon_factor",
    metadata,
    Column("set_id", Text, ForeignKey("carbon_factor_set.id"), primary_key=True),
    Column("material_id", Text, ForeignKey("material.id"), primary_key=True),
    Column("milligrams_co2e_per_kg", BigInteger, nullable=False),
    Column("stands_for", Text, nullable=False),
    CheckConstraint("milligrams_co2e_per_kg >= 0", name="milligrams_co2e_per_kg"),
)

# Which set is in force from a business day on, until the next row's day; of two from the same day the later written.
# The first may be since ever, '-infinity'; every other is written before its day begins.
carbon_set_choice = Table(
    "carbon_set_choice",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("effective_from", Date, nullable=False),
    Column("set_id", Text, ForeignKey("carbon_factor_set.id"), nullable=False),
    created_at(),
)
