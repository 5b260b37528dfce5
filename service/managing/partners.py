"""Commands for who accepts coins and who may call: merchants, machines and API keys."""

import base64
import json
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.signatures import Algorithm, SigningKey
from service import api_keys
from service.api_keys import create_api_key
from service.managing.running import (
    NOT_SHOWN_AGAIN,
    DataOption,
    NameEnOption,
    NameOption,
    city_zone,
    console,
    errors,
    in_transaction,
    listing,
    moment,
)
from service.redemption.merchants import (
    GRACE_SECONDS_MAX,
    HOLD_SECONDS,
    HOLD_SECONDS_MAX,
    MachineKind,
    add_machine,
    add_machine_key,
    add_merchant,
    list_machines,
    list_merchants,
    revoke_machine_key,
    set_merchant,
)
from service.secrets import Keyring
from service.settings import Settings

merchant_app = typer.Typer(help="Partner merchants.", no_args_is_help=True)
machine_app = typer.Typer(help="Merchants' machines.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of operators, merchants and scrap stations.", no_args_is_help=True)

SiteOption = Annotated[str | None, typer.Option(help="Where its shop is.")]
HOLD = "How long coins stay held for it."
GRACE = "How long after that its machines may still tell what they gave out."
AlgorithmOption = Annotated[Algorithm, typer.Option(help="hmac-sha256 is for weak controllers.")]


@merchant_app.command("add")
def merchant_add(
    merchant_id: Annotated[str, typer.Argument()],
    name: NameOption,
    name_en: NameEnOption,
    site: SiteOption = None,
    hold_seconds: Annotated[int, typer.Option(min=1, max=HOLD_SECONDS_MAX, help=HOLD)] = HOLD_SECONDS,
    grace_seconds: Annotated[int, typer.Option(min=0, max=GRACE_SECONDS_MAX, help=GRACE)] = 0,
    data: DataOption = None,
) -> None:
    """Add a merchant and print its API key, once, as JSON."""

    async def work(connection: AsyncConnection, _settings: Settings) -> str:
        await add_merchant(
            connection,
            merchant_id=merchant_id,
            name=name,
            name_en=name_en,
            site_id=site,
            hold_seconds=hold_seconds,
            capture_grace_seconds=grace_seconds,
        )
        return await create_api_key(connection, role="merchant", name=name, merchant_id=merchant_id)

    secret = in_transaction(data, work)
    typer.echo(json.dumps({"id": merchant_id, "name": name, "api_key": secret}, ensure_ascii=False))
    errors.print(NOT_SHOWN_AGAIN)


@merchant_app.command("set")
def merchant_set(
    merchant_id: Annotated[str, typer.Argument()],
    hold_seconds: Annotated[int | None, typer.Option(min=1, max=HOLD_SECONDS_MAX, help=HOLD)] = None,
    grace_seconds: Annotated[int | None, typer.Option(min=0, max=GRACE_SECONDS_MAX, help=GRACE)] = None,
    site: SiteOption = None,
    data: DataOption = None,
) -> None:
    """Change how long coins are held for a merchant, its grace, or its site. Coins that are held keep their time."""
    row = in_transaction(
        data,
        lambda connection, _: set_merchant(
            connection, merchant_id, site_id=site, hold_seconds=hold_seconds, capture_grace_seconds=grace_seconds
        ),
    )
    console.print(
        f"Merchant {merchant_id}: coins are held for {row.hold_seconds} s, late captures taken for"
        f" {row.capture_grace_seconds} s more; site: {row.site_id or 'none'}."
    )


@merchant_app.command("list")
def merchant_list(data: DataOption = None) -> None:
    """Show all merchants."""
    table = listing("Id", "Name", "Site", "Hold, s", "Grace, s")
    for row in in_transaction(data, lambda connection, _: list_merchants(connection)):
        seconds = (str(row.hold_seconds), str(row.capture_grace_seconds))
        table.add_row(row.id, f"{row.name} {row.name_en}", row.site_id or "", *seconds)
    console.print(table)


