"""Commands that set up and keep a city: areas, sites, materials, tariffs, bins, merchants and keys."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.signatures import Algorithm
from service import api_keys
from service.api_keys import create_api_key
from service.db import OwnerNotConfigured, create_engine, transaction
from service.folding.rebuild import rebuild
from service.installation import installation
from service.ledger.posting import reverse_transfer
from service.redemption.merchants import MachineKind, add_machine, add_merchant
from service.secrets import Keyring
from service.settings import Settings, read_settings
from service.weighing.bins import Scale, add_bin, resume_bin, suspend_bin
from service.weighing.places import AreaKind, SiteKind, add_area, add_material, add_site, set_tariff

Result = TypeVar("Result")

area_app = typer.Typer(help="Areas: city, district, subdistrict (街道), community (社区).", no_args_is_help=True)
site_app = typer.Typer(help="Sites, where bins stand.", no_args_is_help=True)
material_app = typer.Typer(help="Materials.", no_args_is_help=True)
tariff_app = typer.Typer(help="Tariffs: coins per kilogram.", no_args_is_help=True)
bin_app = typer.Typer(help="Smart bins.", no_args_is_help=True)
merchant_app = typer.Typer(help="Partner merchants.", no_args_is_help=True)
machine_app = typer.Typer(help="Merchants' machines.", no_args_is_help=True)
key_app = typer.Typer(help="API keys of operators, merchants and machines.", no_args_is_help=True)
transfer_app = typer.Typer(help="Transfers of the ledger.", no_args_is_help=True)
volumes_app = typer.Typer(help="Sums over weigh events and transfers.", no_args_is_help=True)

console = Console()
errors = Console(stderr=True)

DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory of the embedded database; used where TANBI_DATABASE_URL is not set."),
]
NameOption = Annotated[str, typer.Option(help="In Chinese.")]
NameEnOption = Annotated[str, typer.Option("--name-en", help="In English.")]

NOT_SHOWN_AGAIN = "Keep it now: it is not shown again, and the service stores only what it needs to check it."


def in_transaction(
    data: Path | None, work: Callable[[AsyncConnection, Settings], Awaitable[Result]], *, as_owner: bool = False
) -> Result:
    """Run `work` in one transaction of the installation's database, also while a service uses it."""

    async def run(settings: Settings) -> Result:
        url = settings.migration_database_url if as_owner else settings.database_url
        if url is None:
            raise OwnerNotConfigured
        engine = create_engine(settings.model_copy(update={"database_url": url}))
        try:
            async with transaction(engine) as connection:
                return await work(connection, settings)
        finally:
            await engine.dispose()

    with installation(read_settings(data)) as settings:
        return asyncio.run(run(settings))


@area_app.command("add")
def area_add(
    area_id: Annotated[str, typer.Argument(help="Such as nankai.")],
    kind: Annotated[AreaKind, typer.Option()],
    name: NameOption,
    name_en: NameEnOption,
    parent: Annotated[str | None, typer.Option(help="The area it lies in; a city has none.")] = None,
    data: DataOption = None,
) -> None:
    """Add an area to the tree."""
    in_transaction(
        data,
        lambda connection, _: add_area(
            connection, area_id=area_id, parent_id=parent, kind=kind, name=name, name_en=name_en
        ),
    )
    console.print(f"Area {area_id} is there.")


@site_app.command("add")
def site_add(
    site_id: Annotated[str, typer.Argument()],
    area: Annotated[str, typer.Option(help="The community it stands in.")],
    kind: Annotated[SiteKind, typer.Option()],
    name: NameOption,
    name_en: NameEnOption,
    data: DataOption = None,
) -> None:
    """Add a site."""
    in_transaction(
        data,
        lambda connection, _: add_site(
            connection, site_id=site_id, area_id=area, kind=kind, name=name, name_en=name_en
        ),
    )
    console.print(f"Site {site_id} is there.")


@material_app.command("add")
def material_add(
    material_id: Annotated[str, typer.Argument(help="Such as paper.")],
    name: NameOption,
    name_en: NameEnOption,
    data: DataOption = None,
) -> None:
    """Add a material; its drops are held until it has a tariff."""
    in_transaction(
        data, lambda connection, _: add_material(connection, material_id=material_id, name=name, name_en=name_en)
    )
    console.print(f"Material {material_id} is there; give it a tariff with `tanbi tariff set`.")


@tariff_app.command("set")
def tariff_set(
    material_id: Annotated[str, typer.Argument()],
    coins_per_kg: Annotated[int, typer.Argument(min=0, max=1_000_000)],
    effective_from: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%dT%H:%M:%S%z"],
            help="Such as 2027-01-01T00:00:00+0800; a minute from now where not given.",
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Supersede a material's tariff from a moment on; what was earned before stays."""
    starts_at = in_transaction(
        data,
        lambda connection, _: set_tariff(
            connection, material_id=material_id, coins_per_kg=coins_per_kg, effective_from=effective_from
        ),
    )
    console.print(
        f"{material_id}: {coins_per_kg} coins/kg from {starts_at.isoformat(timespec='seconds')};"
        " drops weighed before that are credited by the tariff before, and held where there is none."
    )


@bin_app.command("add")
def bin_add(
    bin_id: Annotated[str, typer.Argument(help="Such as NK-0001.")],
    site: Annotated[str, typer.Option(help="Where it stands.")],
    algorithm: Annotated[Algorithm, typer.Option(help="hmac-sha256 is for weak controllers.")] = Algorithm.ED25519,
    verification_interval_grams: Annotated[int, typer.Option(min=1, help="e of its scale.")] = 10,
    capacity_grams: Annotated[int, typer.Option(min=1)] = 60_000,
    data: DataOption = None,
) -> None:
    """Register a bin and print its signing key, once, as JSON."""
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


@bin_app.command("suspend")
def bin_suspend(bin_id: Annotated[str, typer.Argument()], data: DataOption = None) -> None:
    """Take nothing more from a bin, from now on."""
    in_transaction(data, lambda connection, _: suspend_bin(connection, bin_id))
    console.print(f"Bin {bin_id} is suspended.")


@bin_app.command("resume")
def bin_resume(bin_id: Annotated[str, typer.Argument()], data: DataOption = None) -> None:
    """Take events of a suspended bin again; it sends what it has kept."""
    in_transaction(data, lambda connection, _: resume_bin(connection, bin_id))
    console.print(f"Bin {bin_id} is active.")


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
    table = Table("Id", "Role", "Name", "Merchant", "Machine", "Created", "Revoked")
    for row in in_transaction(data, lambda connection, _: api_keys.list_api_keys(connection)):
        revoked = "" if row.revoked_at is None else row.revoked_at.isoformat(timespec="seconds")
        created = row.created_at.isoformat(timespec="seconds")
        table.add_row(str(row.id), row.role, row.name, row.merchant_id or "", row.machine_id or "", created, revoked)
    console.print(table)


@key_app.command("revoke")
def key_revoke(
    key_id: Annotated[UUID, typer.Argument(help="As `tanbi key list` shows it.")], data: DataOption = None
) -> None:
    """Refuse an API key from now on."""
    in_transaction(data, lambda connection, _: api_keys.revoke_api_key(connection, key_id))
    console.print(f"Key {key_id} is revoked.")


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
