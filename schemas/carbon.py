"""Carbon factor sets, and the emissions that recycling avoided by them."""

from datetime import date
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.common import Answer, MaterialId, Request
from schemas.indicator_inputs import AreaId, PeriodText
from schemas.patterns import FACTOR_SET_ID, one_line, visible

FACTORS_MAX = 200
# A tonne of CO2e a kilogram: above every method's figure for what cities collect.
MILLIGRAMS_PER_KG_MAX = 10**9

FactorSetId = Annotated[
    str, StringConstraints(pattern=FACTOR_SET_ID), Field(description="Who, which method, which edition: uk.desnz.2025")
]
SetName = Annotated[str, StringConstraints(strip_whitespace=True, pattern=one_line(100))]
ExactKg = Annotated[
    str, Field(pattern=r"^[0-9]+\.[0-9]{9}$", description="Kilograms of CO2e, exact: nothing is rounded")
]
ShownKg = Annotated[
    str, Field(pattern=r"^[0-9]+\.[0-9]{3}$", description="Kilograms of CO2e, rounded down to whole grams")
]
MaterialsWithoutFactor = Annotated[
    list[MaterialId],
    Field(description="Weighed, but not counted, or not all of it: a set has no factor for it, or none was in force"),
]


class Factor(Request):
    """What a kilogram of one material avoids."""

    material: MaterialId
    milligrams_co2e_per_kg: int = Field(
        strict=True,
        ge=0,
        le=MILLIGRAMS_PER_KG_MAX,
        description="Milligrams of CO2e per kilogram collected: 0.22 kg/kg is 220000",
    )
    stands_for: Annotated[str, StringConstraints(strip_whitespace=True, pattern=one_line(200))] = Field(
        description="The row of the method that it is taken from"
    )


class FactorSetRequest(Request):
    """A whole factor set. It never changes: a corrected or newer edition is a set of its own, with an id of its own."""

    id: FactorSetId
    name: SetName = Field(description="In Chinese, as residents read it")
    name_en: SetName = Field(description="In English")
    source: Annotated[str, StringConstraints(strip_whitespace=True, pattern=one_line(300))] = Field(
        description="Who published it, which edition, and where it was taken from"
    )
    note: Annotated[str, StringConstraints(strip_whitespace=True, pattern=one_line(300))] | None = Field(
        None, description="What it counts, or how materials were mapped"
    )
    factors: list[Factor] = Field(min_length=1, max_length=FACTORS_MAX)


class SetInForce(Answer):
    """Business days, both included; a set is in force for the drops that count on them."""

    first_day: date | None = Field(description="null: since ever")
    last_day: date | None = Field(description="null: until another set is chosen")


class FactorSet(Answer):
    id: FactorSetId
    name: str
    name_en: str
    source: str
    note: str | None
    factors: list[Factor]
    in_force: list[SetInForce] = Field(description="When it counts; empty where it was never chosen")
    recorded_at: AwareDatetime


class FactorSets(Answer):
    """All of them, by id."""

    sets: list[FactorSet]


class CarbonQuery(Request):
    """Either an area, with all below it, or a site."""

    area: AreaId | None = None
    site: Annotated[str, Field(pattern=visible(1, 64), description="A site, such as site-1")] | None = None
    period: PeriodText

    @model_validator(mode="after")
    def _is_one_place(self) -> "CarbonQuery":
        if (self.area is None) == (self.site is None):
            raise PydanticCustomError("one_place", "Ask for an area or for a site: one of the two")
        return self


class MaterialGrams(Answer):
    material: MaterialId
    weight_grams: int


class MaterialCo2e(Answer):
    """What was brought of a material while a set was in force."""

    material: MaterialId
    weight_grams: int
    milligrams_co2e_per_kg: int | None = Field(description="The set's factor; null where it has none")
    co2e_kg: ExactKg | None = Field(description="weight_grams x milligrams_co2e_per_kg; null where there is no factor")


class Co2eBySet(Answer):
    """What counts by one set: that which was dropped on the days on which it is in force."""

    id: FactorSetId
    name: str
    name_en: str
    source: str
    note: str | None
    co2e_kg: ExactKg
    materials: list[MaterialCo2e]


class CarbonAvoided(Answer):
    """Emissions that recycling avoided at a site or in an area, of what bins weighed and is not held.

    Sites add up to their area, areas to the one above, months to the year, and sets to the whole, to the last digit.
    """

    area: str | None
    site: str | None
    name: str
    name_en: str
    period: str
    first_day: date
    last_day: date
    co2e_kg: ExactKg
    weight_grams: int
    materials: list[MaterialGrams]
    sets: list[Co2eBySet]
    without_set: list[MaterialGrams] = Field(description="What was dropped on days on which no set is in force")
    materials_without_factor: MaterialsWithoutFactor
