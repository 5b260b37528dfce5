"""Tables of what each process remembers: materials, tariffs and rules."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from service.tables.columns import Instant, created_at, metadata

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
