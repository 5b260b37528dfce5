"""What bins of an area weighed, in groups. Whole grams; the groups of an answer add up to its total."""

from typing import Literal

from pydantic import Field

from schemas.common import Answer, Request
from schemas.indicator_inputs import AreaId, PeriodText


class VolumesQuery(Request):
    area: AreaId
    period: PeriodText
    by: Literal["material", "area", "month", "source"] = Field(
        "material",
        description="What the groups are: materials, the areas directly below with all below them, months, or sources",
    )


class VolumeMass(Answer):
    grams: int
    drops: int
    held_grams: int = Field(description="Weighed, but not yet decided on by an operator: not among `grams`")
    held_drops: int


class VolumeGroup(VolumeMass):
    key: str = Field(
        description="A material, an area (the one asked for stands for sites that hang at itself), a month such as"
        " 2025-03, or a source such as bin"
    )
    name: str | None = Field(description="Of a material or an area, in Chinese; null for months and sources")
    name_en: str | None


class AreaVolumes(Answer):
    """The total and what it is made of. Areas and months are listed also where there was nothing; materials and
    sources where there was something."""

    area: str
    area_name: str
    area_name_en: str
    period: str
    by: Literal["material", "area", "month", "source"]
    total: VolumeMass
    groups: list[VolumeGroup]