@machine_app.command("add")
def machine_add(
    machine_id: Annotated[str, typer.Argument()],
    merchant: Annotated[str, typer.Option(help="Whose it is.")],
    site: Annotated[str, typer.Option(help="Where it stands.")],
    kind: Annotated[MachineKind, typer.Option()],
    algorithm: AlgorithmOption = Algorithm.ED25519,
    data: DataOption = None,
) -> None:
    """Add a merchant's machine and print its signing key, once, as JSON."""

    async def work(connection: AsyncConnection, settings: Settings) -> SigningKey:
        await add_machine(connection, machine_id=machine_id, merchant_id=merchant, site_id=site, kind=kind)
        return await add_machine_key(connection, Keyring.of(settings), machine_id=machine_id, algorithm=algorithm)

    _show_machine_key(machine_id, in_transaction(data, work))


@machine_app.command("add-key")
def machine_add_key(
    machine_id: Annotated[str, typer.Argument()],
    algorithm: Annotated[
        Algorithm | None, typer.Option(help="Without: as its newest key. hmac-sha256 is for weak controllers.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Give a machine one more signing key and print it, once, as JSON. Its other keys stay good until revoked."""
    key = in_transaction(
        data,
        lambda connection, settings: add_machine_key(
            connection, Keyring.of(settings), machine_id=machine_id, algorithm=algorithm
        ),
    )
    _show_machine_key(machine_id, key)


@machine_app.command("revoke-key")
def machine_revoke_key(
    keyid: Annotated[str, typer.Argument(help="As `tanbi machine list` shows it.")], data: DataOption = None
) -> None:
    """Refuse a machine's signing key. Running services follow within TANBI_REFERENCE_POLL_SECONDS."""
    ended_before = in_transaction(data, lambda connection, _: revoke_machine_key(connection, keyid))
    _say_revoked(keyid, ended_before)


@machine_app.command("list")
def machine_list(data: DataOption = None) -> None:
    """Show all machines and their keys by id; never the keys themselves."""
    zone = city_zone()
    table = listing("Id", "Merchant", "Site", "Kind", "Key", "Algorithm", "Good until")
    for row in in_transaction(data, lambda connection, _: list_machines(connection)):
        until = moment(row.valid_until, zone)
        table.add_row(row.id, row.merchant_id, row.site_id, row.kind, row.keyid or "none", row.algorithm, until)
    console.print(table)


def _show_machine_key(machine_id: str, key: SigningKey) -> None:
    private_key = base64.b64encode(key.secret).decode()
    shown = {"id": machine_id, "alg": key.algorithm.value, "keyid": key.keyid, "private_key": private_key}
    typer.echo(json.dumps(shown))
    errors.print(NOT_SHOWN_AGAIN)


@key_app.command("create")
def key_create(
    role: Annotated[api_keys.Role, typer.Option(help="viewer, operator, auditor and admin are for people.")],
    name: Annotated[str, typer.Option(help="Whose key it is; shown to other operators.")],
    merchant: Annotated[str | None, typer.Option(help="With the role merchant.")] = None,
    station: Annotated[str | None, typer.Option(help="With the role station.")] = None,
    data: DataOption = None,
) -> None:
    """Create an API key and print it, once, as JSON."""
    secret = in_transaction(
        data,
        lambda connection, _: create_api_key(
            connection, role=role, name=name, merchant_id=merchant, station_id=station
        ),
    )
    typer.echo(json.dumps({"role": role, "name": name, "api_key": secret}, ensure_ascii=False))
    errors.print(NOT_SHOWN_AGAIN)


@key_app.command("list")
def key_list(data: DataOption = None) -> None:
    """Show all API keys by id, role and name; never the keys themselves."""
    zone = city_zone()
    table = listing("Id", "Role", "Name", "Of", "Created", "Revoked")
    for row in in_transaction(data, lambda connection, _: api_keys.list_api_keys(connection)):
        times = (moment(row.created_at, zone), moment(row.revoked_at, zone))
        table.add_row(str(row.id), row.role, row.name, row.merchant_id or row.station_id or "", *times)
    console.print(table)


@key_app.command("revoke")
def key_revoke(
    key_id: Annotated[UUID, typer.Argument(help="As `tanbi key list` shows it.")], data: DataOption = None
) -> None:
    """Refuse an API key from now on."""
    ended_before = in_transaction(data, lambda connection, _: api_keys.revoke_api_key(connection, key_id))
    _say_revoked(str(key_id), ended_before)


def _say_revoked(key_id: str, ended_before: datetime | None) -> None:
    if ended_before is None:
        console.print(f"Key {key_id} is revoked.")
    else:
        console.print(f"Key {key_id} was revoked before, at {moment(ended_before, city_zone())}; nothing is changed.")
