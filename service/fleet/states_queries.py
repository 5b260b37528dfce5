"""SQL of what operators see of bins, one function a statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.bin_states import AlarmsQuery, BinsQuery
from service.tables.bins import bin_, bin_alarm, bin_status, bin_telemetry
from service.tables.places import area, site
from service.tables.weighing import bin_memory

Rows = Sequence[sa.Row[Any]]

IN_THE_FIELD: Final = ("active", "suspended")

_HEARD_AT = sa.func.greatest(bin_status.c.heard_at, bin_memory.c.heard_at)
# Spelled out, so that the index of open alarms is used.
_OPEN = bin_alarm.c.closed_at.is_(None)
_OPEN_KINDS = (
    sa.select(sa.func.array_agg(aggregate_order_by(bin_alarm.c.kind, bin_alarm.c.kind)))
    .where(bin_alarm.c.bin_id == bin_.c.id, _OPEN)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True)
class Limits:
    """When a bin is offline, and how full a box is that wants emptying."""

    offline_after: timedelta
    emptying_percent: int

    @property
    def offline(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            bin_.c.state.in_(IN_THE_FIELD),
            sa.func.coalesce(_HEARD_AT, sa.text("'-infinity'")) < sa.func.now() - self.offline_after,
        )

    @property
    def wants_emptying(self) -> sa.ColumnElement[bool]:
        full = sa.func.coalesce(bin_status.c.fill_percent_max >= self.emptying_percent, sa.false())
        return sa.and_(bin_.c.state.in_(IN_THE_FIELD), full)


def _states(limits: Limits) -> sa.Select[Any]:
    """The columns are the members of schemas.bin_states.BinState, in its words."""
    of = bin_status.c
    return (
        sa.select(
            bin_.c.id,
            bin_.c.state,
            bin_.c.site_id,
            site.c.area_id,
            bin_.c.model,
            limits.offline.label("offline"),
            limits.wants_emptying.label("wants_emptying"),
            sa.func.coalesce(_OPEN_KINDS, sa.text("'{}'::text[]")).label("alarms"),
            _HEARD_AT.label("heard_at"),
            of.occurred_at.label("told_at"),
            of.fill_percent_max.label("fill_percent"),
            of.mass_grams,
            of.boxes,
            of.temperature_celsius,
            of.smoke,
            sa.case((of.door_open, "open"), (sa.not_(of.door_open), "closed")).label("door"),
            of.scale_zero_grams,
            of.battery_percent,
            of.firmware,
            of.clock_skew_seconds,
            sa.func.coalesce(bin_memory.c.gaps_open, 0).label("gaps_open"),
        )
        .join(site, site.c.id == bin_.c.site_id)
        .outerjoin(bin_status, of.bin_id == bin_.c.id)
        .outerjoin(bin_memory, bin_memory.c.bin_id == bin_.c.id)
    )


def _as_json(states: sa.Select[Any]) -> sa.Select[Any]:
    """Each row as its id and a JSON object. A page has a thousand: made here, they would hold all other requests up for
    longer than the database needs to find them."""
    found = states.subquery("found")
    as_text = sa.cast(sa.func.row_to_json(sa.literal_column("found")), sa.Text)
    return sa.select(found.c.id, as_text.label("json")).order_by(found.c.id)


def _below(area_id: str) -> sa.ScalarSelect[str]:
    """Ids of the area and all areas below it."""
    below = sa.select(area.c.id).where(area.c.id == area_id).cte("below", recursive=True)
    below = below.union(sa.select(area.c.id).join(below, area.c.parent_id == below.c.id))
    return sa.select(below.c.id).scalar_subquery()


async def page_of_bins(connection: AsyncConnection, query: BinsQuery, limits: Limits) -> Rows:
    """`id` and `json`, a schemas.bin_states.BinState, of the bins of a page in the order of their ids, and of one more
    where there is one."""
    wanted = _states(limits).order_by(bin_.c.id).limit(query.limit + 1)
    if query.cursor is not None:
        wanted = wanted.where(bin_.c.id > query.cursor)
    for column, value in ((bin_.c.state, query.state), (bin_.c.site_id, query.site), (bin_.c.model, query.model)):
        if value is not None:
            wanted = wanted.where(column == value)
    if query.area is not None:
        wanted = wanted.where(site.c.area_id.in_(_below(query.area)))
    if query.offline is not None:
        wanted = wanted.where(limits.offline.is_(query.offline))
    if query.wants_emptying is not None:
        wanted = wanted.where(limits.wants_emptying.is_(query.wants_emptying))
    if query.alarm is not None:
        alarm = sa.exists().where(bin_alarm.c.bin_id == bin_.c.id, _OPEN)
        wanted = wanted.where(alarm if query.alarm == "any" else alarm.where(bin_alarm.c.kind == query.alarm))
    rows: Rows = (await connection.execute(_as_json(wanted))).all()
    return rows


async def find_state(connection: AsyncConnection, bin_id: str, limits: Limits) -> str | None:
    """A schemas.bin_states.BinState as JSON; None where there is no such bin."""
    row = (await connection.execute(_as_json(_states(limits).where(bin_.c.id == bin_id)))).one_or_none()
    return None if row is None else row.json


async def page_of_alarms(connection: AsyncConnection, query: AlarmsQuery) -> Rows:
    """The alarms of a page, newest first, with where the bin stands, and one more where there is one."""
    wanted = (
        sa.select(bin_alarm, bin_.c.site_id)
        .join(bin_, bin_.c.id == bin_alarm.c.bin_id)
        .order_by(bin_alarm.c.id.desc())
        .limit(query.limit + 1)
    )
    if query.cursor is not None:
        wanted = wanted.where(bin_alarm.c.id < query.cursor)
    if query.open is not None:
        wanted = wanted.where(_OPEN if query.open else bin_alarm.c.closed_at.is_not(None))
    if query.kind is not None:
        wanted = wanted.where(bin_alarm.c.kind == query.kind)
    if query.bin is not None:
        wanted = wanted.where(bin_alarm.c.bin_id == query.bin)
    if query.area is not None:
        wanted = wanted.join(site, site.c.id == bin_.c.site_id).where(site.c.area_id.in_(_below(query.area)))
    return (await connection.execute(wanted)).all()


async def count_bins(connection: AsyncConnection, limits: Limits) -> Rows:
    """By state: `bins`, and how many of them are `offline` and `wanting_emptying`."""
    counted = (
        sa.select(
            bin_.c.state,
            sa.func.count().label("bins"),
            sa.func.count().filter(limits.offline).label("offline"),
            sa.func.count().filter(limits.wants_emptying).label("wanting_emptying"),
        )
        .outerjoin(bin_status, bin_status.c.bin_id == bin_.c.id)
        .outerjoin(bin_memory, bin_memory.c.bin_id == bin_.c.id)
        .group_by(bin_.c.state)
    )
    return (await connection.execute(counted)).all()


async def count_open_alarms(connection: AsyncConnection) -> dict[str, int]:
    """How many alarms are open, by kind; kinds without one are missing."""
    counted = sa.select(bin_alarm.c.kind, sa.func.count().label("open")).where(_OPEN).group_by(bin_alarm.c.kind)
    return {row.kind: row.open for row in await connection.execute(counted)}


async def bin_exists(connection: AsyncConnection, bin_id: str) -> bool:
    return bool((await connection.execute(sa.select(sa.exists().where(bin_.c.id == bin_id)))).scalar_one())


async def page_of_telemetry(connection: AsyncConnection, bin_id: str, *, before: datetime | None, limit: int) -> Rows:
    """The history of a bin, newest first."""
    wanted = (
        sa.select(bin_telemetry)
        .where(bin_telemetry.c.bin_id == bin_id)
        .order_by(bin_telemetry.c.occurred_at.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(bin_telemetry.c.occurred_at < before)
    return (await connection.execute(wanted)).all()
