"""Tables of what was weighed and moved, added up by the worker that folds."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, SmallInteger, Table, Text, text

from service.tables.columns import Instant, created_at, metadata

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
    # '' for all of them together, which can be more than their sum; '-' with the district for a month that was looked
    # at and of which nothing is shown.
    Column("material_id", Text, primary_key=True),
    Column("grams", BigInteger, nullable=False),
    created_at(),
    CheckConstraint("extract(day FROM month) = 1", name="month"),
    CheckConstraint("grams >= 0", name="grams"),
)
