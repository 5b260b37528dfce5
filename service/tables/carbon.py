"""Tables of the factors that CO2e avoided is computed by."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, Identity, LargeBinary, Table, Text, Uuid

from service.tables.columns import created_at, metadata

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
