"""What recycling avoided at a site or in an area, in a period."""

from collections import Counter

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.carbon import CarbonAvoided, Co2eBySet, MaterialCo2e, MaterialGrams
from service.carbon import queries
from service.co2e import Weighed, avoided, exact_kg
from service.errors import AreaUnknown, SiteUnknown
from service.periods import Period


async def read_avoided(
    connection: AsyncConnection, *, area_id: str | None, site_id: str | None, period: Period
) -> CarbonAvoided:
    """By the sets in force on each day of the period, of what is folded and not held. To be asked in a snapshot; one of
    `area_id` and `site_id` is None. Raises AreaUnknown or SiteUnknown."""
    place = await queries.read_place(connection, area_id=area_id, site_id=site_id)
    if place is None:
        raise (
            SiteUnknown(f"There is no site {site_id}.")
            if area_id is None
            else AreaUnknown(f"There is no area {area_id}.")
        )
    weighed = await queries.weighed_by_set(
        connection, area_id=area_id, site_id=site_id, first_day=period.first_day, last_day=period.last_day
    )
    total = avoided(weighed)
    grams: Counter[str] = Counter()
    for each in weighed:
        grams[each.material_id] += each.grams
    sets = await queries.read_sets(connection, list(total.by_set))
    return CarbonAvoided(
        area=area_id,
        site=site_id,
        name=place.name,
        name_en=place.name_en,
        period=str(period),
        first_day=period.first_day,
        last_day=period.last_day,
        co2e_kg=exact_kg(total.micrograms),
        weight_grams=grams.total(),
        materials=[MaterialGrams(material=name, weight_grams=grams[name]) for name in sorted(grams)],
        sets=[
            Co2eBySet(
                id=row.id,
                name=row.name,
                name_en=row.name_en,
                source=row.source,
                note=row.note,
                co2e_kg=exact_kg(total.by_set[row.id]),
                materials=[_material(each) for each in weighed if each.set_id == row.id],
            )
            for row in sets
        ],
        without_set=[
            MaterialGrams(material=each.material_id, weight_grams=each.grams) for each in weighed if each.set_id is None
        ],
        materials_without_factor=list(total.materials_without_factor),
    )


def _material(weighed: Weighed) -> MaterialCo2e:
    micrograms = weighed.micrograms_co2e
    return MaterialCo2e(
        material=weighed.material_id,
        weight_grams=weighed.grams,
        milligrams_co2e_per_kg=weighed.milligrams_co2e_per_kg,
        co2e_kg=None if micrograms is None else exact_kg(micrograms),
    )
