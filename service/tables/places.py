"""Tables of where bins stand."""

from sqlalchemy import CheckConstraint, Column, Double, ForeignKey, Table, Text

from service.tables.columns import metadata

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
