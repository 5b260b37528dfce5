"""The command `tanbi`."""

import errno
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import pydantic
import typer
from rich.markup import escape

from service.db import DatabaseNotConfigured, is_lost_connection
from service.errors import TanbiError
from service.field_words import in_plain_words
from service.installation import installation
from service.managing import (
    adjustments,
    bin_states,
    bins,
    bridge,
    carbon,
    city,
    clearances,
    indicator,
    indicator_dossier,
    indicator_imports,
    indicator_publications,
    indicator_targets,
    ledger,
    offers,
    partners,
    residents,
    review,
    rules,
    settlement,
    simulation,
    stations,
    wallets,
    webhooks,
)
from service.managing.running import DataOption, console, errors
from service.managing.telling import in_both_languages
from service.migrating import head_revision, upgrade
from service.postgres_programs import EmbeddedPostgresError
from service.secrets import SecretKeyInvalid
from service.settings import read_settings
from service.shared_metrics import shared_metrics_directory

CANNOT_LISTEN = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)

app = typer.Typer(
    help="Tanbi (碳币): weigh events in, carbon coins out, and the recycling rate that follows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for name, commands in (
    ("area", city.area_app),
    ("site", city.site_app),
    ("material", city.material_app),
    ("tariff", city.tariff_app),
    ("bin", bins.bin_app),
    ("firmware", bins.firmware_app),
    ("alarm", bin_states.alarm_app),
    ("clearance", clearances.clearance_app),
    ("merchant", partners.merchant_app),
    ("machine", partners.machine_app),
    ("key", partners.key_app),
    ("offer", offers.offer_app),
    ("limit", offers.limit_app),
    ("rules", rules.rules_app),
    ("rate", settlement.rate_app),
    ("statement", settlement.statement_app),
    ("report", settlement.report_app),
    ("coins", ledger.coins_app),
    ("wallet", wallets.wallet_app),
    ("adjustment", adjustments.adjustment_app),
    ("review", review.review_app),
    ("resident", residents.resident_app),
    ("volumes", ledger.volumes_app),
    ("indicator", indicator.indicator_app),
    ("station", stations.station_app),
    ("carbon", carbon.carbon_app),
    ("webhook", webhooks.webhook_app),
):
    app.add_typer(commands, name=name)
for commands in (indicator_publications.publications_app, indicator_imports.imports_app, indicator_dossier.dossier_app):
    indicator.indicator_app.add_typer(commands)
indicator.indicator_app.add_typer(indicator_targets.target_app, name="target")
app.command("settle")(settlement.settle_command)
app.command("bridge")(bridge.bridge_command)
app.command("simulate")(simulation.simulate_command)


def main() -> None:
    """Entry of the console script: expected failures are told in one sentence, without a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # What is hardly HTTP is answered with 400 and is no failure of ours; aiohttp would log it at ERROR with the
    # client's address. Failures of handlers never get that far.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    try:
        app()
    except TanbiError as error:
        told = escape(in_both_languages(error, typer.main.get_command(app), sys.argv[1:]))
        errors.print(f"[red]tanbi:[/red] {told}", highlight=False, soft_wrap=True)
    except (EmbeddedPostgresError, SecretKeyInvalid, DatabaseNotConfigured) as error:
        errors.print(f"[red]tanbi:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
    except pydantic.ValidationError as error:
        for found in error.errors():
            name = ".".join(str(part) for part in found["loc"])
            errors.print(
                f"[red]tanbi:[/red] setting TANBI_{name.upper()}: {in_plain_words(found, None)}", soft_wrap=True
            )
    except Exception as error:
        if not is_lost_connection(error):
            raise
        errors.print(f"[red]tanbi:[/red] the database does not answer: {error}", highlight=False, soft_wrap=True)
    else:
        return
    sys.exit(1)


@app.command()
def serve(
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535)] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes on the one port.")] = None,
) -> None:
    """Serve the HTTP API until SIGTERM; then finish what was accepted and exit."""
    settings = read_settings(data, host=host, port=port, workers=workers)
    with ExitStack() as stack:
        if settings.workers > 1:
            stack.enter_context(shared_metrics_directory())
        ready = stack.enter_context(installation(settings, create=True))
        # Only now: with several workers prometheus_client must find their directory when it is first imported.
        from service.serving import serve as run

        base_url = f"http://{ready.host}:{ready.port}"
        try:
            run(
                ready,
                lambda: errors.print(f"Serving at {base_url}, documents at /docs; Ctrl-C stops.", highlight=False),
            )
        except OSError as error:
            if error.errno not in CANNOT_LISTEN:
                raise
            errors.print(f"[red]tanbi:[/red] cannot listen on {ready.host}:{ready.port}: choose another --port.")
            raise typer.Exit(1) from None


@app.command()
def demo(
    data: DataOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes any; demo.json says which.")] = None,
    fleet: Annotated[
        bool, typer.Option("--fleet/--no-fleet", help="Simulated bins and residents, or serve only.")
    ] = True,
    events_per_second: Annotated[float, typer.Option(min=0.01, max=500, help="Of the whole fleet.")] = 5.0,
    bins: Annotated[int, typer.Option(min=1, max=9999, help="Of a new data directory.")] = 47,
    residents: Annotated[int, typer.Option(min=1, max=100_000, help="Of a new data directory.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed draws the same sample data.")] = 1,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a panel, as for a pipe.")] = False,
) -> None:
    """Run everything on sample data: database, service, and a fleet of bins and residents that use it. Ctrl-C stops."""
    from service.demo.planting import CannotRun, Size
    from service.demo.running import Options, run_demo

    options = Options(
        size=Size.of(seed, bins=bins, residents=residents),
        events_per_second=events_per_second,
        fleet=fleet,
        plain=plain or not console.is_terminal,
    )
    try:
        run_demo(read_settings(data, host=host, port=port), options, console)
    except CannotRun as error:
        errors.print(f"[red]tanbi:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


@app.command()
def migrate(data: DataOption = None) -> None:
    """Bring the database to the newest migration, as its owner (TANBI_MIGRATION_DATABASE_URL)."""
    settings = read_settings(data)
    url = settings.migration_database_url or settings.database_url
    if url is None:
        with installation(settings, create=True):
            pass
    else:
        upgrade(url)
    console.print(f"The database is at migration [bold]{head_revision()}[/bold].")


@app.command()
def verify(data: DataOption = None) -> None:
    """Check every invariant on the live database; exit 1 and name the first rows where one is broken."""
    from service.verifying.report import verify_and_report

    with installation(read_settings(data)) as settings:
        if not verify_and_report(settings, console):
            raise typer.Exit(1)


@app.command()
def openapi(
    output: Annotated[Path | None, typer.Option(help="A file to write it to; without, it is printed.")] = None,
) -> None:
    """Write the OpenAPI document, as it is served at /openapi.json and checked in at schemas/openapi.json."""
    from service.app import ENDPOINTS
    from service.docs.routes import application_document
    from service.openapi import document_bytes

    written = document_bytes(application_document(ENDPOINTS))
    if output is None:
        typer.echo(written, nl=False)
    else:
        output.write_bytes(written)
