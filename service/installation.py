"""What a command works with: the operator's database, or the embedded one of a data directory."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from pydantic import SecretStr

from service.embedded import APP_ROLE, EmbeddedPostgres
from service.migrating import upgrade
from service.postgres_programs import EmbeddedPostgresError
from service.secrets import load_or_create_master_key
from service.settings import Settings


@contextmanager
def installation(settings: Settings, *, create: bool = False) -> Iterator[Settings]:
    """Settings that name a database and a key.

    With `database_url` they are the operator's and come back as they are. Without, the embedded PostgreSQL of
    `data_dir` is started, or joined where a service uses it already, brought to the newest migration, and left when
    this ends. Only with `create` is one made where there is none: a mistyped directory must not pass for a city.

    Raises EmbeddedPostgresError.
    """
    if settings.database_url is not None:
        yield settings
        return
    if not create and not (settings.data_dir / "postgres").exists():
        raise EmbeddedPostgresError(
            f"{settings.data_dir} 中没有数据库。请用 --data 或 TANBI_DATA_DIR 指明数据目录，或设置 TANBI_DATABASE_URL，"
            "或用 `tanbi migrate` 在此新建。\n"
            f"There is no database in {settings.data_dir}. Name another directory with --data or TANBI_DATA_DIR, set"
            " TANBI_DATABASE_URL, or make one here with `tanbi migrate`."
        )
    with EmbeddedPostgres(settings.data_dir) as postgres:
        upgrade(postgres.admin_url())
        asyncio.run(_let_service_in(postgres))
        key = settings.secret_key or SecretStr(load_or_create_master_key(settings.data_dir / "secret.key"))
        yield settings.model_copy(
            update={
                "database_url": postgres.app_url(),
                "migration_database_url": postgres.admin_url(),
                "secret_key": key,
            }
        )


async def _let_service_in(postgres: EmbeddedPostgres) -> None:
    """The service's login gets what the migrations granted to the group, and no more."""
    connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database="postgres")
    try:
        await connection.execute(f"GRANT tanbi_app TO {APP_ROLE}")
    finally:
        await connection.close()
