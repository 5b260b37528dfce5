"""Bins on the wire as operators set them up and keep them: registered, claimed, moved, served, retired."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.adjustments import Words
from schemas.common import Answer, OperatorName, Request
from schemas.cursors import Cursor, NextCursor
from schemas.patterns import BIN_ID, KEYID, SHA256, one_line, visible
from schemas.signatures import Algorithm
from schemas.weigh_events import EventTime

HISTORY_LIMIT_DEFAULT = 50
HISTORY_LIMIT_MAX = 200

BinId = Annotated[str, StringConstraints(strict=True, pattern=BIN_ID)]
SiteId = Annotated[str, StringConstraints(strict=True, pattern=one_line(100))]
BinModel = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, pattern=one_line(60)),
    Field(description="The maker's name of its kind; firmware is announced by it"),
]
Keyid = Annotated[str, StringConstraints(strict=True, pattern=KEYID)]
IntervalGrams = Annotated[
    int, Field(strict=True, ge=1, le=10_000, description="e of its scale, by OIML R 76: a load below 20 e is no trade")
]
CapacityGrams = Annotated[int, Field(strict=True, ge=1, le=10_000_000, description="The most that its scale weighs")]
BoxGrams = Annotated[int, Field(strict=True, ge=1, le=10_000_000, description="The most that one box holds")]
Day = Annotated[date, Field(strict=True)]
CertificateDay = Annotated[Day, Field(description="The last day on which the scale's certificate is good")]
Reason = Annotated[Words, Field(description="Why, for whoever reads the bin's history")]
BinLifeState = Annotated[
    Literal["registered", "active", "suspended", "retired"],
    Field(description="registered: nobody has claimed it yet; suspended: no drop is taken from it; retired: for good"),
]
ChangeKind = Literal[
    "registered",
    "claim_code",
    "claimed",
    "key_added",
    "key_ended",
    "suspended",
    "resumed",
    "moved",
    "serviced",
    "scale",
    "retired",
]


class NewBin(Request):
    """A bin that will be installed. It signs nothing before it has been claimed."""

    id: BinId = Field(description="For ever; not `me` and not `claim`")
    site_id: SiteId
    model: BinModel | None = None
    verification_interval_grams: IntervalGrams = 10
    capacity_grams: CapacityGrams = 60_000
    box_capacity_grams: BoxGrams = 30_000
    certificate_expires_on: CertificateDay | None = None


class BinReason(Request):
    """Nothing to say but why."""

    reason: Reason


class BinMove(Request):
    """Where the bin stands now."""

    site_id: SiteId
    effective_at: EventTime | None = Field(
        None,
        description="When it was put there, after it was put where it stood before; null: now. Events that are stored"
        " from then on are of the new site by their own time; those that are stored already keep the site they have",
    )
    reason: Reason


class ServiceVisit(Request):
    """Somebody was at the bin: its clock was set, and what it had kept was sent or is lost."""

    serviced_at: EventTime | None = Field(None, description="When, after the visit before; null: now")
    reason: Reason


def _left_out(schema: dict[str, Any]) -> None:
    # What is left out is not changed: no value stands for it.
    del schema["default"]


class ScaleChange(Request):
    """What is left out stays as it is: a new certificate, another scale, other boxes."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"minProperties": 2})

    verification_interval_grams: IntervalGrams = Field(1, json_schema_extra=_left_out)
    capacity_grams: CapacityGrams = Field(1, json_schema_extra=_left_out)
    box_capacity_grams: BoxGrams = Field(1, json_schema_extra=_left_out)
    certificate_expires_on: CertificateDay = Field(date.max, json_schema_extra=_left_out)
    reason: Reason

    @model_validator(mode="after")
    def _changes_something(self) -> "ScaleChange":
        if not self.changes():
            raise PydanticCustomError("nothing_to_change", "Name at least one field to change")
        return self

    def changes(self) -> dict[str, Any]:
        """What was sent, by field."""
        return {name: getattr(self, name) for name in self.model_fields_set if name != "reason"}


