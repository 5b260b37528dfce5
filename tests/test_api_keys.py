import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import create_api_key, revoke_api_key
from service.auth import Merchant, authenticate_merchant, authenticate_operator
from service.db import transaction
from service.errors import ApiKeyUnknown, MerchantUnknown, TanbiError, TokenInvalid, ValidationFailed
from service.redemption.merchants import add_merchant
from service.tables.people import api_key
from tests.world import World


@pytest.fixture
async def shop(world: World, engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await add_merchant(connection, merchant_id="NK-M-01", name="店", name_en="Shop")


async def test_an_operators_key_is_accepted_and_only_its_hash_is_stored(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        secret = await create_api_key(connection, role="operator", name="Ms Li")
    assert secret.startswith("tbk_")
    async with engine.connect() as connection:
        assert (await authenticate_operator(connection, secret, demo=False)).role == "operator"
        row = (await connection.execute(sa.select(api_key))).one()
    assert secret not in str(tuple(row))


@pytest.mark.usefixtures("shop")
async def test_a_merchants_key_speaks_for_the_merchant(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        till = await create_api_key(connection, role="merchant", name="till", merchant_id="NK-M-01")
        assert await authenticate_merchant(connection, till, demo=False) == Merchant("NK-M-01")


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"role": "merchant"}, ValidationFailed),
        ({"role": "admin", "merchant_id": "NK-M-01"}, ValidationFailed),
        ({"role": "merchant", "merchant_id": "NK-M-99"}, MerchantUnknown),
        ({"role": "admin", "name": ""}, ValidationFailed),
        ({"role": "admin", "name": "Ms Li\u200b"}, ValidationFailed),
    ],
)
async def test_a_key_that_fits_no_one_is_refused(
    engine: AsyncEngine, changes: dict[str, Any], failure: type[TanbiError]
) -> None:
    with pytest.raises(failure):
        async with transaction(engine) as connection:
            await create_api_key(connection, **({"name": "x"} | changes))


async def test_a_revoked_key_is_refused_and_keeps_the_time_it_was_revoked(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        secret = await create_api_key(connection, role="viewer", name="screen")
        row = (await connection.execute(sa.select(api_key.c.id))).one()
    times = []
    for _ in range(2):
        async with transaction(engine) as connection:
            await revoke_api_key(connection, row.id)
            times.append((await connection.execute(sa.select(api_key.c.revoked_at))).scalar_one())
    assert times[0] == times[1]
    async with engine.connect() as connection:
        with pytest.raises(TokenInvalid):
            await authenticate_operator(connection, secret, demo=False)


async def test_a_key_that_nobody_has_cannot_be_revoked(engine: AsyncEngine) -> None:
    with pytest.raises(ApiKeyUnknown):
        async with transaction(engine) as connection:
            await revoke_api_key(connection, uuid.uuid4())


async def test_a_key_of_the_demo_is_refused_by_a_service_that_does_not_run_as_one(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        secret = await create_api_key(connection, role="admin", name="demo", demo=True)
        assert (await authenticate_operator(connection, secret, demo=True)).role == "admin"
        with pytest.raises(TokenInvalid):
            await authenticate_operator(connection, secret, demo=False)
