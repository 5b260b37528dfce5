"""The command `tanbi`. Commands import what they need when they run, so that each starts quickly."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from service.settings import Settings

Result = TypeVar("Result")

app = typer.Typer(
    help="Tanbi (碳币): weigh events in, carbon coins out, and the recycling rate that follows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
bin_app = typer.Typer(help="Smart bins.", no_args_is_help=True)
merchant_app = typer.Typer(help="Partner merchants.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of operators and merchants.", no_args_is_help=True)
app.add_typer(bin_app, name="bin")
app.add_typer(merchant_app, name="merchant")
app.add_typer(key_app, name="key")

console = Console()
errors = Console(stderr=True)

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory of the embedded database; used where TANBI_DATABASE_URL is not set."),
]


def main() -> None:
    """Entry of the console script: expected failures are told in one sentence, without a traceback."""
    from service.db import DatabaseNotConfigured
    from service.errors import TanbiError
    from service.postgres_programs import EmbeddedPostgresError
    from service.secrets import SecretKeyInvalid

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        app()
    except (TanbiError, EmbeddedPostgresError, SecretKeyInvalid, DatabaseNotConfigured) as error:
        errors.print(f"[red]tanbi:[/red] {error}", highlight=False)
        raise SystemExit(1) from None


def read_settings(data: Path | None, **overrides: Any) -> Settings:
    """Settings of the environment, with what the command line says on top."""
    given = {name: value for name, value in overrides.items() if value is not None}
    if data is not None:
        given["data_dir"] = data.expanduser().resolve()
    return Settings(**given)


def in_transaction(data: Path | None, work: Callable[[Any, Settings], Awaitable[Result]]) -> Result:
    """Run `work(connection, settings)` in one transaction of the installation's database."""
    from service.db import create_engine, transaction
    from service.installation import installation

    async def run(settings: Settings) -> Result:
        engine = create_engine(settings)
        try:
            async with transaction(engine) as connection:
                return await work(connection, settings)
        finally:
            await engine.dispose()

    with installation(read_settings(data)) as settings:
        return asyncio.run(run(settings))


@app.command()
def serve(
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535)] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes on the one port.")] = None,
) -> None:
    """Serve the HTTP API until SIGTERM; then finish what was accepted and exit."""
    from contextlib import ExitStack

    from service.installation import installation

    settings = read_settings(data, host=host, port=port, workers=workers)
    with ExitStack() as stack:
        if settings.workers > 1:
            from service.shared_metrics import shared_metrics_directory

            stack.enter_context(shared_metrics_directory())
        ready = stack.enter_context(installation(settings))
        from service.serving import serve as run

        run(ready)


@app.command()
def migrate(data: DataOption = None) -> None:
    """Bring the database to the newest migration, as its owner (TANBI_MIGRATION_DATABASE_URL)."""
    from service.installation import installation
    from service.migrating import head_revision, upgrade

    settings = read_settings(data)
    url = settings.migration_database_url or settings.database_url
    if url is None:
        with installation(settings):
            pass
    else:
        upgrade(url)
    console.print(f"The database is at migration [bold]{head_revision()}[/bold].")


@bin_app.command("add")
def bin_add(
    bin_id: Annotated[str, typer.Argument(help="Such as NK-0001.")],
    site: Annotated[str, typer.Option(help="Where it stands.")],
    algorithm: Annotated[str, typer.Option(help="ed25519, or hmac-sha256 for weak controllers.")] = "ed25519",
    data: DataOption = None,
) -> None:
    """Register a bin and print its signing key, once."""
    import base64
    import json

    from schemas.signatures import Algorithm
    from service.secrets import Keyring
    from service.weighing.bins import Scale, add_bin

    try:
        named = Algorithm(algorithm)
    except ValueError:
        raise typer.BadParameter("ed25519 or hmac-sha256", param_hint="--algorithm") from None

    async def work(connection: Any, settings: Settings) -> Any:
        keyring = Keyring.of(settings)
        return await add_bin(connection, keyring, bin_id=bin_id, site_id=site, algorithm=named, scale=Scale())

    key = in_transaction(data, work)
    private_key = base64.b64encode(key.secret).decode()
    typer.echo(json.dumps({"id": bin_id, "alg": named.value, "keyid": key.keyid, "private_key": private_key}))
    errors.print("This key is not shown again: the service keeps only what it needs to verify with.")


@bin_app.command("suspend")
def bin_suspend(bin_id: Annotated[str, typer.Argument()], data: DataOption = None) -> None:
    """Take nothing more from a bin, from now on."""
    from service.weighing.bins import suspend_bin

    async def work(connection: Any, _settings: Settings) -> None:
        await suspend_bin(connection, bin_id)

    in_transaction(data, work)
    console.print(f"Bin {bin_id} is suspended.")
