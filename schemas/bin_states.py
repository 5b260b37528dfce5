"""What operators see of bins in the field: their states, their alarms, and what they told."""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.common import Answer, MaterialId, Request
from schemas.cursors import BinCursor, Cursor, NextBinCursor, NextCursor
from schemas.fleet import BinLifeState, BinRecord
from schemas.patterns import PARTNER_ID, one_line

PAGE_LIMIT_DEFAULT: Final = 100
PAGE_LIMIT_MAX: Final = 1000

AlarmKindName = Literal["smoke", "heat", "scale_zero", "battery"]
AlarmFilter = Literal["any", "smoke", "heat", "scale_zero", "battery"]
BinIdFilter = Annotated[str, StringConstraints(pattern=PARTNER_ID)]
NameFilter = Annotated[str, StringConstraints(pattern=one_line(100))]
PageLimit = Annotated[int, Field(ge=1, le=PAGE_LIMIT_MAX)]


class BinsQuery(Request):
    """Filters; all that are given hold together."""

    state: BinLifeState | None = None
    offline: bool | None = None
    wants_emptying: bool | None = None
    alarm: AlarmFilter | None = Field(None, description="Bins with an open alarm of this kind")
    site: NameFilter | None = None
    area: NameFilter | None = Field(None, description="The area and all below it")
    model: NameFilter | None = None
    limit: PageLimit = PAGE_LIMIT_DEFAULT
    cursor: BinCursor | None = None


class BoxState(Answer):
    material: MaterialId
    fill_percent: int | None = None
    mass_grams: int | None = None


class Measured(Answer):
    """What a bin told, null where it never did."""

    boxes: list[BoxState] | None
    temperature_celsius: float | None
    smoke: bool | None
    door: Literal["open", "closed"] | None
    scale_zero_grams: int | None = Field(description="What the scale shows with nothing on it")
    battery_percent: int | None


class BinState(Measured):
    """A bin, as far as is known; each figure is the last that it told."""

    id: str
    state: BinLifeState
    site_id: str
    area_id: str
    model: str | None
    offline: bool = Field(description="It is in the field (active or suspended) and was not heard of for 15 minutes")
    wants_emptying: bool = Field(description="It is in the field, and a box is full by 80 % or more")
    alarms: list[AlarmKindName] = Field(description="Those that are open")
    heard_at: AwareDatetime | None = Field(description="When the service last heard of it, by telemetry or any event")
    told_at: AwareDatetime | None = Field(description="The time of its newest telemetry")
    fill_percent: int | None = Field(description="Of its fullest box")
    mass_grams: int | None = Field(description="In all boxes that tell their mass")
    firmware: str | None
    clock_skew_seconds: int | None = Field(description="How far its clock was behind the service's; below 0 ahead")
    gaps_open: int = Field(description="Gaps in the count of its events that are open")


class BinStates(Answer):
    """In the order of their ids."""

    bins: list[BinState]
    next_cursor: NextBinCursor


class Alarm(Answer):
    """What somebody has to look at, until the bin says otherwise."""

    id: int
    bin_id: str
    site_id: str
    kind: AlarmKindName
    measured: float | None = Field(description="Degrees, grams or percent when it opened; null for smoke")
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None


class BinDetail(BinState):
    """A bin with what is open about it, and as it is registered."""

    record: BinRecord
    open_alarms: list[Alarm]


class AlarmsQuery(Request):
    open: bool | None = Field(None, description="Only those that are open, or only those that are over")
    kind: AlarmKindName | None = None
    bin: BinIdFilter | None = None
    area: NameFilter | None = Field(None, description="Of bins in the area and all below it")
    limit: PageLimit = PAGE_LIMIT_DEFAULT
    cursor: Cursor | None = None


class Alarms(Answer):
    """Newest first."""

    alarms: list[Alarm]
    next_cursor: NextCursor


class TelemetryQuery(Request):
    limit: PageLimit = PAGE_LIMIT_DEFAULT
    cursor: Cursor | None = None


class TelemetryRecord(Measured):
    """What a bin was like at a time, as it had told by then."""

    occurred_at: AwareDatetime
    received_at: AwareDatetime


class TelemetryHistory(Answer):
    """Newest first; thinned, and each event that changed an alarm."""

    telemetry: list[TelemetryRecord]
    next_cursor: NextCursor
