"""Tables of weigh events, of what is remembered to judge the next one, and of boxes emptied."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
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

from service.tables.columns import CURRENT_XID, Instant, metadata

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
