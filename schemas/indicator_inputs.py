"""What the indicator is made of: masses and shares with their documents, superseded and never overwritten."""

import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.common import Answer, MaterialId, Request
from schemas.cursors import Cursor, NextCursor
from schemas.patterns import PERIOD, SHA256, one_line, visible

INPUTS_LIMIT_DEFAULT = 50
INPUTS_LIMIT_MAX = 200
# A billion tonnes: far above any city, and all sums stay exact.
GRAMS_MAX = 10**15
PPM_MAX = 10**6

AreaId = Annotated[str, Field(pattern=visible(1, 64), description="Any area of the tree, such as nankai")]
PeriodText = Annotated[
    str,
    Field(
        pattern=PERIOD,
        description="A year, a quarter or a month of the business calendar: 2025, 2025-Q1 or 2025-03",
        examples=["2025", "2025-Q1", "2025-03"],
    ),
]
# What bins weigh is a kind, and nobody records it.
WEIGHED_BY_BINS = "bin_recyclables"


def _recorded(kind: object) -> object:
    if kind == WEIGHED_BY_BINS:
        raise PydanticCustomError(
            "kind_not_recorded", "bin_recyclables is added up by the system from what bins weighed, and is not recorded"
        )
    return kind


InputKind = Annotated[
    Literal[
        "pickup_recyclables",
        "scrap_station_recyclables",
        "other_recyclables",
        "station_recyclables",
        "yard_recyclables",
        "plant_recyclables",
        "yard_rejects",
        "cleared",
        "kitchen_treated",
        "generated",
        "disposed",
        "exported",
        "imported",
        "burned",
        "landfilled",
        "residue_share",
        "burned_factor",
        "kitchen_factor",
        "landfilled_factor",
    ],
    BeforeValidator(_recorded),
    Field(description="`GET /v1/indicator/kinds` explains each, and says where on the way it is weighed"),
]
SourceName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, pattern=one_line(100)),
    Field(description="Who weighed it. The sources of one kind add up, so a mass must come from one of them only"),
]
Grams = Annotated[int, Field(strict=True, ge=0, le=GRAMS_MAX, description="Of a mass; 0 says that there was none")]
Ppm = Annotated[
    int, Field(strict=True, ge=0, le=PPM_MAX, description="Of a share or factor: parts per million, 250000 is 25 %")
]


class SourceDocument(Request):
    """The document that the figure was taken from, so that an auditor finds it again and knows that it is the same."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, pattern=one_line(300))]
    date: Annotated[datetime.date, Field(description="The day that it bears")]
    sha256: Annotated[
        str, StringConstraints(pattern=SHA256, to_lower=True), Field(description="Of the file, in hexadecimal digits")
    ]


class IndicatorInput(Request):
    """A mass or a share with its document. The same area, period, kind, source and material again supersedes what was
    recorded before; with `withdraw` nothing is recorded there any more."""

    area: AreaId
    period: PeriodText
    kind: InputKind
    source: SourceName
    material: MaterialId | None = Field(None, description="Of recyclables that are reported by material")
    grams: Grams | None = None
    ppm: Ppm | None = None
    withdraw: bool = False
    document: SourceDocument = Field(description="Of a correction or a withdrawal: what gives reason for it")

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.grams is not None) + (self.ppm is not None) + self.withdraw != 1:
            raise ValueError("give exactly one of grams, ppm, and withdraw: true")
        return self


class RecordedDocument(Answer):
    name: str
    date: datetime.date | None = Field(description="Null of what was recorded before dates were asked for")
    sha256: str | None


class RecordedInput(Answer):
    """One version of an input; none is ever changed or deleted."""

    id: int
    area: str
    period: str
    kind: str
    source: str
    material: str | None
    version: int = Field(description="From 1 on; the highest counts")
    superseded: bool = Field(description="A later version counts instead of this one")
    grams: int | None = Field(description="Of a mass; null of a share and where the input is withdrawn")
    ppm: int | None
    withdrawn: bool
    entered: str | None = Field(description="The amount as the imported file had it, with its unit")
    document: RecordedDocument
    import_id: str | None = Field(description="The import that it came with")
    recorded_by: str = Field(description="The name on the API key")
    recorded_at: AwareDatetime


class DueLine(Answer):
    kind: str
    area: str
    source: str | None = Field(description="Null where nobody has reported")
    material: str | None
    months: list[str] = Field(description="None of a share, which is missing for a mass")


class InputReceipt(RecordedInput):
    """The version that counts now, and what the request has done to it."""

    effect: Literal["new", "correction", "unchanged", "withdrawal"]
    before_grams: int | None = Field(description="What counted until now of a mass; null where nothing did")
    before_ppm: int | None = Field(description="The same of a share")
    newly_due: list[DueLine] = Field(
        description="Of waste: the months of which the kind was known of the area or of one around it and is not any"
        " more, with who owes them; there is no rate of them until they are recorded. Empty where nothing was known"
    )


class InputsQuery(Request):
    area: AreaId | None = Field(None, description="Inputs of just this area")
    period: PeriodText | None = Field(None, description="Inputs within this period: of 2025, the year and its months")
    kind: InputKind | None = None
    import_id: UUID | None = Field(None, description="Inputs that came with this import")
    limit: Annotated[int, Field(ge=1, le=INPUTS_LIMIT_MAX)] = INPUTS_LIMIT_DEFAULT
    cursor: Cursor | None = None


class RecordedInputs(Answer):
    """Newest first, every version."""

    inputs: list[RecordedInput]
    next_cursor: NextCursor


class KindOfInput(Answer):
    id: str
    unit: Literal["grams", "ppm"]
    counting_point: Literal["bin", "door", "station", "yard", "plant"] | None
    recorded: bool = Field(description="False of what bins weighed, which is added up from weigh events")
    takes_material: bool
    name_zh: str
    name_en: str
    definition_zh: str
    definition_en: str


class WayOfCounting(Answer):
    """Which kinds make up the recyclables R: each stream of them is in exactly one."""

    id: Literal["origin", "station", "yard", "plant"]
    kinds: list[str]


class KindsOfInputs(Answer):
    kinds: list[KindOfInput]
    ways_of_counting: list[WayOfCounting]
