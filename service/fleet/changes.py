"""What was done to a bin, by whom, and why: written down with each change, and read again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import OperatorName
from schemas.cursors import encode_cursor
from schemas.fleet import BinChange, BinHistory, ChangeKind, HistoryQuery
from service.errors import BinUnknown
from service.fleet import queries


@dataclass(frozen=True, slots=True)
class By:
    """Who changes a bin, and why: an operator by their API key, or None for a command on the server and for the bin
    itself."""

    key_id: UUID | None = None
    reason: str | None = None


BY_COMMAND: Final = By()
BY_BIN: Final = By()


async def record(
    connection: AsyncConnection,
    bin_id: str,
    kind: ChangeKind,
    *,
    by: By,
    effective_at: datetime,
    subject: str | None = None,
) -> None:
    """Write a change down, in the transaction that makes it."""
    await queries.insert_change(
        connection,
        bin_id,
        kind,
        effective_at=effective_at,
        subject=subject,
        reason=by.reason,
        changed_by=by.key_id,
    )


async def read_history(connection: AsyncConnection, bin_id: str, query: HistoryQuery) -> BinHistory:
    """One page of what was done to a bin, newest first. Raises BinUnknown."""
    if await queries.find_bin(connection, bin_id) is None:
        raise BinUnknown(f"There is no bin {bin_id}.")
    # One more than is shown tells whether there is a next page.
    rows = await queries.page_of_changes(connection, bin_id, before=query.cursor, limit=query.limit + 1)
    shown = rows[: query.limit]
    return BinHistory(
        changes=[
            BinChange(
                kind=row.kind,
                effective_at=row.effective_at,
                subject=row.subject,
                reason=row.reason,
                changed_by=None
                if row.changed_by is None
                else OperatorName(key_id=row.changed_by, name=row.changer_name or ""),
                created_at=row.created_at,
            )
            for row in shown
        ],
        next_cursor=encode_cursor(shown[-1].id) if len(rows) > query.limit else None,
    )
