"""Times that people and merchants write."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from schemas.weigh_events import EventTime


def _is_of_this_age(time: datetime) -> datetime:
    # What is far out is a mistake, and some of it no clock can show in another zone.
    if not datetime(2000, 1, 1, tzinfo=UTC) <= time < datetime(2200, 1, 1, tzinfo=UTC):
        raise PydanticCustomError("time_far_away", "A time from 2000 to 2199")
    return time


TimeOfThisAge = Annotated[EventTime, AfterValidator(_is_of_this_age)]
