"""Commands for what is recorded: transfers and the sums over them."""

from typing import Annotated

import typer

from service.folding.rebuild import rebuild
from service.ledger.posting import reverse_transfer
from service.managing.running import DataOption, console, in_transaction

transfer_app = typer.Typer(help="Transfers of the ledger.", no_args_is_help=True)
volumes_app = typer.Typer(help="Sums over weigh events and transfers.", no_args_is_help=True)


@transfer_app.command("reverse")
def transfer_reverse(
    resident_id: Annotated[int, typer.Argument(help="Whose wallet it moved.")],
    transfer_id: Annotated[int, typer.Argument()],
    reason: Annotated[str, typer.Option(help="What was wrong; it stays on the new transfer.")],
    data: DataOption = None,
) -> None:
    """Correct a transfer by another one the other way, which names it."""
    new_id = in_transaction(
        data,
        lambda connection, _: reverse_transfer(
            connection, owner_id=resident_id, transfer_id=transfer_id, reason=reason
        ),
    )
    console.print(f"Transfer {new_id} reverses transfer {transfer_id}.")


@volumes_app.command("rebuild")
def volumes_rebuild(data: DataOption = None) -> None:
    """Recompute all sums from the rows, while the service runs; needed after a restore into another cluster."""
    in_transaction(
        data,
        lambda connection, settings: rebuild(connection, timezone=settings.business_timezone),
        as_owner=True,
    )
    console.print("All sums are recomputed.")
