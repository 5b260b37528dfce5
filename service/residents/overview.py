"""What a resident has: coins, what they brought, and what that avoided."""

from collections import Counter
from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.residents import Co2e, Expiring, MaterialWeight, Me, SetCo2e
from service.co2e import MICROGRAMS_PER_GRAM, Weighed, avoided, shown_kg
from service.ledger.coin_life import next_expiring
from service.residents import queries


async def read_overview(connection: AsyncConnection, resident_id: int, *, today: date, zone: str) -> Me:
    """`today` is the business day in `zone`. To be asked in a snapshot: coins and their ends are read one by one."""
    rows = await queries.overview(connection, resident_id, today=today)
    first = rows[0]
    expiring = await next_expiring(connection, resident_id, first.posted, zone=zone)
    # One row a material and factor set; a single row without a material where nothing was brought yet.
    brought = [row for row in rows if row.material_id is not None]
    grams: Counter[str] = Counter()
    for row in brought:
        grams[row.material_id] += row.grams
    names = {row.material_id: (row.name, row.name_en) for row in brought}
    return Me(
        resident_id=resident_id,
        kind=first.kind,
        balance_coins=first.posted - first.held,
        held_coins=first.held,
        expiring=None if expiring is None else Expiring(coins=expiring.coins, expires_at=expiring.expires_at),
        lifetime_grams=grams.total(),
        materials=[
            MaterialWeight(material=material_id, name=name, name_en=name_en, weight_grams=grams[material_id])
            for material_id, (name, name_en) in names.items()
        ],
        co2e=_co2e(first, brought),
        card_count=first.card_count,
    )


def _co2e(first: Any, brought: list[Any]) -> Co2e:
    """What was brought, by the set of its day; and the set of today, also where nothing counts by it yet."""
    total = avoided(
        Weighed(row.set_id or None, row.material_id, row.grams, row.milligrams_co2e_per_kg) for row in brought
    )
    names = {row.set_id: (row.set_name, row.set_name_en) for row in brought if row.set_id}
    if first.todays_id is not None:
        names[first.todays_id] = first.todays_name, first.todays_name_en
    return Co2e(
        grams=total.micrograms // MICROGRAMS_PER_GRAM,
        kg=shown_kg(total.micrograms),
        factor_set=first.todays_id,
        sets=[
            SetCo2e(id=set_id, name=name, name_en=name_en, kg=shown_kg(total.by_set.get(set_id, 0)))
            for set_id, (name, name_en) in sorted(names.items())
        ],
        materials_without_factor=list(total.materials_without_factor),
    )
