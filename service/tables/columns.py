"""What tables share: the names of constraints, and columns that many have."""

from sqlalchemy import Boolean, Column, DateTime, MetaData, func, text

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
