"""What operators do to a bin in the field. Everything happens in the caller's transaction."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.fleet import BinMove, BinRecord, MovedBin, ScaleChange, ServiceVisit
from service.db import database_now, violated_constraint
from service.errors import BinNotClaimed, BinStandsThere, BinTimeRefused, SiteUnknown
from service.fleet import queries
from service.fleet.bins import bin_record, lock_living_bin
from service.fleet.changes import BY_COMMAND, By, record
from service.fleet.signing_keys import end_all_keys
from service.fleet.telemetry_queries import close_all_alarms
from service.moments import in_utc
from service.reference import raise_revision


async def suspend_bin(connection: AsyncConnection, bin_id: str, by: By = BY_COMMAND) -> BinRecord:
    """Nothing of this bin is stored by any batch that begins after this is committed; one that is suspended stays so.

    Raises BinUnknown, BinRetired or BinNotClaimed.
    """
    return await _set_state(connection, bin_id, "suspended", by)


async def resume_bin(connection: AsyncConnection, bin_id: str, by: By = BY_COMMAND) -> BinRecord:
    """A suspended bin is active again. Raises BinUnknown, BinRetired or BinNotClaimed."""
    return await _set_state(connection, bin_id, "active", by)


async def _set_state(connection: AsyncConnection, bin_id: str, state: str, by: By) -> BinRecord:
    row = await lock_living_bin(connection, bin_id)
    if row.state == "registered":
        raise BinNotClaimed
    if row.state == state:
        return bin_record(row)
    now = await database_now(connection)
    row = await queries.update_bin(connection, bin_id, state=state)
    await record(connection, bin_id, "suspended" if state == "suspended" else "resumed", by=by, effective_at=now)
    await raise_revision(connection)
    return bin_record(row)


async def retire_bin(connection: AsyncConnection, bin_id: str, by: By) -> BinRecord:
    """For good: all of its keys and alarms end, and nobody can claim it. Raises BinUnknown or BinRetired."""
    await lock_living_bin(connection, bin_id)
    now = await database_now(connection)
    await queries.withdraw_claims(connection, bin_id, now)
    await end_all_keys(connection, bin_id, now, by)
    await close_all_alarms(connection, bin_id, now)
    row = await queries.update_bin(connection, bin_id, state="retired")
    await record(connection, bin_id, "retired", by=by, effective_at=now)
    await raise_revision(connection)
    return bin_record(row)


async def move_bin(connection: AsyncConnection, bin_id: str, move: BinMove, by: By) -> MovedBin:
    """It stands at another site from a moment on that has come. Events that are stored already stay with the site that
    they have, also those that occurred since: the answer counts them.

    Raises BinUnknown, BinRetired, SiteUnknown, BinStandsThere, or BinTimeRefused for a time that is to come or not
    after it was placed where it stands.
    """
    before = await lock_living_bin(connection, bin_id)
    if before.site_id == move.site_id:
        raise BinStandsThere(f"The bin {bin_id} stands at {move.site_id} since {in_utc(before.placed_at)}.")
    moved_at = await _past_moment(connection, move.effective_at, since=before.placed_at)
    try:
        async with connection.begin_nested():
            row = await queries.update_bin(connection, bin_id, site_id=move.site_id, placed_at=moved_at)
    except IntegrityError as error:
        if violated_constraint(error) == "fk_bin_site_id_site":
            raise SiteUnknown(f"There is no site {move.site_id}.") from None
        raise
    await queries.insert_placement(connection, bin_id, move.site_id, moved_at)
    await record(connection, bin_id, "moved", by=by, effective_at=moved_at, subject=move.site_id)
    await raise_revision(connection)
    stored = await queries.count_events_since(connection, bin_id, moved_at)
    return MovedBin(**bin_record(row).model_dump(), stored_events_since=stored)


async def record_visit(connection: AsyncConnection, bin_id: str, visit: ServiceVisit, by: By) -> BinRecord:
    """Somebody was there and set its clock: what it says is from before that is doubted.

    Raises BinUnknown, BinRetired, or BinTimeRefused for a time that is to come or not after the visit before.
    """
    before = await lock_living_bin(connection, bin_id)
    visited_at = await _past_moment(connection, visit.serviced_at, since=before.serviced_at)
    row = await queries.update_bin(connection, bin_id, serviced_at=visited_at)
    await record(connection, bin_id, "serviced", by=by, effective_at=visited_at)
    await raise_revision(connection)
    return bin_record(row)


async def change_scale(connection: AsyncConnection, bin_id: str, change: ScaleChange, by: By) -> BinRecord:
    """Another scale, other boxes, or a new certificate. Raises BinUnknown or BinRetired."""
    await lock_living_bin(connection, bin_id)
    now = await database_now(connection)
    row = await queries.update_bin(connection, bin_id, **change.changes())
    await record(connection, bin_id, "scale", by=by, effective_at=now, subject=_in_words(row))
    await raise_revision(connection)
    return bin_record(row)


async def _past_moment(connection: AsyncConnection, wanted: datetime | None, *, since: datetime | None) -> datetime:
    """`wanted`, or now. Raises BinTimeRefused unless it has come, and is after `since`."""
    now: datetime = await database_now(connection)
    moment = now if wanted is None else wanted
    if moment > now:
        raise BinTimeRefused(f"It is {in_utc(now)} now: what is still to come is written down when it has been done.")
    if since is not None and moment <= since:
        raise BinTimeRefused(f"That is not after {in_utc(since)}, which is written down already.")
    return moment


def _in_words(row: sa.Row[Any]) -> str:
    certificate = "none" if row.certificate_expires_on is None else row.certificate_expires_on.isoformat()
    return (
        f"e {row.verification_interval_grams} g, to {row.capacity_grams} g; box {row.box_capacity_grams} g;"
        f" certificate to {certificate}"
    )
