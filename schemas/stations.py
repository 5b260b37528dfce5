"""Scrap stations (废品回收站): which months they are to report, and what they bought, by material."""

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from schemas.common import Answer, MaterialId, Request
from schemas.cursors import BinCursor, NextBinCursor
from schemas.indicator_inputs import AreaId, Grams, RecordedDocument, SourceDocument
from schemas.patterns import MONTH, PARTNER_ID, one_line

STATIONS_LIMIT_DEFAULT = 50
STATIONS_LIMIT_MAX = 200
WEIGHTS_MAX = 100

StationId = Annotated[str, StringConstraints(pattern=PARTNER_ID)]
ReportMonth = Annotated[str, StringConstraints(pattern=MONTH), Field(description="Such as 2026-10")]
StationName = Annotated[str, StringConstraints(strip_whitespace=True, pattern=one_line(100))]


class NewStation(Request):
    """A scrap station that reports from a month on."""

    id: StationId
    area: AreaId
    name: StationName
    name_en: StationName
    reports_from: ReportMonth


class StationWeight(Request):
    material: MaterialId
    grams: Grams


def _each_material_once(weights: list[StationWeight]) -> list[StationWeight]:
    if len({each.material for each in weights}) < len(weights):
        raise ValueError("give each material once")
    return weights


class StationReport(Request):
    """What a station bought in a month. A material that is left out stays as it was reported; 0 says that none was
    bought. The same month again is a correction."""

    month: ReportMonth
    weights: Annotated[
        list[StationWeight], Field(min_length=1, max_length=WEIGHTS_MAX), AfterValidator(_each_material_once)
    ]
    document: SourceDocument | None = Field(None, description="The station's book; the report itself where none is")


class ReportedWeight(Answer):
    """What a report did to a material."""

    material: str
    grams: int
    before_grams: int | None = Field(description="What counted until then; null where nothing did")
    effect: Literal["new", "correction", "unchanged"]
    version: int


class StationReceipt(Answer):
    month: str
    weights: list[ReportedWeight]
    document: RecordedDocument
    report_text: str = Field(
        description="The report as canonical JSON: of these bytes, in UTF-8, the digest of a report without a document"
        " of its own is made"
    )


class StationMonth(Answer):
    month: str
    state: Literal["reported", "missing"]


class Station(Answer):
    id: str
    name: str
    name_en: str
    area: str
    area_name: str
    area_name_en: str
    reports_from: str
    reports_until: str | None = Field(description="Its last month; null where it has not closed")
    months: list[StationMonth] = Field(description="Those to report that are over, newest first")


class StationsQuery(Request):
    limit: Annotated[int, Field(ge=1, le=STATIONS_LIMIT_MAX)] = STATIONS_LIMIT_DEFAULT
    cursor: BinCursor | None = None


class Stations(Answer):
    """By id."""

    stations: list[Station]
    next_cursor: NextBinCursor


class WeightsQuery(Request):
    month: ReportMonth


class RecordedWeight(Answer):
    material: str | None = Field(description="Null of what an operator recorded for the station without materials")
    grams: int
    version: int
    document: RecordedDocument
    recorded_at: AwareDatetime


class StationWeights(Answer):
    """What counts of a month."""

    month: str
    weights: list[RecordedWeight]


class StationClosing(Request):
    """From the month after on there is nothing to report."""

    reports_until: ReportMonth
