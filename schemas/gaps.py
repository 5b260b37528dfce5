"""What operators see of the events that bins counted and that never came."""

from pydantic import AwareDatetime, Field

from schemas.bin_states import PAGE_LIMIT_DEFAULT, BinIdFilter, PageLimit
from schemas.common import Answer, Request
from schemas.cursors import Cursor, NextCursor


class BinGapsQuery(Request):
    open: bool | None = Field(None, description="Only those of which something is missing, or only those that are over")
    limit: PageLimit = PAGE_LIMIT_DEFAULT
    cursor: Cursor | None = None


class GapsQuery(BinGapsQuery):
    bin: BinIdFilter | None = None


class SequenceGap(Answer):
    """Numbers of a bin's count that never came, or came late."""

    id: int
    bin_id: str
    site_id: str
    epoch: int = Field(description="Which count of the bin's: a reset counter begins another")
    first_sequence: int
    last_sequence: int
    missing: int = Field(description="How many events; 0 where none is missing any more")
    missing_since: AwareDatetime = Field(description="When the service learned of it")
    before: AwareDatetime = Field(description="They happened before this: the time of the event that came after")
    closed_at: AwareDatetime | None
    given_up: bool = Field(description="The oldest of more than a hundred open ones: nobody waits for these any more")


class SequenceGaps(Answer):
    """Newest first."""

    gaps: list[SequenceGap]
    next_cursor: NextCursor
