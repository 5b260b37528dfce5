"""Factor sets: imported whole, never changed."""

from collections import defaultdict
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.carbon import Factor, FactorSet, FactorSetRequest, FactorSets, SetInForce
from service.carbon import queries
from service.carbon.rules import SINCE_EVER, FactorLine, SetNames, digest_of, last_day_of, mistakes_in, spans_of
from service.errors import FactorSetDiffers, FactorSetUnknown
from service.materials import material_names
from service.problems import validation_failed


async def add_set(connection: AsyncConnection, wanted: FactorSetRequest, *, recorded_by: UUID | None = None) -> bool:
    """Write a set down, whole; False, and nothing changed, where the very same is there already.

    Raises ValidationFailed, which names every material that is unknown or there twice, and FactorSetDiffers where the
    id belongs to a set of another content.
    """
    named = [factor.material for factor in wanted.factors]
    mistakes = mistakes_in(named, await material_names(connection))
    if mistakes:
        raise validation_failed(
            [
                {"pointer": f"/factors/{each.position}/{each.field}", "code": each.code, "detail": each.detail}
                for each in mistakes
            ]
        )
    names = SetNames(wanted.id, wanted.name, wanted.name_en, wanted.source, wanted.note)
    factors = [FactorLine(each.material, each.milligrams_co2e_per_kg, each.stands_for) for each in wanted.factors]
    digest = digest_of(names, factors)
    if not await queries.claim_set(connection, names, digest=digest, recorded_by=recorded_by):
        if await queries.read_digest(connection, wanted.id) != digest:
            raise FactorSetDiffers
        return False
    await queries.insert_factors(connection, wanted.id, factors)
    return True


async def list_sets(connection: AsyncConnection) -> FactorSets:
    """All of them with their factors, and when each is in force. To be asked in a snapshot."""
    factors = defaultdict(list)
    for row in await queries.read_factors(connection):
        factors[row.set_id].append(
            Factor.model_construct(
                material=row.material_id,
                milligrams_co2e_per_kg=row.milligrams_co2e_per_kg,
                stands_for=row.stands_for,
            )
        )
    in_force = defaultdict(list)
    for span in spans_of([(row.effective_from, row.set_id) for row in await queries.read_choices(connection)]):
        first_day = None if span.first_day == SINCE_EVER else span.first_day
        in_force[span.set_id].append(SetInForce(first_day=first_day, last_day=last_day_of(span)))
    return FactorSets(
        sets=[
            FactorSet(
                id=row.id,
                name=row.name,
                name_en=row.name_en,
                source=row.source,
                note=row.note,
                factors=factors[row.id],
                in_force=in_force[row.id],
                recorded_at=row.created_at,
            )
            for row in await queries.read_sets(connection)
        ]
    )


async def read_set(connection: AsyncConnection, set_id: str) -> FactorSet:
    """Raises FactorSetUnknown."""
    sets = (await list_sets(connection)).sets
    for each in sets:
        if each.id == set_id:
            return each
    there_are = ", ".join(each.id for each in sets) or "none; import one with `tanbi carbon import`"
    raise FactorSetUnknown(f"There is no factor set {set_id}. There are: {there_are}.")
