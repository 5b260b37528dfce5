"""Commands for residents: who is a trader, said by an operator with their own API key."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.residents import AccountKind, KindRequest, ResidentKind
from service.managing.operating import KEY_VARIABLE, WRITERS, KeyFileOption, as_operator
from service.managing.running import DataOption, console, typed
from service.residents.kinds import mark

resident_app = typer.Typer(
    help=f"Accounts of residents. Who acts is the API key in {KEY_VARIABLE} or --key-file.", no_args_is_help=True
)

ResidentIdArgument = Annotated[int, typer.Argument(min=1, help="As reviews show it.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is kept.")]


@resident_app.command("mark-trader")
def resident_mark_trader(
    resident_id: ResidentIdArgument, reason: ReasonOption, key_file: KeyFileOption = None, data: DataOption = None
) -> None:
    """From their next drop on, the limits of a day for traders hold."""
    found = _mark("trader", resident_id, reason, key_file, data)
    console.print(f"Resident {found.resident_id} is a trader.")


@resident_app.command("unmark-trader")
def resident_unmark_trader(
    resident_id: ResidentIdArgument, reason: ReasonOption, key_file: KeyFileOption = None, data: DataOption = None
) -> None:
    """From their next drop on, the limits of a day for residents hold."""
    found = _mark("resident", resident_id, reason, key_file, data)
    console.print(f"Resident {found.resident_id} is no trader.")


def _mark(kind: AccountKind, resident_id: int, reason: str, key_file: Path | None, data: Path | None) -> ResidentKind:
    wanted = typed(KindRequest, {"resident_id": resident_id, "kind": kind, "reason": reason})
    return as_operator(
        data,
        key_file,
        WRITERS,
        lambda connection, operator, settings: mark(connection, operator, wanted, demo=settings.demo),
    )
