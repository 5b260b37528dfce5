"""Cursors of lists: opaque to callers, so that what they stand for may change."""

import base64
import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.patterns import PARTNER_ID, STATEMENT_NUMBER

CURSOR_PATTERN = r"^[A-Za-z0-9_-]{11}$"
MOMENT_CURSOR_PATTERN = r"^[A-Za-z0-9_-]{32}$"
# A day, a space and 8 to 70 characters.
STATEMENT_CURSOR_PATTERN = r"^[A-Za-z0-9_-]{26,108}$"
# The id of a bin: 1 to 63 characters.
BIN_CURSOR_PATTERN = r"^[A-Za-z0-9_-]{2,84}$"
_ID_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(NamedTuple):
    """Where a row stands in a list by time: when it was made, and its id among those of the same microsecond."""

    at: datetime
    id: UUID


class StatementPlace(NamedTuple):
    """Where a settlement statement stands in a list by month: the month's first day, and its number."""

    month: date
    number: str


def encode_cursor(last_id: int) -> str:
    """Where the page after the row with this id (0 to 2**63 − 1) begins: 11 characters of base64url."""
    return base64.urlsafe_b64encode(last_id.to_bytes(_ID_BYTES, "big")).decode().rstrip("=")


def decode_cursor(cursor: object) -> int:
    """What encode_cursor was given; whatever it cannot have made is refused."""
    if isinstance(cursor, str) and re.fullmatch(CURSOR_PATTERN[1:-1], cursor):
        last_id = int.from_bytes(base64.urlsafe_b64decode(cursor + "="), "big")
        if last_id < 2**63 and encode_cursor(last_id) == cursor:
            return last_id
    raise _refused()


def encode_moment_cursor(at: datetime, row_id: UUID) -> str:
    """Where the page after the row made then (from 1970 on) with this id begins: 32 characters of base64url."""
    microseconds = (at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(microseconds.to_bytes(_ID_BYTES, "big") + row_id.bytes).decode()


def decode_moment_cursor(cursor: object) -> Moment:
    """What encode_moment_cursor was given; whatever it cannot have made is refused."""
    if isinstance(cursor, str) and re.fullmatch(MOMENT_CURSOR_PATTERN[1:-1], cursor):
        decoded = base64.urlsafe_b64decode(cursor)
        try:
            at = _EPOCH + timedelta(microseconds=int.from_bytes(decoded[:_ID_BYTES], "big"))
        except OverflowError:
            raise _refused() from None
        return Moment(at, UUID(bytes=decoded[_ID_BYTES:]))
    raise _refused()


def encode_statement_cursor(month: date, number: str) -> str:
    """Where the page after the statement of this month and number begins: 26 to 108 characters of base64url."""
    return base64.urlsafe_b64encode(f"{month.isoformat()} {number}".encode()).decode().rstrip("=")


def decode_statement_cursor(cursor: object) -> StatementPlace:
    """What encode_statement_cursor was given; whatever it cannot have made is refused."""
    if isinstance(cursor, str) and re.fullmatch(STATEMENT_CURSOR_PATTERN[1:-1], cursor):
        try:
            month, number = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(" ")
            place = StatementPlace(date.fromisoformat(month), number)
        except ValueError:
            raise _refused() from None
        if re.fullmatch(STATEMENT_NUMBER, number) and encode_statement_cursor(*place) == cursor:
            return place
    raise _refused()


def encode_bin_cursor(bin_id: str) -> str:
    """Where the page after the bin with this id begins: 2 to 84 characters of base64url."""
    return base64.urlsafe_b64encode(bin_id.encode()).decode().rstrip("=")


def decode_bin_cursor(cursor: object) -> str:
    """What encode_bin_cursor was given; whatever it cannot have made is refused."""
    if isinstance(cursor, str) and re.fullmatch(BIN_CURSOR_PATTERN[1:-1], cursor):
        try:
            bin_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        except ValueError:
            raise _refused() from None
        if re.fullmatch(PARTNER_ID, bin_id) and encode_bin_cursor(bin_id) == cursor:
            return bin_id
    raise _refused()


def _refused() -> PydanticCustomError:
    return PydanticCustomError("cursor", "This is no cursor of this list; begin without one, then send next_cursor.")


def _next(pattern: str) -> dict[str, Any]:
    return {
        "anyOf": [{"type": "string", "pattern": pattern}, {"type": "null"}],
        "description": "Send it as cursor for the next page; null on the last one",
    }


def _given(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": pattern, "description": "next_cursor of the page before, unchanged"}


Cursor = Annotated[int, BeforeValidator(decode_cursor), WithJsonSchema(_given(CURSOR_PATTERN))]
NextCursor = Annotated[str | None, WithJsonSchema(_next(CURSOR_PATTERN))]
# Of lists in the order of time, whose rows have UUIDs.
MomentCursor = Annotated[Moment, BeforeValidator(decode_moment_cursor), WithJsonSchema(_given(MOMENT_CURSOR_PATTERN))]
NextMomentCursor = Annotated[str | None, WithJsonSchema(_next(MOMENT_CURSOR_PATTERN))]
# Of settlement statements.
StatementCursor = Annotated[
    StatementPlace, BeforeValidator(decode_statement_cursor), WithJsonSchema(_given(STATEMENT_CURSOR_PATTERN))
]
NextStatementCursor = Annotated[str | None, WithJsonSchema(_next(STATEMENT_CURSOR_PATTERN))]
# Of bins.
BinCursor = Annotated[str, BeforeValidator(decode_bin_cursor), WithJsonSchema(_given(BIN_CURSOR_PATTERN))]
NextBinCursor = Annotated[str | None, WithJsonSchema(_next(BIN_CURSOR_PATTERN))]
