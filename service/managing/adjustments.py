"""Commands for corrections of wallets: requested by one operator, decided by another, each by their own API key."""

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.adjustments import (
    ADJUSTMENTS_LIMIT_MAX,
    Adjustment,
    AdjustmentRequest,
    AdjustmentsQuery,
    AdjustmentState,
    Direction,
    RejectAdjustmentRequest,
)
from service.adjustments.adjusting import (
    approve_adjustment,
    read_adjustment,
    read_adjustments,
    reject_adjustment,
    request_adjustment,
)
from service.auth import OPERATOR_ROLES, Operator
from service.db import Writers, create_engine
from service.errors import HoldsDue
from service.managing.operating import KEY_VARIABLE, WRITERS, KeyFileOption, as_operator
from service.managing.running import DataOption, WithNumbers, city_zone, console, listing, managed, moment, typed
from service.redemption.committing import Committing
from service.reference import Reference
from service.secrets import Keyring
from service.settings import Settings

adjustment_app = typer.Typer(
    help=f"Corrections of wallets, by two operators. Who acts is the API key in {KEY_VARIABLE} or --key-file.",
    no_args_is_help=True,
)

AdjustmentIdArgument = Annotated[UUID, typer.Argument(help="As `tanbi adjustment list` shows it.")]


@adjustment_app.command("request", cls=WithNumbers)
def adjustment_request(
    resident_id: Annotated[int, typer.Argument(help="Whose wallet.")],
    direction: Annotated[Direction, typer.Argument(help="credit gives coins, debit takes them.")],
    coins: Annotated[int, typer.Argument(min=1)],
    reason: Annotated[str, typer.Option(help="The resident reads it on their statement.")],
    reference: Annotated[str, typer.Option(help="What is corrected: a case, a complaint, a weigh event.")],
    corrects: Annotated[int | None, typer.Option(help="The transfer that is corrected, if it is one.")] = None,
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Ask for a correction; it waits for another operator."""
    wanted = typed(
        AdjustmentRequest,
        {
            "resident_id": resident_id,
            "direction": direction,
            "coins": coins,
            "reason": reason,
            "reference": reference,
            "corrects_id": corrects,
        },
    )

    async def work(connection: AsyncConnection, operator: Operator, settings: Settings) -> Adjustment:
        return await request_adjustment(connection, operator, wanted, demo=settings.demo)

    found = as_operator(data, key_file, WRITERS, work)
    console.print(f"Adjustment {found.id} waits for another operator: `tanbi adjustment approve {found.id}`.")


@adjustment_app.command("approve")
def adjustment_approve(
    adjustment_id: AdjustmentIdArgument, key_file: KeyFileOption = None, data: DataOption = None
) -> None:
    """Move the coins that another operator has asked for."""

    async def work(connection: AsyncConnection, operator: Operator, _settings: Settings) -> Adjustment:
        return await approve_adjustment(connection, operator, adjustment_id)

    try:
        found = as_operator(data, key_file, WRITERS, work)
    except HoldsDue as due:
        with managed(data) as settings:
            asyncio.run(_release(settings, due.owner_id))
        found = as_operator(data, key_file, WRITERS, work)
    console.print(f"Adjustment {found.id} is approved: transfer {found.transfer_id} of resident {found.resident_id}.")


@adjustment_app.command("reject")
def adjustment_reject(
    adjustment_id: AdjustmentIdArgument,
    reason: Annotated[str, typer.Option(help="Why not.")],
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Let no coins move; to reject one's own is to withdraw it."""
    rejection = typed(RejectAdjustmentRequest, {"reason": reason})

    async def work(connection: AsyncConnection, operator: Operator, _settings: Settings) -> Adjustment:
        return await reject_adjustment(connection, operator, adjustment_id, rejection.reason)

    found = as_operator(data, key_file, WRITERS, work)
    console.print(f"Adjustment {found.id} is rejected.")


@adjustment_app.command("list")
def adjustment_list(
    state: Annotated[AdjustmentState | None, typer.Option(help="Of this state only.")] = None,
    cursor: Annotated[str | None, typer.Option(help="As the page before has shown it.")] = None,
    key_file: KeyFileOption = None,
    data: DataOption = None,
) -> None:
    """Show the newest corrections."""
    query = typed(AdjustmentsQuery, {"state": state, "cursor": cursor, "limit": ADJUSTMENTS_LIMIT_MAX})
    page = as_operator(
        data, key_file, OPERATOR_ROLES, lambda connection, _operator, _settings: read_adjustments(connection, query)
    )
    zone = city_zone()
    table = listing("Id", "Resident", "Coins", "State", "Requested", "By", "Reason", "Reference", "Decided by")
    for found in page.adjustments:
        coins = found.coins if found.direction == "credit" else -found.coins
        decided_by = "" if found.decided_by is None else found.decided_by.name
        table.add_row(
            str(found.id),
            str(found.resident_id),
            f"{coins:+d}",
            found.state,
            moment(found.created_at, zone),
            found.requested_by.name,
            found.reason,
            found.reference,
            decided_by,
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


@adjustment_app.command("show")
def adjustment_show(
    adjustment_id: AdjustmentIdArgument, key_file: KeyFileOption = None, data: DataOption = None
) -> None:
    """Print all of a correction, as JSON."""
    found = as_operator(
        data,
        key_file,
        OPERATOR_ROLES,
        lambda connection, _operator, _settings: read_adjustment(connection, adjustment_id),
    )
    typer.echo(found.model_dump_json(indent=2))


async def _release(settings: Settings, owner_id: int) -> None:
    """No service may be running that would do it."""
    async with AsyncExitStack() as stack:
        engine = create_engine(settings)
        stack.push_async_callback(engine.dispose)
        reference = Reference(engine, Keyring.of(settings), demo=settings.demo)
        await reference.refresh()
        writers = Writers(settings, by_key=True)
        stack.callback(writers.close)
        committing = Committing(writers, reference, zone=settings.business_timezone, demo=settings.demo)
        await committing.release_due(owner_id)
