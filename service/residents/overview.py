"""What a resident has: coins, what they brought, and what that avoided."""

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.residents import Co2e, Expiring, MaterialWeight, Me
from service.ledger.coin_life import next_expiring
from service.residents import queries
from service.residents.rules import MaterialVolume, avoided_co2e


async def read_overview(connection: AsyncConnection, resident_id: int, *, factor_set: str, zone: str) -> Me:
    """`zone` is where business days begin. To be asked in a snapshot: coins and their ends are read one by one."""
    rows = await queries.overview(connection, resident_id, factor_set=factor_set)
    expiring = await next_expiring(connection, resident_id, rows[0].posted, zone=zone)
    # One row a material; a single row without one where nothing was brought yet.
    brought = [row for row in rows if row.material_id is not None]
    avoided = avoided_co2e(MaterialVolume(row.material_id, row.grams, row.grams_co2e_per_kg) for row in brought)
    return Me(
        resident_id=resident_id,
        kind=rows[0].kind,
        balance_coins=rows[0].posted - rows[0].held,
        held_coins=rows[0].held,
        expiring=None if expiring is None else Expiring(coins=expiring.coins, expires_at=expiring.expires_at),
        lifetime_grams=sum(row.grams for row in brought),
        materials=[
            MaterialWeight(material=row.material_id, name=row.name, name_en=row.name_en, weight_grams=row.grams)
            for row in brought
        ],
        co2e=Co2e(
            grams=avoided.grams,
            factor_set=factor_set,
            materials_without_factor=list(avoided.materials_without_factor),
        ),
        card_count=rows[0].card_count,
    )
