"""Commands for who accepts coins and who may call: merchants, machines and API keys."""

import json
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from service import api_keys
from service.api_keys import create_api_key
from service.managing.running import (
    NOT_SHOWN_AGAIN,
    DataOption,
    NameEnOption,
    NameOption,
    console,
    errors,
    in_transaction,
)
from service.redemption.merchants import MachineKind, add_machine, add_merchant
from service.settings import Settings

merchant_app = typer.Typer(help="Partner merchants.", no_args_is_help=True)
machine_app = typer.Typer(help="Merchants' machines.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of operators, merchants and machines.", no_args_is_help=True)


@merchant_app.command("add")
def merchant_add(
    merchant_id: Annotated[str, typer.Argument()],
    name: NameOption,
    name_en: NameEnOption,
    data: DataOption = None,
) -> None:
    """Add a merchant and print its API key, once, as JSON."""

    async def work(connection: AsyncConnection, _settings: Settings) -> str:
        await add_merchant(connection, merchant_id=merchant_id, name=name, name_en=name_en)
        return await create_api_key(connection, role="merchant", name=name, merchant_id=merchant_id)

    secret = in_transaction(data, work)
    typer.echo(json.dumps({"id": merchant_id, "name": name, "api_key": secret}, ensure_ascii=False))
    errors.print(NOT_SHOWN_AGAIN)


@machine_app.command("add")
def machine_add(
    machine_id: Annotated[str, typer.Argument()],
    merchant: Annotated[str, typer.Option(help="Whose it is.")],
    site: Annotated[str, typer.Option(help="Where it stands.")],
    kind: Annotated[MachineKind, typer.Option()],
    data: DataOption = None,
) -> None:
    """Add a merchant's machine and print its API key, once, as JSON."""

    async def work(connection: AsyncConnection, _settings: Settings) -> str:
        await add_machine(connection, machine_id=machine_id, merchant_id=merchant, site_id=site, kind=kind)
        return await create_api_key(
            connection, role="merchant", name=machine_id, merchant_id=merchant, machine_id=machine_id
        )

    secret = in_transaction(data, work)
    typer.echo(json.dumps({"id": machine_id, "merchant_id": merchant, "api_key": secret}))
    errors.print(NOT_SHOWN_AGAIN)


@key_app.command("create")
def key_create(
    role: Annotated[api_keys.Role, typer.Option(help="viewer, operator, auditor and admin are for people.")],
    name: Annotated[str, typer.Option(help="Whose key it is; shown to other operators.")],
    merchant: Annotated[str | None, typer.Option(help="With the role merchant.")] = None,
    data: DataOption = None,
) -> None:
    """Create an API key and print it, once, as JSON."""
    secret = in_transaction(
        data,
        lambda connection, _: create_api_key(connection, role=role, name=name, merchant_id=merchant),
    )
    typer.echo(json.dumps({"role": role, "name": name, "api_key": secret}, ensure_ascii=False))
    errors.print(NOT_SHOWN_AGAIN)


@key_app.command("list")
def key_list(data: DataOption = None) -> None:
    """Show all API keys by id, role and name; never the keys themselves."""
    table = Table("Id", "Role", "Name", "Merchant", "Created", "Revoked")
    for row in in_transaction(data, lambda connection, _: api_keys.list_api_keys(connection)):
        revoked = "" if row.revoked_at is None else row.revoked_at.isoformat(timespec="seconds")
        created = row.created_at.isoformat(timespec="seconds")
        table.add_row(str(row.id), row.role, row.name, row.merchant_id or "", created, revoked)
    console.print(table)


@key_app.command("revoke")
def key_revoke(
    key_id: Annotated[UUID, typer.Argument(help="As `tanbi key list` shows it.")], data: DataOption = None
) -> None:
    """Refuse an API key from now on."""
    in_transaction(data, lambda connection, _: api_keys.revoke_api_key(connection, key_id))
    console.print(f"Key {key_id} is revoked.")
