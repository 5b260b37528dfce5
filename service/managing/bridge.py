"""The command `tanbi bridge`."""

from typing import Annotated

import typer

from service.managing.running import errors
from service.settings import read_settings


def bridge_command(
    broker: Annotated[
        str | None, typer.Option(help="mqtts://host:8883 or mqtt://host:1883; name and password are settings.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The service, such as http://127.0.0.1:8080.")] = None,
    client_id: Annotated[
        str | None, typer.Option(help="One for each bridge; messages wait for it by this name.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of its own /metrics and /readyz; without, none.")
    ] = None,
) -> None:
    """Carry bins' messages from an MQTT 5 broker to the service until SIGTERM; then finish what is under way."""
    settings = read_settings(
        None, bridge_broker_url=broker, bridge_service_url=url, bridge_client_id=client_id, bridge_port=port
    )
    if not settings.bridge_broker_url:
        errors.print("[red]tanbi:[/red] which broker? Set TANBI_BRIDGE_BROKER_URL, or give --broker.")
        raise typer.Exit(1)
    # Only now: `tanbi serve --workers` must be the first to import prometheus_client.
    import uvloop

    from service.bridge.broker import CannotBridge
    from service.bridge.running import run_until_signalled

    told = f"Bridging {settings.bridge_broker_url} to {settings.bridge_service_url}; Ctrl-C stops."
    try:
        uvloop.run(run_until_signalled(settings, lambda: errors.print(told, highlight=False)))
    except CannotBridge as error:
        errors.print(f"[red]tanbi:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
