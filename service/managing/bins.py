"""Commands for bins in the field: registered and claimed, moved, served, retired; their keys and their firmware."""

import base64
import json
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, cast, get_args

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.fleet import (
    HISTORY_LIMIT_MAX,
    BinMove,
    BinReason,
    ClaimCode,
    FirmwareAnnouncement,
    FirmwareQuery,
    HistoryQuery,
    KeyEnd,
    NewBin,
    ScaleChange,
    ServiceVisit,
)
from schemas.signatures import Algorithm
from service.fleet.bins import Scale, add_bin, make_claim_code, register_bin
from service.fleet.changes import BY_COMMAND, By, read_history
from service.fleet.firmware import announce_firmware, read_firmware_notices
from service.fleet.lifecycle import change_scale, move_bin, record_visit, resume_bin, retire_bin, suspend_bin
from service.fleet.pictures import PictureKind, claim_code_blocks, claim_code_picture
from service.fleet.signing_keys import end_key, read_bin_keys, replace_keys
from service.managing.running import (
    NOT_SHOWN_AGAIN,
    DataOption,
    city_zone,
    console,
    errors,
    in_transaction,
    listing,
    moment,
    moment_option,
    typed,
)
from service.secrets import Keyring
from service.settings import Settings

bin_app = typer.Typer(help="Smart bins.", no_args_is_help=True)
firmware_app = typer.Typer(help="What bins are told about their firmware.", no_args_is_help=True)

KINDS: Final = get_args(PictureKind)


def _picture_file(text: str) -> Path:
    path = Path(text)
    if path.suffix.removeprefix(".") not in KINDS:
        raise typer.BadParameter(f"{text} ends neither in {' nor in '.join(f'.{kind}' for kind in KINDS)}.")
    # Before anything is made: a code is shown once.
    if path.exists():
        raise typer.BadParameter(f"{text} is there already, and may be another bin's: name a new file.")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{text} cannot be written: {path.parent} is no directory that you may write to.")
    return path


BinArgument = Annotated[str, typer.Argument(help="Such as NK-0001.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for whoever reads the bin's history.")]
QrOption = Annotated[
    Path | None,
    typer.Option(parser=_picture_file, metavar="FILE", help="Write the picture to a file, too: .svg or .png."),
]
IntervalOption = Annotated[int, typer.Option("--verification-interval-grams", min=1, help="e of its scale.")]
CapacityOption = Annotated[int, typer.Option("--capacity-grams", min=1, help="The most that its scale weighs.")]
BoxOption = Annotated[int, typer.Option("--box-capacity-grams", min=1, help="The most that one box holds.")]
CertificateOption = Annotated[
    str | None, typer.Option("--certificate-expires-on", metavar="DAY", help="Such as 2027-12-31, the last good day.")
]
CursorOption = Annotated[str | None, typer.Option(help="As the page before has shown it.")]


@bin_app.command("register")
def bin_register(
    bin_id: BinArgument,
    site: Annotated[str, typer.Option(help="Where it will stand.")],
    model: Annotated[str | None, typer.Option(help="By which firmware is announced.")] = None,
    verification_interval_grams: IntervalOption = 10,
    capacity_grams: CapacityOption = 60_000,
    box_capacity_grams: BoxOption = 30_000,
    certificate_expires_on: CertificateOption = None,
    qr: QrOption = None,
    data: DataOption = None,
) -> None:
    """Register a bin and print the code by which the installer claims it."""
    wanted = typed(
        NewBin,
        {
            "id": bin_id,
            "site_id": site,
            "model": model,
            "verification_interval_grams": verification_interval_grams,
            "capacity_grams": capacity_grams,
            "box_capacity_grams": box_capacity_grams,
            "certificate_expires_on": certificate_expires_on,
        },
    )

    async def work(connection: AsyncConnection, settings: Settings) -> ClaimCode:
        await register_bin(connection, wanted, BY_COMMAND)
        return await make_claim_code(
            connection, wanted.id, BY_COMMAND, lifetime=_lifetime(settings), demo=settings.demo
        )

    _print_code(in_transaction(data, work), qr)


@bin_app.command("claim-code")
def bin_claim_code(
    bin_id: BinArgument,
    reason: Annotated[str | None, typer.Option(help="Why, for whoever reads the bin's history.")] = None,
    qr: QrOption = None,
    data: DataOption = None,
) -> None:
    """Print a new claim code; the one before is good no longer. A bin that is active keeps its keys until then."""
    by = BY_COMMAND if reason is None else _by(reason)

    async def work(connection: AsyncConnection, settings: Settings) -> ClaimCode:
        return await make_claim_code(connection, bin_id, by, lifetime=_lifetime(settings), demo=settings.demo)

    _print_code(in_transaction(data, work), qr)


