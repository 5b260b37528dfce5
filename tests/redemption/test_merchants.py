import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.errors import MachineExists, MerchantExists, MerchantUnknown, SiteUnknown, TanbiError, ValidationFailed
from service.redemption.merchants import add_machine, add_merchant
from service.tables import account, machine, merchant
from tests.world import World


async def add(engine: AsyncEngine, merchant_id: str = "NK-M-01") -> None:
    async with transaction(engine) as connection:
        await add_merchant(connection, merchant_id=merchant_id, name="学府便利店", name_en="Xuefu Store")


async def add_water(
    engine: AsyncEngine, *, machine_id: str = "NK-W-01", merchant_id: str = "NK-M-01", site_id: str = "site-1"
) -> None:
    async with transaction(engine) as connection:
        await add_machine(connection, machine_id=machine_id, merchant_id=merchant_id, site_id=site_id, kind="water")


async def test_a_merchant_has_an_account_of_its_own(engine: AsyncEngine) -> None:
    await add(engine, "NK-M-01")
    await add(engine, "NK-M-02")
    async with engine.connect() as connection:
        rows = (
            await connection.execute(
                sa.select(merchant.c.id, account.c.kind, account.c.id)
                .join(account, account.c.id == merchant.c.account_id)
                .order_by(merchant.c.id)
            )
        ).all()
    assert [(row[0], row[1]) for row in rows] == [("NK-M-01", "merchant"), ("NK-M-02", "merchant")]
    assert rows[0][2] != rows[1][2]


async def test_a_second_merchant_of_an_id_is_refused_and_leaves_no_account(engine: AsyncEngine) -> None:
    await add(engine)
    with pytest.raises(MerchantExists, match="NK-M-01"):
        await add(engine)
    async with engine.connect() as connection:
        accounts = sa.select(sa.func.count()).where(account.c.kind == "merchant")
        assert (await connection.execute(accounts)).scalar_one() == 1


@pytest.mark.parametrize("merchant_id", ["", "-a", "a/b", "a b", "店", "a" * 64, "a\n"])
async def test_an_id_that_cannot_stand_in_a_request_is_refused(engine: AsyncEngine, merchant_id: str) -> None:
    with pytest.raises(ValidationFailed, match="merchant's id"):
        await add(engine, merchant_id)


async def test_a_machine_belongs_to_a_merchant_and_stands_at_a_site(world: World, engine: AsyncEngine) -> None:
    await add(engine)
    await add_water(engine)
    async with engine.connect() as connection:
        row = (await connection.execute(sa.select(machine))).one()
    assert tuple(row) == ("NK-W-01", "NK-M-01", "site-1", "water")


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({}, MachineExists),
        ({"machine_id": "NK-W-02", "merchant_id": "NK-M-99"}, MerchantUnknown),
        ({"machine_id": "NK-W-02", "site_id": "site-99"}, SiteUnknown),
        ({"machine_id": "a b"}, ValidationFailed),
    ],
)
async def test_a_machine_that_does_not_fit_is_refused(
    world: World, engine: AsyncEngine, changes: dict[str, str], failure: type[TanbiError]
) -> None:
    await add(engine)
    await add_water(engine)
    with pytest.raises(failure):
        await add_water(engine, **changes)


async def test_a_key_of_one_merchant_for_anothers_machine_is_refused_by_the_database(
    world: World, engine: AsyncEngine
) -> None:
    await add(engine, "NK-M-01")
    await add(engine, "NK-M-02")
    await add_water(engine)
    with pytest.raises(IntegrityError, match="fk_api_key_machine_id_machine"):
        async with transaction(engine) as connection:
            await connection.execute(
                sa.text(
                    "INSERT INTO api_key (key_hash, role, name, merchant_id, machine_id)"
                    " VALUES ('x', 'merchant', 'x', 'NK-M-02', 'NK-W-01')"
                )
            )
