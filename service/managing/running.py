"""What every command needs: the installation's database in one transaction, and where to print."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar
from zoneinfo import ZoneInfo

import pydantic
import pydantic_core
import typer
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from sqlalchemy.ext.asyncio import AsyncConnection
from typer.core import TyperCommand
from typer.models import OptionInfo

from service.db import OwnerNotConfigured, create_engine, transaction
from service.demo.queries import is_planted
from service.errors import ValidationFailed
from service.field_words import in_plain_words_zh
from service.installation import installation
from service.moments import by_the_clock
from service.problems import field_errors, json_pointer
from service.settings import Settings, read_settings

Result = TypeVar("Result")
Model = TypeVar("Model", bound=pydantic.BaseModel)

PIPED_COLUMNS: Final = 300
# Wider than any table; and how much narrower than a table a window may be before its cells are not read any more.
WIDE: Final = 10_000
CRAMPED: Final = 1.5


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
TIME_EXAMPLE: Final = "Such as 2027-01-01 or 2027-01-01T08:00:00+08:00; without an offset, by the city's clock"
# What can be told in every time zone.
YEARS: Final = range(1970, 9999)
# With the unit behind it, as amounts are typed.
NEGATIVE_NUMBER: Final = re.compile(r"-[0-9][0-9.,]*\s*[^\s0-9=-]{0,2}")


def city_zone() -> str:
    """Where business days begin: commands print and read times by its clock."""
    return read_settings(None).business_timezone


def moment(at: datetime | None, zone: str) -> str:
    """A time as every command prints it; nothing for None."""
    return "" if at is None else by_the_clock(at, zone)


def parse_moment(text: str) -> datetime:
    """A time as it is typed, with its offset or by the city's clock. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text) if text.isascii() else None
    except ValueError:
        at = None
    if at is None or at.year not in YEARS:
        raise ValueError(f"{text} is no time. {TIME_EXAMPLE}.")
    return at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(city_zone()))


def _moment_of_option(text: str) -> datetime:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def from_option(otherwise: str) -> OptionInfo:
    """The option --from, of a time; `otherwise` is a sentence on what holds where it is not given."""
    return moment_option("--from", otherwise)


def moment_option(name: str, otherwise: str) -> OptionInfo:
    """The same by another name."""
    option: OptionInfo = typer.Option(
        name, parser=_moment_of_option, metavar="TIME", help=f"{TIME_EXAMPLE}. {otherwise}"
    )
    return option


class WithNumbers(TyperCommand):
    """A command that takes -5 for a number below 0, to be refused as one, and for no option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.ignore_unknown_options = any(NEGATIVE_NUMBER.fullmatch(each) for each in args)
        return super().parse_args(ctx, args)


FromOption = Annotated[datetime | None, from_option("Without: a minute from now.")]
NameOption = Annotated[str, typer.Option(help="In Chinese.")]
NameEnOption = Annotated[str, typer.Option("--name-en", help="In English.")]

NOT_SHOWN_AGAIN = "Keep it now: it is not shown again, and the service stores only what it needs to check it."


class Listing(Table):
    """A table; where the window is much too narrow for it, the rows one below the other, with the columns' names."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wanted = self.__rich_measure__(console, options.update_width(WIDE)).maximum
        if wanted <= CRAMPED * options.max_width:
            yield from super().__rich_console__(console, options)
            return
        for cells in zip(*(column.cells for column in self.columns), strict=True):
            row = Table.grid(padding=(0, 2))
            for column, cell in zip(self.columns, cells, strict=True):
                if cell != "":
                    row.add_row(f"[bold]{column.header}[/bold]", cell)
            yield row
            yield ""


def listing(*names: str, keeps_shape: bool = False) -> Table:
    """A table of which no id is cut short, however narrow the window: it is what the next command is given. With
    `keeps_shape` it is a table in the narrowest: of few columns, or whose cells are sentences."""
    return (Table if keeps_shape else Listing)(*(Column(name, overflow="fold") for name in names))


def typed(model: type[Model], values: dict[str, object]) -> Model:
    """What was typed, as a caller of the API would send it. Raises ValidationFailed."""
    try:
        # As JSON: only so are strings taken for times.
        return model.model_validate_json(pydantic_core.to_json(values))
    except pydantic.ValidationError as error:
        found = [(each["pointer"].removeprefix("/"), each["detail"]) for each in field_errors(error)]
        details = error.errors(include_url=False, include_input=False)[: len(found)]
        in_chinese = [(json_pointer(each["loc"]).removeprefix("/"), in_plain_words_zh(each)) for each in details]
        raise ValidationFailed(
            "; ".join(f"{name}: {said}" if name else said for name, said in found),
            zh=f"填写有误：{'；'.join(f'{name} {said}'.lstrip() for name, said in in_chinese)}。",
        ) from None


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