@bin_app.command("add")
def bin_add(
    bin_id: BinArgument,
    site: Annotated[str, typer.Option(help="Where it stands.")],
    algorithm: Annotated[Algorithm, typer.Option(help="hmac-sha256 is for weak controllers.")] = Algorithm.ED25519,
    verification_interval_grams: IntervalOption = 10,
    capacity_grams: CapacityOption = 60_000,
    data: DataOption = None,
) -> None:
    """Add a bin with a key and print it, once, as JSON: for a bin on your desk. One in the field is registered."""
    scale = Scale(verification_interval_grams=verification_interval_grams, capacity_grams=capacity_grams)
    key = in_transaction(
        data,
        lambda connection, settings: add_bin(
            connection, Keyring.of(settings), bin_id=bin_id, site_id=site, algorithm=algorithm, scale=scale
        ),
    )
    private_key = base64.b64encode(key.secret).decode()
    typer.echo(json.dumps({"id": bin_id, "alg": algorithm.value, "keyid": key.keyid, "private_key": private_key}))
    errors.print(NOT_SHOWN_AGAIN)


# -- what is done to a bin ------------------------------------------------------------------------------------------


@bin_app.command("suspend")
def bin_suspend(bin_id: BinArgument, reason: ReasonOption, data: DataOption = None) -> None:
    """Take nothing more from a bin, from now on."""
    by = _by(reason)
    in_transaction(data, lambda connection, _: suspend_bin(connection, bin_id, by))
    console.print(f"Bin {bin_id} is suspended.")


@bin_app.command("resume")
def bin_resume(bin_id: BinArgument, reason: ReasonOption, data: DataOption = None) -> None:
    """Take events of a suspended bin again; it sends what it has kept."""
    by = _by(reason)
    in_transaction(data, lambda connection, _: resume_bin(connection, bin_id, by))
    console.print(f"Bin {bin_id} is active.")


@bin_app.command("move")
def bin_move(
    bin_id: BinArgument,
    site: Annotated[str, typer.Argument(help="Where it stands now.")],
    reason: ReasonOption,
    at: Annotated[datetime | None, moment_option("--at", "Without: now.")] = None,
    data: DataOption = None,
) -> None:
    """Say that a bin stands at another site; events are of the site where it stood at their own time."""
    move = typed(BinMove, {"site_id": site, "effective_at": at, "reason": reason})
    moved = in_transaction(data, lambda connection, _: move_bin(connection, bin_id, move, By(reason=move.reason)))
    console.print(f"Bin {bin_id} stands at {moved.site_id} since {moment(moved.placed_at, city_zone())}.")
    if moved.stored_events_since:
        console.print(
            f"Events since then that were stored already: {moved.stored_events_since}. They stay with the site before."
        )


@bin_app.command("service")
def bin_service(
    bin_id: BinArgument,
    reason: ReasonOption,
    at: Annotated[datetime | None, moment_option("--at", "Without: now.")] = None,
    data: DataOption = None,
) -> None:
    """Write down a service visit, at which the bin's clock was set."""
    visit = typed(ServiceVisit, {"serviced_at": at, "reason": reason})
    found = in_transaction(data, lambda connection, _: record_visit(connection, bin_id, visit, By(reason=visit.reason)))
    console.print(f"Bin {bin_id} was visited at {moment(found.serviced_at, city_zone())}.")


@bin_app.command("scale")
def bin_scale(
    bin_id: BinArgument,
    reason: ReasonOption,
    verification_interval_grams: Annotated[int | None, typer.Option(min=1, help="e of its scale.")] = None,
    capacity_grams: Annotated[int | None, typer.Option(min=1)] = None,
    box_capacity_grams: Annotated[int | None, typer.Option(min=1)] = None,
    certificate_expires_on: CertificateOption = None,
    data: DataOption = None,
) -> None:
    """Change what is known of a bin's scale: a new certificate, another scale, other boxes."""
    given = {
        "verification_interval_grams": verification_interval_grams,
        "capacity_grams": capacity_grams,
        "box_capacity_grams": box_capacity_grams,
        "certificate_expires_on": certificate_expires_on,
    }
    named = {name: value for name, value in given.items() if value is not None}
    change = typed(ScaleChange, {**named, "reason": reason})
    in_transaction(data, lambda connection, _: change_scale(connection, bin_id, change, By(reason=change.reason)))
    console.print(f"Bin {bin_id}: changed.")


@bin_app.command("retire")
def bin_retire(bin_id: BinArgument, reason: ReasonOption, data: DataOption = None) -> None:
    """Retire a bin for good: its keys end. What it has told stays."""
    by = _by(reason)
    in_transaction(data, lambda connection, _: retire_bin(connection, bin_id, by))
    console.print(f"Bin {bin_id} is retired.")


