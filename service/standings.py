"""What is superseded, never edited: which of its rows holds. Pure."""

from collections.abc import Hashable, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Literal, TypeAlias

Standing: TypeAlias = Literal["over", "in force", "to come", "replaced"]


def standings(rows: Sequence[tuple[Hashable, datetime]], at: datetime) -> list[Standing]:
    """What each row is at the moment `at`; of two that begin at the same moment the earlier written is replaced.

    `rows` are (of what, effective from), by what they are of, in the order of time and of writing.
    """
    found: list[Standing] = []
    for (of, begins), following in zip_longest(rows, rows[1:]):
        superseded_at = following[1] if following is not None and following[0] == of else None
        if superseded_at == begins:
            found.append("replaced")
        elif begins > at:
            found.append("to come")
        else:
            found.append("in force" if superseded_at is None or superseded_at > at else "over")
    return found
