"""Commands for webhooks: merchants' endpoints, and what was sent there."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.webhooks import WebhookDelivery, WebhookMessages, WebhookReplay
from service.errors import ValidationFailed
from service.managing.running import (
    NOT_SHOWN_AGAIN,
    DataOption,
    city_zone,
    console,
    errors,
    in_transaction,
    listing,
    moment,
)
from service.redemption.merchants import require_merchant
from service.secrets import Keyring
from service.settings import Settings
from service.webhooks import queries
from service.webhooks.endpoints import disable_endpoint, register_endpoint
from service.webhooks.messages import read_messages, replay_message
from service.webhooks.rules import ADDRESS_REFUSED, HTTPS_NEEDED
from service.webhooks.sending import REGISTRATION_THREADS, Resolver, check_url

# What the setting allows that is for tests and demonstrations.
LIFTED_FOR_TESTS: Final = (ADDRESS_REFUSED.code, HTTPS_NEEDED.code)

webhook_app = typer.Typer(help="Merchants' webhooks.", no_args_is_help=True)


@webhook_app.command("add")
def webhook_add(
    merchant: Annotated[str, typer.Argument(help="Whose it is.")],
    url: Annotated[str, typer.Argument(help="Where messages are posted.")],
    data: DataOption = None,
) -> None:
    """Register a merchant's endpoint and print its secret, once, as JSON. The same URL again gets another secret."""

    async def work(connection: AsyncConnection, settings: Settings) -> str:
        resolver = Resolver(REGISTRATION_THREADS)
        try:
            checked = await check_url(
                url, resolver, merchant_id=merchant, private_addresses=settings.webhook_private_addresses
            )
        except ValidationFailed as refused:
            if settings.webhook_private_addresses or refused.errors[0]["code"] not in LIFTED_FOR_TESTS:
                raise
            raise ValidationFailed(
                f"{refused.detail} For tests, TANBI_WEBHOOK_PRIVATE_ADDRESSES=true allows it."
            ) from None
        finally:
            await resolver.close()
        registered = await register_endpoint(
            connection,
            Keyring.of(settings),
            merchant_id=merchant,
            url=checked,
            endpoints_max=settings.webhook_endpoints_max,
            demo=settings.demo,
        )
        return json.dumps({"id": str(registered.id), "url": registered.url, "secret": registered.secret})

    typer.echo(in_transaction(data, work))
    errors.print(NOT_SHOWN_AGAIN)


@webhook_app.command("list")
def webhook_list(
    merchant: Annotated[str | None, typer.Option(help="Only this one's.")] = None, data: DataOption = None
) -> None:
    """Show endpoints, also disabled ones; never their secrets."""
    zone = city_zone()
    table = listing("Id", "Merchant", "URL", "Created", "Disabled")

    async def work(connection: AsyncConnection, _settings: Settings) -> Sequence[Any]:
        if merchant is not None:
            await require_merchant(connection, merchant)
        return await queries.list_endpoints(connection, merchant)

    for row in in_transaction(data, work):
        disabled = "" if row.disabled_at is None else f"{moment(row.disabled_at, zone)} {row.disabled_because}"
        table.add_row(str(row.id), row.merchant_id, row.url, moment(row.created_at, zone), disabled)
    console.print(table)


@webhook_app.command("disable")
def webhook_disable(
    webhook_id: Annotated[UUID, typer.Argument(help="As `tanbi webhook list` shows it.")], data: DataOption = None
) -> None:
    """Send nothing there any more."""
    in_transaction(data, lambda connection, _: disable_endpoint(connection, webhook_id, because="by an operator"))
    console.print(f"Webhook {webhook_id} is disabled.")


@webhook_app.command("log")
def webhook_log(
    merchant: Annotated[str, typer.Argument(help="Whose messages.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="The newest so many.")] = 20,
    data: DataOption = None,
) -> None:
    """Show what was sent to a merchant and what was answered."""

    async def work(connection: AsyncConnection, _settings: Settings) -> WebhookMessages:
        await require_merchant(connection, merchant)
        return await read_messages(connection, merchant, before_number=None, limit=limit)

    zone = city_zone()
    table = listing("Message", "Type", "Created", "URL", "State", "Attempts")
    for message in in_transaction(data, work).messages:
        for delivery in message.deliveries:
            table.add_row(
                str(message.id),
                str(message.payload["type"]),
                moment(message.created_at, zone),
                delivery.url,
                delivery.state,
                _answers(delivery),
            )
    console.print(table)


def _answers(delivery: WebhookDelivery) -> str:
    return ", ".join(str(attempt.status or attempt.error) for attempt in delivery.attempts)


@webhook_app.command("replay")
def webhook_replay(
    message_id: Annotated[UUID, typer.Argument(help="As `tanbi webhook log` shows it.")], data: DataOption = None
) -> None:
    """Send a message again, to every endpoint that its merchant has now."""

    async def work(connection: AsyncConnection, settings: Settings) -> WebhookReplay:
        return await replay_message(connection, message_id, demo=settings.demo)

    replayed = in_transaction(data, work)
    console.print(f"Message {message_id} waits for {len(replayed.webhook_ids)} endpoint(s).")
