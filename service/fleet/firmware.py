"""What bins are told about their firmware: announced, never changed."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import encode_cursor
from schemas.fleet import AnnouncedFirmware, FirmwareAnnouncement, FirmwareNotices, FirmwareQuery
from service.fleet import queries


async def announce_firmware(connection: AsyncConnection, wanted: FirmwareAnnouncement) -> AnnouncedFirmware:
    """Bins of the model hear of it with their next configuration, from its time on."""
    row = await queries.insert_firmware_notice(
        connection,
        model=wanted.model,
        version=wanted.version,
        notice=wanted.notice,
        notice_en=wanted.notice_en,
        url=wanted.url,
        sha256=None if wanted.sha256 is None else bytes.fromhex(wanted.sha256),
        effective_from=wanted.effective_from or datetime.now(UTC),
    )
    return _announced(row)


async def read_firmware_notices(connection: AsyncConnection, query: FirmwareQuery) -> FirmwareNotices:
    """One page, newest first."""
    # One more than is shown tells whether there is a next page.
    rows = await queries.page_of_firmware_notices(connection, before=query.cursor, limit=query.limit + 1)
    shown = rows[: query.limit]
    return FirmwareNotices(
        notices=[_announced(row) for row in shown],
        next_cursor=encode_cursor(shown[-1].id) if len(rows) > query.limit else None,
    )


def _announced(row: Any) -> AnnouncedFirmware:
    return AnnouncedFirmware(
        model=row.model,
        version=row.version,
        notice=row.notice,
        notice_en=row.notice_en,
        url=row.url,
        sha256=None if row.sha256 is None else row.sha256.hex(),
        effective_from=row.effective_from,
        created_at=row.created_at,
    )
