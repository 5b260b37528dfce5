"""What operators see of bins: pages of states, of alarms, and of what a bin told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.bin_states import AlarmsQuery, BinsQuery, TelemetryQuery
from schemas.cursors import encode_bin_cursor, encode_cursor
from service.errors import BinUnknown
from service.fleet import states_queries as queries
from service.fleet.bins import bin_record
from service.fleet.queries import find_bin
from service.fleet.states_queries import Limits
from service.settings import Settings

# As on the wire, see schemas.bin_states. Not built as models: a page has hundreds of them.
Json = dict[str, Any]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
DOORS: Final[Mapping[bool | None, str | None]] = {None: None, True: "open", False: "closed"}


def limits_of(settings: Settings) -> Limits:
    return Limits(timedelta(seconds=settings.bin_offline_seconds), settings.bin_emptying_percent)


@dataclass(frozen=True, slots=True)
class StatesPage:
    """`states` are schemas.bin_states.BinState, each as JSON."""

    states: list[str]
    next_cursor: str | None

    def as_json(self) -> bytes:
        """A schemas.bin_states.BinStates."""
        return f'{{"bins":[{",".join(self.states)}],"next_cursor":{json.dumps(self.next_cursor)}}}'.encode()


async def list_states(connection: AsyncConnection, query: BinsQuery, limits: Limits) -> StatesPage:
    rows = await queries.page_of_bins(connection, query, limits)
    page = rows[: query.limit]
    more = len(rows) > len(page)
    return StatesPage([row.json for row in page], encode_bin_cursor(page[-1].id) if more else None)


async def read_state(connection: AsyncConnection, bin_id: str, limits: Limits) -> Json:
    """A schemas.bin_states.BinDetail. Raises BinUnknown."""
    state, row = await queries.find_state(connection, bin_id, limits), await find_bin(connection, bin_id)
    if state is None or row is None:
        raise BinUnknown(f"There is no bin {bin_id}.")
    alarms = await queries.page_of_alarms(connection, AlarmsQuery(bin=bin_id, open=True))
    record = bin_record(row)
    return {
        **json.loads(state),
        "record": record.model_dump(mode="json"),
        "open_alarms": [alarm_of(alarm) for alarm in alarms],
    }


async def list_alarms(connection: AsyncConnection, query: AlarmsQuery) -> Json:
    """A page of schemas.bin_states.Alarms."""
    rows = await queries.page_of_alarms(connection, query)
    page = rows[: query.limit]
    more = len(rows) > len(page)
    return {"alarms": [alarm_of(row) for row in page], "next_cursor": encode_cursor(page[-1].id) if more else None}


async def list_telemetry(connection: AsyncConnection, bin_id: str, query: TelemetryQuery) -> Json:
    """A page of schemas.bin_states.TelemetryHistory. Raises BinUnknown."""
    if not await queries.bin_exists(connection, bin_id):
        raise BinUnknown(f"There is no bin {bin_id}.")
    before = None if query.cursor is None else EPOCH + query.cursor * MICROSECOND
    rows = await queries.page_of_telemetry(connection, bin_id, before=before, limit=query.limit + 1)
    page = rows[: query.limit]
    more = len(rows) > len(page)
    return {
        "telemetry": [
            {**_measured(row), "occurred_at": row.occurred_at, "received_at": row.received_at} for row in page
        ],
        "next_cursor": encode_cursor((page[-1].occurred_at - EPOCH) // MICROSECOND) if more else None,
    }


def _measured(row: sa.Row[Any]) -> Json:
    return {
        "boxes": row.boxes,
        "temperature_celsius": row.temperature_celsius,
        "smoke": row.smoke,
        "door": DOORS[row.door_open],
        "scale_zero_grams": row.scale_zero_grams,
        "battery_percent": row.battery_percent,
    }


def alarm_of(row: sa.Row[Any]) -> Json:
    """A schemas.bin_states.Alarm."""
    return {
        "id": row.id,
        "bin_id": row.bin_id,
        "site_id": row.site_id,
        "kind": row.kind,
        "measured": row.measured,
        "opened_at": row.opened_at,
        "closed_at": row.closed_at,
    }