class BinRecord(Answer):
    """A bin as it is registered."""

    id: str
    state: BinLifeState
    site_id: str
    placed_at: AwareDatetime = Field(description="Since when it has stood there")
    model: str | None
    verification_interval_grams: int
    capacity_grams: int
    box_capacity_grams: int
    certificate_expires_on: date | None
    serviced_at: AwareDatetime | None = Field(description="The last service visit; null: none yet")
    created_at: AwareDatetime


class MovedBin(BinRecord):
    """The bin where it stands now."""

    stored_events_since: int = Field(
        description="Weigh events from the time of the move on that were stored before it was told: they stay with the"
        " site that the bin stood at before"
    )


class ClaimCode(Answer):
    """A code by which the bin is claimed once. It is not shown again."""

    bin_id: str
    claim_code: str = Field(description="25 letters and digits in groups of five")
    expires_at: AwareDatetime
    qr_svg: str = Field(description="The code as a picture: a QR code, as the text of an SVG document")


class HistoryQuery(Request):
    limit: Annotated[int, Field(ge=1, le=HISTORY_LIMIT_MAX)] = HISTORY_LIMIT_DEFAULT
    cursor: Cursor | None = None


class BinChange(Answer):
    """What was done to a bin, when and by whom."""

    kind: ChangeKind
    effective_at: AwareDatetime = Field(description="From when on it holds")
    subject: str | None = Field(
        description="moved: the site; claimed, key_added, key_ended: the key; scale: what it is now; otherwise null"
    )
    reason: str | None
    changed_by: OperatorName | None = Field(description="Null: the bin itself, or a command on the server")
    created_at: AwareDatetime


class BinHistory(Answer):
    """Newest first."""

    changes: list[BinChange]
    next_cursor: NextCursor


class BinKey(Answer):
    """A key of a bin; never the key itself."""

    keyid: str
    algorithm: Algorithm
    valid_from: AwareDatetime | None = Field(
        description="Null: an HMAC secret that was issued, and that the bin has not confirmed yet"
    )
    valid_until: AwareDatetime | None = Field(description="From then on it is refused; null: no end is set")
    newest: bool = Field(description="The one that makes and ends keys")


class BinKeys(Answer):
    """Oldest first."""

    keys: list[BinKey]


class KeyEnd(Request):
    """A key that is not to be good any more, from now on."""

    keyid: Keyid
    reason: Reason


class FirmwareAnnouncement(Request):
    """What bins are told about their firmware. The newest that is in force for a bin's model counts."""

    model: BinModel | None = Field(None, description="Null: of every model")
    version: Annotated[str, StringConstraints(strict=True, pattern=visible(1, 64))]
    notice: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, pattern=one_line(200))] = Field(
        description="In Chinese"
    )
    notice_en: Annotated[str, StringConstraints(strict=True, strip_whitespace=True, pattern=one_line(200))] = Field(
        description="In English"
    )
    url: Annotated[str, StringConstraints(strict=True, pattern=visible(1, 512))] | None = Field(
        None, description="Where it is, by https; with its sha256"
    )
    sha256: Annotated[str, StringConstraints(strict=True, pattern=SHA256)] | None = Field(
        None, description="Of what is there, in 64 hexadecimal digits"
    )
    effective_from: EventTime | None = Field(None, description="Null: from now on")

    @model_validator(mode="after")
    def _can_be_checked(self) -> "FirmwareAnnouncement":
        if (self.url is None) != (self.sha256 is None):
            raise PydanticCustomError("url_and_sha256", "Send url and sha256 together, or neither")
        if self.url is not None and not self.url.startswith("https://"):
            raise PydanticCustomError("url_not_https", "The url must begin with https://")
        return self


class FirmwareNotice(Answer):
    """What bins are told about their firmware."""

    version: str
    notice: str
    notice_en: str
    url: str | None
    sha256: str | None
    effective_from: AwareDatetime


class AnnouncedFirmware(FirmwareNotice):
    """As it was announced."""

    model: str | None = Field(description="Null: for every model")
    created_at: AwareDatetime


class FirmwareQuery(Request):
    limit: Annotated[int, Field(ge=1, le=HISTORY_LIMIT_MAX)] = HISTORY_LIMIT_DEFAULT
    cursor: Cursor | None = None


class FirmwareNotices(Answer):
    """Newest first; of one model, the first that is in force counts."""

    notices: list[AnnouncedFirmware]
    next_cursor: NextCursor
