"""The command that plays modes of the fleet simulator against a demo that runs."""

import asyncio
import random
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import aiohttp
import typer
from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.signatures import SigningKey
from service.backoff import TIMEOUT
from service.demo import demo_file, queries
from service.demo.demo_file import DemoFile
from service.demo.modes.catalogue import MODES, Mode
from service.demo.modes.playing import Caller, Played, Show, bin_id_of
from service.demo.modes.provisioning import add_bin_in_field
from service.demo.modes.report import differences, listing, report
from service.demo.modes.stage import CAST_SIZE, Cast, cast_of, paced_morning
from service.managing.running import DataOption, console, errors, in_transaction
from service.secrets import Keyring
from service.settings import Settings, read_settings

ALL: Final = "all"
# Days before the demo's first start that it knows of: from the month before on.
PACED_DAYS: Final = 26


def simulate_command(
    modes: Annotated[
        list[str] | None, typer.Argument(metavar="[MODE…|all]", help="Which to play; without, they are listed.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Play what goes wrong in the field against a running `tanbi demo`, and show what the service answers.

    Each mode has a bin of its own; the demo's fleet goes on. Exit 1 where an answer is not as designed; that bin stays
    to be looked at, all others are retired."""
    if not modes:
        console.print(listing(MODES.values()))
        return
    wanted = _wanted(modes)
    settings = read_settings(data)
    file = _running_demo(settings)
    cast = cast_of(file.residents)
    if cast is None:
        raise _cannot(f"This demo has {len(file.residents)} residents, and modes need {CAST_SIZE}. Start another one.")
    run = uuid.uuid4().hex[:8]
    in_field, morning = in_transaction(data, lambda connection, settings: _set_up(connection, settings, run, wanted))
    try:
        played = asyncio.run(_play(file, cast, run, wanted, in_field, morning))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise _cannot(f"{file.base_url} stopped answering: {error or type(error).__name__}") from None
    console.print(report(played))
    different = list(differences(played))
    for sentence in different:
        errors.print(f"[red]不符 not as designed:[/red] {sentence}", highlight=False, soft_wrap=True)
    if different:
        raise typer.Exit(1)


def _wanted(names: Sequence[str]) -> list[Mode]:
    if ALL in names:
        return list(MODES.values())
    unknown = [name for name in names if name not in MODES]
    if unknown:
        raise typer.BadParameter(f"There is no mode {', '.join(unknown)}. There are: {', '.join(MODES)}, {ALL}.")
    return [MODES[name] for name in dict.fromkeys(names)]


def _running_demo(settings: Settings) -> DemoFile:
    if settings.database_url is not None:
        raise _cannot("TANBI_DATABASE_URL is set: modes are played against a demo, which has a database of its own.")
    path = settings.data_dir / demo_file.NAME
    file = demo_file.read_demo_file(path)
    if file is None:
        raise _cannot(f"There is no {path}. Start a demo with `tanbi demo`, and name its directory with --data.")
    if not asyncio.run(_answers(file.base_url)):
        raise _cannot(f"Nothing answers at {file.base_url}. Start the demo again with `tanbi demo`.")
    return file


async def _answers(base_url: str) -> bool:
    try:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session, session.get(f"{base_url}/readyz") as response:
            return response.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _set_up(
    connection: AsyncConnection, settings: Settings, run: str, modes: Sequence[Mode]
) -> tuple[dict[str, SigningKey], datetime]:
    """What cannot be had over HTTP: bins that have been in the field for long, and since when the fleet plays."""
    keyring = Keyring.of(settings)
    in_field = {
        mode.name: await add_bin_in_field(connection, keyring, bin_id_of(run, mode)) for mode in modes if mode.in_field
    }
    days = random.randint(1, PACED_DAYS)  # noqa: S311, so that another run finds another day
    played_from = await queries.read_played_from(connection)
    return in_field, paced_morning(played_from, settings.business_timezone, days)


async def _play(
    file: DemoFile,
    cast: Cast,
    run: str,
    modes: Sequence[Mode],
    in_field: dict[str, SigningKey],
    morning: datetime,
) -> list[Played]:
    """One after another, with a bar."""
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
        show = Show(Caller(session, file.base_url, file.operator_key), cast, run, in_field, morning)
        with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
            bar = progress.add_task("", total=len(modes))
            played = []
            for mode in modes:
                progress.update(bar, description=mode.name)
                played.append(await show.play(mode))
                progress.advance(bar)
            return played


def _cannot(sentence: str) -> typer.Exit:
    errors.print(f"[red]tanbi:[/red] {sentence}", highlight=False, soft_wrap=True)
    return typer.Exit(1)
