"""Commands that show bins in the field: their states, and their alarms."""

import json
from datetime import datetime
from typing import Annotated, Any

import typer

from schemas.bin_states import PAGE_LIMIT_MAX, AlarmFilter, AlarmKindName, AlarmsQuery, BinsQuery
from schemas.fleet import BinLifeState
from schemas.gaps import BinGapsQuery
from service.fleet.gaps import list_gaps
from service.fleet.states import limits_of, list_alarms, list_states, read_state
from service.managing.bins import BinArgument, CursorOption, bin_app
from service.managing.running import DataOption, city_zone, console, in_transaction, listing, moment, typed

alarm_app = typer.Typer(help="Alarms of bins: smoke, heat, a scale's zero, a battery.", no_args_is_help=True)

SiteOption = Annotated[str | None, typer.Option(help="At this site only.")]
AreaOption = Annotated[str | None, typer.Option(help="In this area and all below it.")]


@bin_app.command("list")
def bin_list(
    state: Annotated[BinLifeState | None, typer.Option(help="In this state only.")] = None,
    offline: Annotated[
        bool | None, typer.Option("--offline/--online", help="Not heard of for 15 minutes, or heard.")
    ] = None,
    wants_emptying: Annotated[
        bool | None, typer.Option("--wants-emptying/--has-room", help="With a box that is full, or with none.")
    ] = None,
    alarm: Annotated[AlarmFilter | None, typer.Option(help="With an open alarm of this kind.")] = None,
    site: SiteOption = None,
    area: AreaOption = None,
    model: Annotated[str | None, typer.Option(help="Of this model only.")] = None,
    cursor: CursorOption = None,
    data: DataOption = None,
) -> None:
    """Show bins and what they told last, by their ids; never their keys."""
    query = typed(
        BinsQuery,
        {
            "state": state,
            "offline": offline,
            "wants_emptying": wants_emptying,
            "alarm": alarm,
            "site": site,
            "area": area,
            "model": model,
            "cursor": cursor,
            "limit": PAGE_LIMIT_MAX,
        },
    )
    page = in_transaction(data, lambda connection, settings: list_states(connection, query, limits_of(settings)))
    table = listing(
        *("Id", "Site", "State", "Alarms", "Heard", "Full, %", "Mass, g", "°C", "Battery, %"),
        *("Firmware", "Clock behind, s", "Gaps", "Model"),
    )
    zone = city_zone()
    for each in map(json.loads, page.states):
        table.add_row(
            each["id"],
            each["site_id"],
            _state_of(each),
            ", ".join(each["alarms"]),
            _moment(each["heard_at"], zone),
            *(
                _shown(each[name])
                for name in ("fill_percent", "mass_grams", "temperature_celsius", "battery_percent", "firmware")
            ),
            *(_shown(each[name]) for name in ("clock_skew_seconds", "gaps_open", "model")),
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


@bin_app.command("show")
def bin_show(bin_id: BinArgument, data: DataOption = None) -> None:
    """Print all that is known of a bin, as JSON: its state, its open alarms, its scale."""
    found = in_transaction(data, lambda connection, settings: read_state(connection, bin_id, limits_of(settings)))
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False, default=str))


@bin_app.command("gaps")
def bin_gaps(
    bin_id: Annotated[str | None, typer.Argument(help="Of this bin; without, of all.")] = None,
    over: Annotated[bool, typer.Option("--over", help="Those that are over, instead of those that are open.")] = False,
    cursor: CursorOption = None,
    data: DataOption = None,
) -> None:
    """Show which numbers of bins' counts never came, and since when they are missing; newest first."""
    query = typed(BinGapsQuery, {"open": not over, "cursor": cursor, "limit": PAGE_LIMIT_MAX})
    page = in_transaction(data, lambda connection, _: list_gaps(connection, bin_id, query))
    zone = city_zone()
    table = listing("Bin", "Site", "Epoch", "From", "To", "Missing", "Since", "Before", "Over")
    for gap in page.gaps:
        over_at = "given up" if gap.given_up else moment(gap.closed_at, zone)
        numbers = (gap.epoch, gap.first_sequence, gap.last_sequence, gap.missing)
        table.add_row(
            gap.bin_id,
            gap.site_id,
            *map(str, numbers),
            moment(gap.missing_since, zone),
            moment(gap.before, zone),
            over_at,
        )
    console.print(table)
    if page.next_cursor is not None:
        console.print(f"More: --cursor {page.next_cursor}")


@alarm_app.command("list")
def alarm_list(
    over: Annotated[bool, typer.Option("--over", help="Those that are over, instead of those that are open.")] = False,
    kind: Annotated[AlarmKindName | None, typer.Option(help="Of this kind only.")] = None,
    bin_id: Annotated[str | None, typer.Option("--bin", help="Of this bin only.")] = None,
    area: AreaOption = None,
    cursor: CursorOption = None,
    data: DataOption = None,
) -> None:
    """Show open alarms, newest first, with where the bins stand."""
    query = typed(
        AlarmsQuery,
        {"open": not over, "kind": kind, "bin": bin_id, "area": area, "cursor": cursor, "limit": PAGE_LIMIT_MAX},
    )
    page = in_transaction(data, lambda connection, _: list_alarms(connection, query))
    zone = city_zone()
    table = listing("Alarm", "Bin", "Site", "Measured", "Since", "Until")
    for each in page["alarms"]:
        table.add_row(
            *(each[name] for name in ("kind", "bin_id", "site_id")),
            _shown(each["measured"]),
            moment(each["opened_at"], zone),
            moment(each["closed_at"], zone),
        )
    console.print(table)
    if page["next_cursor"] is not None:
        console.print(f"More: --cursor {page['next_cursor']}")


def _state_of(state: dict[str, Any]) -> str:
    words = (
        state["state"],
        "offline" if state["offline"] else "",
        "wants emptying" if state["wants_emptying"] else "",
    )
    return ", ".join(word for word in words if word)


def _moment(text: str | None, zone: str) -> str:
    return moment(None if text is None else datetime.fromisoformat(text), zone)


def _shown(value: object) -> str:
    return "" if value is None else str(value)
