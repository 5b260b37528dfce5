"""What every command needs: the installation's database in one transaction, and where to print."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.models import OptionInfo

from service.db import OwnerNotConfigured, create_engine, transaction
from service.demo.queries import is_planted
from service.installation import installation
from service.settings import Settings, read_settings

Result = TypeVar("Result")

PIPED_COLUMNS: Final = 300


def wide_when_piped(console: Console) -> Console:
    """As wide as its window; what goes to a file or another program is not broken into lines."""
    if not console.is_terminal:
        console.width = PIPED_COLUMNS
    return console


console = wide_when_piped(Console())
errors = wide_when_piped(Console(stderr=True))

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory of the embedded database; used where TANBI_DATABASE_URL is not set."),
]
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"
TIME_EXAMPLE: Final = "Such as 2027-01-01T00:00:00+0800"


def from_option(otherwise: str) -> OptionInfo:
    """The option --from, of a time; `otherwise` is a sentence on what holds where it is not given."""
    option: OptionInfo = typer.Option("--from", formats=[TIME_FORMAT], help=f"{TIME_EXAMPLE}. {otherwise}")
    return option


FromOption = Annotated[datetime | None, from_option("Without: a minute from now.")]
NameOption = Annotated[str, typer.Option(help="In Chinese.")]
NameEnOption = Annotated[str, typer.Option("--name-en", help="In English.")]

NOT_SHOWN_AGAIN = "Keep it now: it is not shown again, and the service stores only what it needs to check it."


def listing(*names: str) -> Table:
    """A table of which no id is cut short, however narrow the window: it is what the next command is given."""
    return Table(*(Column(name, overflow="fold") for name in names))


@contextmanager
def managed(data: Path | None) -> Iterator[Settings]:
    """The installation that a command works on. Where the embedded database has the sample of `tanbi demo`, commands
    take what the demo takes: its people and keys, and webhooks to this machine. Raises EmbeddedPostgresError."""
    given = read_settings(data)
    with installation(given) as settings:
        if given.database_url is None and asyncio.run(_has_sample(settings)):
            settings = settings.model_copy(update={"demo": True, "webhook_private_addresses": True})
        yield settings


async def _has_sample(settings: Settings) -> bool:
    engine = create_engine(settings)
    try:
        async with engine.connect() as connection:
            return await is_planted(connection)
    finally:
        await engine.dispose()


def in_transaction(
    data: Path | None, work: Callable[[AsyncConnection, Settings], Awaitable[Result]], *, as_owner: bool = False
) -> Result:
    """Run `work` in one transaction of the installation's database, also while a service uses it."""

    async def run(settings: Settings) -> Result:
        url = settings.migration_database_url if as_owner else settings.database_url
        if url is None:
            raise OwnerNotConfigured
        engine = create_engine(settings.model_copy(update={"database_url": url}))
        try:
            async with transaction(engine) as connection:
                return await work(connection, settings)
        finally:
            await engine.dispose()

    with managed(data) as settings:
        return asyncio.run(run(settings))
