"""What the rules of plausibility can be set to. An unknown name and a number that makes no sense are refused."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from schemas.common import MaterialId

MOST: Final = 1_000_000_000
MATERIALS_MAX: Final = 100
Most = Annotated[int, Field(strict=True, ge=1, le=MOST)]


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParameters(Parameters):
    """Of a rule that has nothing to set."""


class SmallestLoad(Parameters):
    intervals_min: int = Field(20, strict=True, ge=1, le=10_000, description="Least weight, in the scale's intervals e")


class HeavyDrop(Parameters):
    grams_max: Most = Field(15_000, description="The most that one drop weighs")
    material_grams_max: dict[MaterialId, Most] = Field(
        {}, max_length=MATERIALS_MAX, description="By material, in place of grams_max"
    )


class MostByKind(Parameters):
    resident: Most | None = Field(description="The most of a resident's business day; null for no limit")
    trader: Most | None = Field(description="The most of a trader's business day; null for no limit")


class HourlyRate(Parameters):
    drops_max: Most = Field(description="The most drops of one bin in an hour")
    grams_max: Most = Field(description="The most grams of one bin in an hour")


class Tolerance(Parameters):
    tolerance_grams: int = Field(0, strict=True, ge=0, le=MOST, description="Beyond what the scale's readings may err")
