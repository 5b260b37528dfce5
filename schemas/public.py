"""What is public of the recycling rate: open data for everyone, under CC BY 4.0."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.common import Answer, Request
from schemas.indicator import (
    CountedAt,
    ExactGrams,
    PercentText,
    RateFormula,
    RateText,
    Target,
)
from schemas.indicator_inputs import AreaId

PublicArea = Annotated[
    AreaId | None, Field(description="A district; the one that is set, or the only one, where it is not given")
]
PublicLanguage = Annotated[Literal["zh", "en"], Field(description="zh 中文, en English")]


class PublicPageQuery(Request):
    area: PublicArea = None
    lang: PublicLanguage = "zh"


class PublicJsonQuery(Request):
    area: PublicArea = None


class PublicCsvQuery(PublicJsonQuery):
    pass


class PublicVolumesQuery(Request):
    area: PublicArea = None
    year: Annotated[
        int | None, Field(ge=2000, le=2100, description="The newest that volumes are shown of where it is not given")
    ] = None


class OpenLicense(Answer):
    """Free to use if the source is named."""

    name: str
    name_zh: str
    url: str


class NamedPlace(Answer):
    id: str
    name: str
    name_en: str


class PublicRestated(Answer):
    """The publication that a restatement replaces, and by how much it differs."""

    number: int
    rate_percent: PercentText
    difference_percentage_points: str = Field(description="New less old, with its sign, to four digits")


class PublicFigure(Answer):
    """A published figure of a whole year. It never changes; what restates it is a figure of its own."""

    number: int
    year: int
    rate: RateText
    rate_percent: PercentText
    numerator_grams: ExactGrams
    denominator_grams: ExactGrams
    target_percent: PercentText | None
    formula: str
    formula_version: int
    counted_at: CountedAt
    published_at: AwareDatetime
    digest: str = Field(description="SHA-256 of the record, hexadecimal; an auditor has the record")
    public_record: str | None = Field(
        description="Path of the public record: the record with what bins weighed as one sum of the year; null where it"
        " is withheld, because no month of the year is shown of what bins weighed"
    )
    public_digest_sha256: str | None = Field(
        description="SHA-256 of the public record's bytes, hexadecimal; null where it is withheld"
    )
    restates: PublicRestated | None
    restated_by: int | None = Field(description="Of a figure that no longer stands: the publication that replaces it")


class PublicYearSoFar(Answer):
    """The running year: not reviewed. Without a rate the reasons say what is missing; without a projection, why. To two
    digits, and grams to whole 100 kg, so that who asks every minute sees no single drop."""

    year: int
    period: str = Field(description="The months that are reported")
    provisional: Literal[True] = True
    rate_percent: PercentText | None
    counted_at: CountedAt
    projected_rate_percent: PercentText | None = Field(description="Of the whole year")
    past_years: list[int] = Field(description="Those that it is projected from")
    how_zh: str | None
    how_en: str | None
    needed_grams: int | None = Field(description="Still to be recycled until the year's target is met")
    reason_zh: str | None
    reason_en: str | None


class PublicMonth(Answer):
    """The masses of a month; null where one is not reported. What was cleared holds the kitchen waste that was treated.
    Recyclables are rounded to whole 100 kg, so that who asks every minute sees no single drop."""

    month: str
    recovered_grams: int | None
    kitchen_treated_grams: int | None
    cleared_grams: int | None


class PublicSentence(Answer):
    zh: str
    en: str


class PublicCoverage(Answer):
    """What the rate of the running year needs, and how much of it is reported."""

    months: list[str]
    percent: str = Field(description="Rounded down")
    missing: list[PublicSentence]


class PublicMass(Answer):
    """Null where it is not shown by itself; it is in the figure of an area above, or of all materials."""

    id: str
    name: str
    name_en: str
    grams: int | None


class PublicAreaMass(PublicMass):
    parent: str
    kind: str


class PublicVolumes(Answer):
    """What bins weighed, each month as it was first shown. No figure, and no difference of figures, rests on fewer
    than `drops_min` drops; so parts can be less than their sum."""

    months: list[str]
    drops_min: int
    grams: int
    by_material: list[PublicMass]
    by_area: list[PublicAreaMass]
    years: list[int] = Field(description="Years that volumes.csv has")


class PublicRate(Answer):
    """All that the page /public/recycling-rate shows, as data."""

    license: OpenLicense
    sample: bool = Field(description="True of a demonstration: nothing of it is real")
    area: NamedPlace
    made_on: str = Field(description="Business day")
    formula: RateFormula = Field(description="That of the standing figure, or the one a first will be computed by")
    published: PublicFigure | None = Field(description="The standing figure of the newest published year")
    history: list[PublicFigure] = Field(description="Every published figure of a whole year, newest first")
    year_so_far: PublicYearSoFar
    targets: list[Target] = Field(description="Each year from the first target to the last, linear between them")
    months: list[PublicMonth]
    coverage: PublicCoverage | None
    volumes: PublicVolumes | None
