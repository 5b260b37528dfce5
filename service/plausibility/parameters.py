"""What the rules of plausibility can be set to. An unknown name and a number that makes no sense are refused."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.common import MaterialId

MOST = 1_000_000_000
Most = Annotated[int, Field(strict=True, ge=1, le=MOST)]
Grams = Annotated[int, Field(strict=True, ge=0, le=MOST)]


class Parameters(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NoParameters(Parameters):
    """Of a rule that has nothing to set."""


class SmallestLoad(Parameters):
    intervals_min: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 20


class HeavyDrop(Parameters):
    grams_max: Most = 15_000
    # In place of the general one.
    material_grams_max: Annotated[dict[MaterialId, Most], Field(max_length=100)] = {}


class MostByKind(Parameters):
    """The most of a business day, by kind of account; null: as much as they like."""

    resident: Most | None
    trader: Most | None


class HourlyRate(Parameters):
    """The most that one bin takes in an hour."""

    drops_max: Most
    grams_max: Most


class Tolerance(Parameters):
    """Beyond what the scale's readings may err."""

    tolerance_grams: Grams = 0