@bin_app.command("history")
def bin_history(bin_id: BinArgument, cursor: CursorOption = None, data: DataOption = None) -> None:
    """Show what was done to a bin, newest first."""
    query = typed(HistoryQuery, {"cursor": cursor, "limit": HISTORY_LIMIT_MAX})
    page = in_transaction(data, lambda connection, _: read_history(connection, bin_id, query))
    zone = city_zone()
    table = listing("What", "From", "Of", "Why", "By", "Written down")
    for change in page.changes:
        table.add_row(
            change.kind,
            moment(change.effective_at, zone),
            change.subject or "",
            change.reason or "",
            "" if change.changed_by is None else change.changed_by.name,
            moment(change.created_at, zone),
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


# -- keys -----------------------------------------------------------------------------------------------------------


@bin_app.command("keys")
def bin_keys(bin_id: BinArgument, data: DataOption = None) -> None:
    """Show all keys that a bin has had; never the keys themselves."""
    zone = city_zone()
    table = listing("Key", "Algorithm", "From", "Until", "")
    for key in in_transaction(data, lambda connection, _: read_bin_keys(connection, bin_id)).keys:
        begins = "not confirmed" if key.valid_from is None else moment(key.valid_from, zone)
        table.add_row(key.keyid, key.algorithm, begins, moment(key.valid_until, zone), "newest" if key.newest else "")
    console.print(table)


@bin_app.command("rotate")
def bin_rotate(bin_id: BinArgument, reason: ReasonOption, qr: QrOption = None, data: DataOption = None) -> None:
    """End all keys of a bin and print a claim code: its newest key was stolen or lost."""
    by = _by(reason)

    async def work(connection: AsyncConnection, settings: Settings) -> ClaimCode:
        return await replace_keys(connection, bin_id, by, lifetime=_lifetime(settings), demo=settings.demo)

    _print_code(in_transaction(data, work), qr)


@bin_app.command("end-key")
def bin_end_key(
    bin_id: BinArgument,
    keyid: Annotated[str, typer.Argument(help="As `tanbi bin keys` shows it.")],
    reason: ReasonOption,
    data: DataOption = None,
) -> None:
    """End one key of a bin that was stolen, such as the one before its newest."""
    ended = typed(KeyEnd, {"keyid": keyid, "reason": reason})
    left = in_transaction(data, lambda connection, _: end_key(connection, bin_id, ended.keyid, By(reason=ended.reason)))
    console.print(f"Key {keyid} is over.")
    if not any(key.newest for key in left.keys):
        console.print(
            f"Bin {bin_id} has no good key now: tanbi bin claim-code {bin_id} makes a code to claim it again."
        )


# -- firmware -------------------------------------------------------------------------------------------------------


@firmware_app.command("announce")
def firmware_announce(
    version: Annotated[str, typer.Argument()],
    notice: Annotated[str, typer.Option(help="In Chinese.")],
    notice_en: Annotated[str, typer.Option(help="In English.")],
    model: Annotated[str | None, typer.Option(help="Of bins; without: of every model.")] = None,
    url: Annotated[str | None, typer.Option(help="Where it is, by https; with --sha256.")] = None,
    sha256: Annotated[str | None, typer.Option(help="Of what is there.")] = None,
    effective_from: Annotated[datetime | None, moment_option("--from", "Without: now.")] = None,
    data: DataOption = None,
) -> None:
    """Tell bins about firmware, with their next configuration."""
    wanted = typed(
        FirmwareAnnouncement,
        {
            "model": model,
            "version": version,
            "notice": notice,
            "notice_en": notice_en,
            "url": url,
            "sha256": sha256,
            "effective_from": effective_from,
        },
    )
    found = in_transaction(data, lambda connection, _: announce_firmware(connection, wanted))
    console.print(
        f"Bins of {found.model or 'every model'} hear of {found.version} from"
        f" {moment(found.effective_from, city_zone())} on."
    )


@firmware_app.command("list")
def firmware_list(cursor: CursorOption = None, data: DataOption = None) -> None:
    """Show what bins were told, newest first; of one model, the first that is in force counts."""
    query = typed(FirmwareQuery, {"cursor": cursor, "limit": HISTORY_LIMIT_MAX})
    page = in_transaction(data, lambda connection, _: read_firmware_notices(connection, query))
    zone = city_zone()
    table = listing("Model", "Version", "From", "Notice", "Where")
    for each in page.notices:
        table.add_row(
            each.model or "every",
            each.version,
            moment(each.effective_from, zone),
            f"{each.notice} {each.notice_en}",
            each.url or "",
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


def _by(reason: str) -> By:
    """A command on the server, for this reason. Raises ValidationFailed."""
    return By(reason=typed(BinReason, {"reason": reason}).reason)


def _lifetime(settings: Settings) -> timedelta:
    return timedelta(hours=settings.claim_code_hours)


def _print_code(code: ClaimCode, qr: Path | None) -> None:
    """The code alone goes to the standard output, and its picture; what there is to say beside it does not."""
    typer.echo(code.claim_code)
    typer.echo(claim_code_blocks(code.claim_code))
    errors.print(f"Bin {code.bin_id} is claimed with it once, until {moment(code.expires_at, city_zone())}.")
    errors.print(NOT_SHOWN_AGAIN)
    if qr is None:
        return
    try:
        qr.write_bytes(claim_code_picture(code.claim_code, cast("PictureKind", qr.suffix.removeprefix("."))))
    except OSError as error:
        errors.print(f"[red]tanbi:[/red] {qr} was not written: {error.strerror}. The code above is good.")
        raise typer.Exit(1) from None
