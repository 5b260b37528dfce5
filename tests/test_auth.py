"""Who is calling. What a bin's signature must be is tested over HTTP, in weighing/test_refusals.py."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import make_mocked_request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.api_keys import create_api_key
from service.auth import (
    OPERATOR_ROLES,
    Machine,
    Merchant,
    Operator,
    Resident,
    authenticate_merchant,
    authenticate_operator,
    authenticate_resident,
    bearer_token,
)
from service.db import transaction
from service.errors import Forbidden, TokenInvalid
from service.secrets import new_token
from service.tables.people import api_key, session
from tests.world import World, add_shop, open_session

ROLES = sorted(OPERATOR_ROLES)


def token_of(authorization: str | None) -> str:
    headers = {} if authorization is None else {"Authorization": authorization}
    return bearer_token(make_mocked_request("GET", "/", headers=headers))


# -- the header -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_is_what_follows_its_scheme(scheme: str) -> None:
    assert token_of(f"{scheme} tbr_abc") == "tbr_abc"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "tbr_abc", "Basic dXNlcg==", "Bearertbr_abc", "Bearer é", "Bearer " + "a" * 129],
)
def test_anything_else_is_no_token_and_says_how_to_send_one(authorization: str | None) -> None:
    with pytest.raises(TokenInvalid) as caught:
        token_of(authorization)
    assert caught.value.headers == {"WWW-Authenticate": 'Bearer realm="tanbi"'}


# -- residents ------------------------------------------------------------------------------------------------------


async def test_a_session_is_its_residents(world: World, engine: AsyncEngine) -> None:
    token = await open_session(engine, world.resident_id)
    async with engine.connect() as connection:
        assert await authenticate_resident(connection, token, demo=False) == Resident(world.resident_id)


async def test_a_session_that_has_expired_is_no_one(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    token = await open_session(engine, world.resident_id)
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(session).values(expires_at=sa.func.now()))
        with pytest.raises(TokenInvalid):
            await authenticate_resident(connection, token, demo=False)


async def test_a_session_of_the_demo_is_good_in_the_demo_only(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    token = await open_session(engine, world.resident_id)
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(session).values(demo=True))
    async with engine.connect() as connection:
        assert await authenticate_resident(connection, token, demo=True) == Resident(world.resident_id)
        with pytest.raises(TokenInvalid):
            await authenticate_resident(connection, token, demo=False)


# -- merchants and operators ----------------------------------------------------------------------------------------


async def key(engine: AsyncEngine, **changes: Any) -> str:
    async with transaction(engine) as connection:
        return await create_api_key(connection, name="x", **changes)


@pytest.mark.parametrize("role", ROLES)
async def test_each_operators_role_opens_what_it_is_meant_for(engine: AsyncEngine, role: str) -> None:
    token = await key(engine, role=role)
    async with engine.connect() as connection:
        operator = await authenticate_operator(connection, token, demo=False)
        assert operator.role == role
        for wanted in ROLES:
            allowed = frozenset({wanted})
            if wanted == role:
                assert await authenticate_operator(connection, token, allowed, demo=False) == operator
            else:
                with pytest.raises(Forbidden, match=f"the role {wanted}; this one is {role}"):
                    await authenticate_operator(connection, token, allowed, demo=False)


async def test_a_merchants_key_is_no_operators_and_the_other_way_round(world: World, engine: AsyncEngine) -> None:
    merchants, operators = await add_shop(engine), await key(engine, role="admin")
    async with engine.connect() as connection:
        assert await authenticate_merchant(connection, merchants, demo=False) == Merchant("NK-M-01")
        with pytest.raises(Forbidden):
            await authenticate_operator(connection, merchants, demo=False)
        with pytest.raises(Forbidden):
            await authenticate_merchant(connection, operators, demo=False)


Authenticate = Callable[..., Awaitable[object]]


@pytest.mark.parametrize("authenticate", [authenticate_resident, authenticate_merchant, authenticate_operator])
async def test_a_token_of_one_kind_opens_nothing_of_another(
    world: World, engine: AsyncEngine, authenticate: Authenticate
) -> None:
    tokens = {
        authenticate_resident: await open_session(engine, world.resident_id),
        authenticate_merchant: await add_shop(engine),
        authenticate_operator: await key(engine, role="admin"),
    }
    async with engine.connect() as connection:
        for owner, token in tokens.items():
            if owner is authenticate:
                await authenticate(connection, token, demo=False)
                continue
            with pytest.raises((TokenInvalid, Forbidden)):
                await authenticate(connection, token, demo=False)


async def refused(connection: AsyncConnection, token: str, *, demo: bool = False) -> None:
    for authenticate in (authenticate_resident, authenticate_merchant, authenticate_operator):
        with pytest.raises(TokenInvalid):
            await authenticate(connection, token, demo=demo)


async def test_a_key_that_was_never_made_revoked_or_made_for_the_demo_is_refused(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    revoked = await key(engine, role="admin")
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(api_key).values(revoked_at=sa.func.now()))
    of_demo = await key(engine, role="admin", demo=True)
    async with engine.connect() as connection:
        for token in (new_token("tbk"), "tbk_", "x", revoked, revoked[:-1]):
            await refused(connection, token)
            await refused(connection, token, demo=True)
        await refused(connection, of_demo)
        assert (await authenticate_operator(connection, of_demo, demo=True)).role == "admin"


def test_idempotency_keys_of_one_caller_are_never_anothers() -> None:
    key_id = uuid.uuid4()
    actors = [
        Resident(1).actor,
        Merchant("1").actor,
        Machine("1", "1").actor,
        Machine("2", "1").actor,
        Operator(key_id, "admin").actor,
    ]
    assert actors == ["resident:1", "merchant:1", "machine:1", "machine:2", f"key:{key_id}"]
