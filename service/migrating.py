"""Bring a database to the newest migration, and tell whether it is there."""

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection

import migrations

LOCATION = Path(migrations.__file__).parent


def alembic_config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(LOCATION))
    # Alembic reads % as the beginning of an interpolation.
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Blocking, and it runs an event loop of its own: not to be called inside one. `url` is the owner's."""
    command.upgrade(alembic_config(url), "head")


@cache
def head_revision() -> str | None:
    return ScriptDirectory(str(LOCATION)).get_current_head()


async def current_revision(connection: AsyncConnection) -> str | None:
    """The revision the database is at; None where it was never migrated."""
    exists = (await connection.execute(sa.text("SELECT to_regclass('public.alembic_version')"))).scalar_one()
    if exists is None:
        return None
    return (await connection.execute(sa.text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
