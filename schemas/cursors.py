"""Cursors of lists: opaque to callers, so that what they stand for may change."""

import base64
import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

CURSOR_PATTERN = r"^[A-Za-z0-9_-]{11}$"
_ID_BYTES = 8


def encode_cursor(last_id: int) -> str:
    """Where the page after the row with this id (0 to 2**63 − 1) begins: 11 characters of base64url."""
    return base64.urlsafe_b64encode(last_id.to_bytes(_ID_BYTES, "big")).decode().rstrip("=")


def decode_cursor(cursor: object) -> int:
    """What encode_cursor was given; whatever it cannot have made is refused."""
    if isinstance(cursor, str) and re.fullmatch(CURSOR_PATTERN[1:-1], cursor):
        last_id = int.from_bytes(base64.urlsafe_b64decode(cursor + "="), "big")
        if last_id < 2**63 and encode_cursor(last_id) == cursor:
            return last_id
    raise PydanticCustomError("cursor", "This is no cursor of this list; begin without one, then send next_cursor.")


Cursor = Annotated[
    int,
    BeforeValidator(decode_cursor),
    WithJsonSchema(
        {"type": "string", "pattern": CURSOR_PATTERN, "description": "next_cursor of the page before, unchanged"}
    ),
]
NextCursor = Annotated[
    str | None,
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": CURSOR_PATTERN}, {"type": "null"}],
            "description": "Send it as cursor for the next page; null on the last one",
        }
    ),
]
