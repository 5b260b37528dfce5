"""Tables of what the recycling rate is made of and what is published of it."""

from sqlalchemy import (
    BigInteger,
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
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from service.tables.columns import Instant, created_at, metadata

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
    # In the order in which they were set, for lists.
    Column("id", BigInteger, Identity(always=True), nullable=False, unique=True),
    # In thousandths, so that 38.5 % is exact; a version without one withdraws the target.
    Column("rate_per_mille", SmallInteger),
    Column("reason", Text),
    # An operator's key. Null, with the time, of what was set before both were kept.
    Column("recorded_by", Uuid),
    Column("created_at", Instant, server_default=func.now()),
    CheckConstraint("rate_per_mille BETWEEN 0 AND 1000", name="rate_per_mille"),
    CheckConstraint("version > 0", name="version"),
    CheckConstraint("(recorded_by IS NULL) = (created_at IS NULL)", name="recorded_by"),
)
