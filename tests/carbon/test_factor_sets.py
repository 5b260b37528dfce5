import asyncio
import uuid

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.carbon import FactorSetRequest
from service.carbon.choosing import choose_set
from service.carbon.factor_sets import add_set, list_sets, read_set
from service.db import transaction
from service.errors import FactorSetDiffers, FactorSetUnknown, ValidationFailed
from service.tables.carbon import carbon_factor, carbon_factor_set
from tests.carbon.conftest import a_document, a_set
from tests.world import World


async def test_a_set_is_there_whole_and_counts_for_nothing_until_it_is_chosen(
    world: World, engine: AsyncEngine
) -> None:
    sent = a_set("b", plastic=1_600_000, paper=220_000)
    key_id = uuid.uuid4()
    async with transaction(engine) as connection:
        assert await add_set(connection, sent, recorded_by=key_id) is True
        found = await read_set(connection, "b")
        row = (await connection.execute(sa.select(carbon_factor_set))).one()
    assert found.model_dump(exclude={"in_force", "recorded_at", "factors"}) == sent.model_dump(exclude={"factors"})
    assert found.factors == sorted(sent.factors, key=lambda factor: factor.material)
    assert (found.in_force, row.recorded_by) == ([], key_id)


async def test_the_same_set_again_is_recognised_by_its_content(world: World, engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await add_set(connection, a_set(paper=1, plastic=2))
        assert await add_set(connection, a_set(plastic=2, paper=1)) is False
        assert len((await list_sets(connection)).sets) == 1


@pytest.mark.parametrize(
    "other",
    [
        a_document(paper=1),
        a_document(paper=1, plastic=3),
        a_document(paper=1, plastic=2, metal=3),
        a_document(paper=1, plastic=2) | {"source": "another"},
        a_document(paper=1, plastic=2) | {"note": "a note"},
    ],
)
async def test_another_content_under_an_id_is_refused_and_told_what_to_do(
    world: World, engine: AsyncEngine, other: dict[str, object]
) -> None:
    async with transaction(engine) as connection:
        await add_set(connection, a_set(paper=1, plastic=2))
        before = await list_sets(connection)
        with pytest.raises(FactorSetDiffers, match="Give the other one an id of its own"):
            await add_set(connection, FactorSetRequest.model_validate(other))
        assert await list_sets(connection) == before


async def test_two_who_send_one_id_at_once_are_the_first_and_the_refused(world: World, engine: AsyncEngine) -> None:
    async def send(milligrams: int) -> bool | None:
        try:
            async with transaction(engine) as connection:
                return await add_set(connection, a_set(paper=milligrams))
        except FactorSetDiffers:
            return None

    told = await asyncio.gather(*(send(number % 2) for number in range(6)))
    assert sorted(str(each) for each in told) == ["False", "False", "None", "None", "None", "True"]


async def test_nothing_is_written_where_anything_is_wrong(world: World, engine: AsyncEngine) -> None:
    wrong = a_document(paper=1, gold=2)
    wrong["factors"].append(wrong["factors"][0])
    with pytest.raises(ValidationFailed) as caught:
        async with transaction(engine) as connection:
            await add_set(connection, FactorSetRequest.model_validate(wrong))
    assert [(each["pointer"], each["code"]) for each in caught.value.errors] == [
        ("/factors/1/material", "material_unknown"),
        ("/factors/2/material", "repeated"),
    ]
    async with transaction(engine) as connection:
        assert (await list_sets(connection)).sets == []


async def test_a_set_that_is_not_there_is_told_with_those_that_are(world: World, engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        with pytest.raises(FactorSetUnknown, match="There are: none; import one"):
            await read_set(connection, "a")
        await add_set(connection, a_set())
        with pytest.raises(FactorSetUnknown, match=r"There is no factor set b\. There are: a\."):
            await choose_set(connection, "b", effective_from=None, zone="Asia/Shanghai")


@pytest.mark.parametrize("change", ["UPDATE {} SET {} = {}", "DELETE FROM {}"])
@pytest.mark.parametrize(
    ("table", "column"),
    [("carbon_factor_set", "name"), ("carbon_factor", "milligrams_co2e_per_kg"), ("carbon_set_choice", "set_id")],
)
async def test_the_application_changes_nothing_of_them(
    factors: None, engine: AsyncEngine, change: str, table: str, column: str
) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with transaction(engine) as connection:
            await connection.execute(sa.text(change.format(table, column, column)))


async def test_a_factor_below_nothing_cannot_be_stored(factors: None, engine: AsyncEngine) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="ck_carbon_factor_milligrams_co2e_per_kg"):
        async with transaction(engine) as connection:
            await connection.execute(
                sa.insert(carbon_factor).values(
                    set_id="a", material_id="metal", milligrams_co2e_per_kg=-1, stands_for="x"
                )
            )
