"""Commands that set up and keep a city: areas, sites, materials and tariffs."""

from typing import Annotated

import typer

from service.errors import ValidationFailed
from service.managing.running import (
    DataOption,
    FromOption,
    NameEnOption,
    NameOption,
    WithNumbers,
    city_zone,
    console,
    in_transaction,
    listing,
    moment,
)
from service.weighing.places import (
    AreaKind,
    Position,
    SiteKind,
    add_area,
    add_material,
    add_site,
    list_areas,
    list_materials,
    list_sites,
    list_tariffs,
    place_site,
    set_tariff,
)

area_app = typer.Typer(help="Areas: city, district, subdistrict (街道), community (社区).", no_args_is_help=True)
site_app = typer.Typer(help="Sites, where bins stand.", no_args_is_help=True)
material_app = typer.Typer(help="Materials.", no_args_is_help=True)
tariff_app = typer.Typer(help="Tariffs: coins per kilogram.", no_args_is_help=True)

POSITION = "Degrees, WGS 84 (not GCJ-02, as Chinese maps show them), such as 39.1041"


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


@area_app.command("list")
def area_list(data: DataOption = None) -> None:
    """Show all areas."""
    table = listing("Id", "Kind", "In", "Name")
    for row in in_transaction(data, lambda connection, _: list_areas(connection)):
        table.add_row(row.id, row.kind, row.parent_id or "", f"{row.name} {row.name_en}")
    console.print(table)


@site_app.command("add")
def site_add(
    site_id: Annotated[str, typer.Argument()],
    area: Annotated[str, typer.Option(help="The community it stands in.")],
    kind: Annotated[SiteKind, typer.Option()],
    name: NameOption,
    name_en: NameEnOption,
    latitude: Annotated[float | None, typer.Option(help=f"{POSITION}, with --longitude.")] = None,
    longitude: Annotated[float | None, typer.Option()] = None,
    data: DataOption = None,
) -> None:
    """Add a site."""
    if (latitude is None) != (longitude is None):
        raise ValidationFailed("Give --latitude and --longitude together, or neither.")
    position = None if latitude is None or longitude is None else Position(latitude, longitude)
    in_transaction(
        data,
        lambda connection, _: add_site(
            connection, site_id=site_id, area_id=area, kind=kind, name=name, name_en=name_en, position=position
        ),
    )
    console.print(f"Site {site_id} is there.")


@site_app.command("list")
def site_list(data: DataOption = None) -> None:
    """Show all sites."""
    table = listing("Id", "Area", "Kind", "Name", "Latitude, longitude")
    for row in in_transaction(data, lambda connection, _: list_sites(connection)):
        position = "" if row.latitude is None else f"{row.latitude}, {row.longitude}"
        table.add_row(row.id, row.area_id, row.kind, f"{row.name} {row.name_en}", position)
    console.print(table)


@site_app.command("place", cls=WithNumbers)
def site_place(
    site_id: Annotated[str, typer.Argument()],
    latitude: Annotated[float, typer.Argument(help=f"{POSITION}.")],
    longitude: Annotated[float, typer.Argument()],
    data: DataOption = None,
) -> None:
    """Say where a site is, so that residents find the nearest one."""
    in_transaction(data, lambda connection, _: place_site(connection, site_id, Position(latitude, longitude)))
    console.print(f"Site {site_id} is at {latitude}, {longitude}.")


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


@material_app.command("list")
def material_list(data: DataOption = None) -> None:
    """Show all materials, with the tariff in force."""
    table = listing("Id", "Name", "Coins/kg now")
    for row in in_transaction(data, lambda connection, _: list_materials(connection)):
        coins = "none: held" if row.coins_per_kg is None else str(row.coins_per_kg)
        table.add_row(row.id, f"{row.name} {row.name_en}", coins)
    console.print(table)


@tariff_app.command("set", cls=WithNumbers)
def tariff_set(
    material_id: Annotated[str, typer.Argument()],
    coins_per_kg: Annotated[int, typer.Argument(min=0, max=1_000_000)],
    effective_from: FromOption = None,
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
        f"{material_id}: {coins_per_kg} coins/kg from {moment(starts_at, city_zone())};"
        " drops weighed before that are credited by the tariff before, and held where there is none."
    )


@tariff_app.command("list")
def tariff_list(data: DataOption = None) -> None:
    """Show every tariff that was ever set; each is in force until the next of its material."""
    zone = city_zone()
    table = listing("Material", "From", "Coins/kg")
    for row in in_transaction(data, lambda connection, _: list_tariffs(connection)):
        table.add_row(row.material_id, moment(row.effective_from, zone), str(row.coins_per_kg))
    console.print(table)
