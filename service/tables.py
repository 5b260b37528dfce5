"""Every table. Constraints are named, so that an expected violation can be told by its name.

`weigh_event`, `wallet`, `transfer` and `redemption` have no foreign keys and no triggers: they are distributed on Citus
(by `bin_id` and by `owner_id`), and a check of every row's references costs more than the row. `tanbi verify` checks
them instead. Grams and coins are integers; times are stored in UTC.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
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
    CheckConstraint("kind IN ('community', 'commercial', 'industrial', 'scenic')", name="kind"),
)

bin_ = Table(
    "bin",
    metadata,
    Column("id", Text, primary_key=True),
    Column("site_id", Text, ForeignKey("site.id"), nullable=False, index=True),
    Column("state", Text, nullable=False, server_default="active"),
    Column("verification_interval_grams", Integer, nullable=False),
    Column("capacity_grams", Integer, nullable=False),
    Column("certificate_expires_on", Date),
    created_at(),
    CheckConstraint("state IN ('active', 'suspended')", name="state"),
    CheckConstraint("verification_interval_grams > 0 AND capacity_grams > 0", name="scale"),
)

bin_key = Table(
    "bin_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("bin_id", Text, ForeignKey("bin.id"), nullable=False, index=True),
    Column("algorithm", Text, nullable=False),
    # The public key of Ed25519 as it is; an HMAC secret encrypted, see service/secrets.py.
    Column("key", LargeBinary, nullable=False),
    Column("valid_from", Instant, nullable=False, server_default=func.now()),
    Column("valid_until", Instant),
    demo(),
    CheckConstraint("algorithm IN ('ed25519', 'hmac-sha256')", name="algorithm"),
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

# Raised by every change of bins, keys, materials and tariffs, so that each process notices with one small query.
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
    created_at(),
    demo(),
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
    created_at(),
)

machine = Table(
    "machine",
    metadata,
    Column("id", Text, primary_key=True),
    Column("merchant_id", Text, ForeignKey("merchant.id"), nullable=False, index=True),
    Column("site_id", Text, ForeignKey("site.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    CheckConstraint("kind IN ('water', 'detergent')", name="kind"),
    # What a machine's API key refers to.
    UniqueConstraint("id", "merchant_id"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("key_hash", LargeBinary, primary_key=True),
    Column("id", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("merchant_id", Text, ForeignKey("merchant.id"), index=True),
    Column("machine_id", Text, index=True),
    Column("revoked_at", Instant),
    created_at(),
    demo(),
    CheckConstraint("role IN ('merchant', 'viewer', 'operator', 'auditor', 'admin')", name="role"),
    CheckConstraint("(role = 'merchant') = (merchant_id IS NOT NULL)", name="merchant"),
    CheckConstraint("machine_id IS NULL OR merchant_id IS NOT NULL", name="machine"),
    # A machine's key speaks for the merchant whose machine it is, and for no other.
    ForeignKeyConstraint(["machine_id", "merchant_id"], ["machine.id", "machine.merchant_id"]),
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
    Column("outcome", Text, nullable=False),
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
    CheckConstraint("outcome IN ('credited', 'unclaimed', 'held')", name="outcome"),
    CheckConstraint("(outcome = 'credited') = (resident_id IS NOT NULL)", name="resident"),
    Index(
        "ix_weigh_event_waiting",
        "credential_digest",
        postgresql_where=text("outcome = 'unclaimed' AND credential_digest IS NOT NULL"),
    ),
    Index("ix_weigh_event_claimed", "claimed_xid", postgresql_where=text("claimed_xid IS NOT NULL")),
    Index("ix_weigh_event_claimed_for", "credential_digest", postgresql_where=text("claimed_xid IS NOT NULL")),
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
    # What moved the coins: exactly one of these three, by kind.
    Column("bin_id", Text(collation="C")),
    Column("event_id", Text(collation="C")),
    Column("redemption_id", Uuid),
    Column("reverses_id", BigInteger),
    Column("reason", Text),
    created_at(),
    Column("xid", BigInteger, nullable=False, server_default=CURRENT_XID, index=True),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("debit_account_id <> credit_account_id", name="accounts"),
    CheckConstraint("owner_id IN (debit_account_id, credit_account_id)", name="owner"),
    CheckConstraint(
        "CASE kind"
        " WHEN 'credit' THEN num_nonnulls(bin_id, event_id) = 2 AND num_nonnulls(redemption_id, reverses_id) = 0"
        " WHEN 'redemption' THEN redemption_id IS NOT NULL AND num_nonnulls(bin_id, event_id, reverses_id) = 0"
        " WHEN 'reversal' THEN num_nonnulls(reverses_id, reason) = 2"
        " AND num_nonnulls(bin_id, event_id, redemption_id) = 0"
        " ELSE false END",
        name="cause",
    ),
    # A transfer is reversed once; a second mistake about it corrects the reversal.
    Index("uq_transfer_reverses", "owner_id", "reverses_id", unique=True, postgresql_where=text("kind = 'reversal'")),
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

redemption = Table(
    "redemption",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid, primary_key=True),
    Column("merchant_id", Text, nullable=False),
    Column("machine_id", Text),
    Column("coins", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    created_at(),
    CheckConstraint("coins > 0", name="coins"),
    CheckConstraint("state IN ('captured')", name="state"),
    Index("ix_redemption_id", "id"),
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
    # As for wallets: these rows are updated twice a second.
    postgresql_with={"fillfactor": 70},
)

resident_volume = Table(
    "resident_volume",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
    Column("material_id", Text, primary_key=True),
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

indicator_input = Table(
    "indicator_input",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("area_id", Text, ForeignKey("area.id"), nullable=False),
    Column("first_day", Date, nullable=False),
    Column("last_day", Date, nullable=False),
    Column("kind", Text, nullable=False),
    # Inputs of one kind add up over their sources; within one source a later version supersedes the earlier.
    Column("source", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("grams", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("recorded_by", Uuid, nullable=False),
    created_at(),
    UniqueConstraint("area_id", "first_day", "last_day", "kind", "source", "version"),
    CheckConstraint("kind IN ('cleared', 'kitchen_treated', 'recyclables')", name="kind"),
    CheckConstraint("grams >= 0", name="grams"),
    CheckConstraint("first_day <= last_day", name="days"),
    CheckConstraint("version > 0", name="version"),
)

target = Table(
    "target",
    metadata,
    Column("area_id", Text, ForeignKey("area.id"), primary_key=True),
    Column("year", SmallInteger, primary_key=True, autoincrement=False),
    # In thousandths, so that 38.5 % is exact.
    Column("rate_per_mille", SmallInteger, nullable=False),
    CheckConstraint("rate_per_mille BETWEEN 0 AND 1000", name="rate_per_mille"),
)

carbon_factor = Table(
    "carbon_factor",
    metadata,
    Column("set_id", Text, primary_key=True),
    Column("material_id", Text, ForeignKey("material.id"), primary_key=True),
    Column("grams_co2e_per_kg", Integer, nullable=False),
    Column("stands_for", Text, nullable=False),
)
