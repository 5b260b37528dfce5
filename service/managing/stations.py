"""Commands for scrap stations, which report what they bought each month."""

from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.stations import STATIONS_LIMIT_MAX, NewStation, StationClosing, Stations, StationsQuery
from service.business_days import business_today
from service.indicator.stations import add_station, close_station, read_stations
from service.managing.naming import fixed_period_text, read_known
from service.managing.running import (
    DataOption,
    NameEnOption,
    NameOption,
    console,
    in_transaction,
    listing,
    typed,
)
from service.settings import Settings

station_app = typer.Typer(help="Scrap stations (废品回收站) that report their weights.", no_args_is_help=True)


@station_app.command("add")
def station_add(
    station_id: Annotated[str, typer.Argument(help="Such as NK-S-01; it stands as the source of what it reports.")],
    area: Annotated[str, typer.Option(help="Where it buys.")],
    name: NameOption,
    name_en: NameEnOption,
    reports_from: Annotated[str, typer.Option("--from", help="Its first month, such as 2026-01.")],
    data: DataOption = None,
) -> None:
    """Add a scrap station; give it a key with `tanbi key create --role station --station ID`."""
    told = {"id": station_id, "name": name, "name_en": name_en, "reports_from": fixed_period_text(reports_from)}

    async def work(connection: AsyncConnection, _settings: Settings) -> NewStation:
        known = await read_known(connection)
        wanted = typed(NewStation, {"area": known.area(area), **told})
        await add_station(connection, wanted)
        return wanted

    wanted = in_transaction(data, work)
    console.print(
        f"回收站 station {wanted.id}: 已添加 added, 自 {wanted.reports_from} 起填报"
        f" reports from {wanted.reports_from} on. 创建密钥 its key:"
        f" `tanbi key create --role station --station {wanted.id} --name …`.",
        highlight=False,
    )


@station_app.command("close")
def station_close(
    station_id: Annotated[str, typer.Argument(help="As `tanbi station list` shows it.")],
    until: Annotated[str, typer.Option(help="Its last month, such as 2026-06.")],
    data: DataOption = None,
) -> None:
    """Ask a station for no month after its last one. What it has reported stays."""
    wanted = typed(StationClosing, {"reports_until": fixed_period_text(until)})
    in_transaction(data, lambda connection, _: close_station(connection, station_id, wanted.reports_until))
    until = wanted.reports_until
    console.print(f"回收站 station {station_id}: 填报至 {until} 为止 reports up to {until}.", highlight=False)


@station_app.command("list")
def station_list(
    cursor: Annotated[str | None, typer.Option(help="As the page before has shown it.")] = None,
    data: DataOption = None,
) -> None:
    """Show all scrap stations, and which months are missing."""
    query = typed(StationsQuery, {"cursor": cursor, "limit": STATIONS_LIMIT_MAX})

    async def work(connection: AsyncConnection, settings: Settings) -> Stations:
        return await read_stations(connection, query, today=business_today(settings.business_timezone))

    page = in_transaction(data, work)
    table = listing("Id", "Name", "Area", "From", "Until", "Reported", "Missing")
    for each in page.stations:
        missing = [month.month for month in reversed(each.months) if month.state == "missing"]
        table.add_row(
            each.id,
            f"{each.name} {each.name_en}",
            each.area,
            each.reports_from,
            each.reports_until or "",
            f"{len(each.months) - len(missing)} of {len(each.months)}",
            ", ".join(missing),
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")
