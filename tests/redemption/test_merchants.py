from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.signatures import Algorithm
from service.db import transaction
from service.errors import (
    MachineExists,
    MachineKeyUnknown,
    MachineUnknown,
    MerchantExists,
    MerchantUnknown,
    SiteUnknown,
    TanbiError,
    ValidationFailed,
)
from service.redemption.merchants import (
    ID,
    add_machine,
    add_machine_key,
    add_merchant,
    list_machines,
    list_merchants,
    revoke_machine_key,
    set_merchant,
)
from service.secrets import Keyring
from service.settings import Settings
from service.tables.people import account, machine, merchant
from service.tables.reference import reference_revision
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


async def test_a_machines_first_key_has_its_name_and_later_ones_a_name_no_machine_can_have(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    keyring = Keyring.of(settings)
    await add(engine)
    await add_water(engine)
    async with transaction(engine) as connection:
        for algorithm in (Algorithm.HMAC_SHA256, Algorithm.ED25519):
            await add_machine_key(connection, keyring, machine_id="NK-W-01", algorithm=algorithm)
    async with transaction(engine) as connection:
        for keyid in ("NK-W-01", "NK-W-01"):
            await revoke_machine_key(connection, keyid)
        rows = await list_machines(connection)
        revision = (await connection.execute(sa.select(reference_revision.c.revision))).scalar_one()
    assert [(row.keyid, row.algorithm, row.valid_until is None) for row in rows] == [
        ("NK-W-01", "hmac-sha256", False),
        ("NK-W-01:2", "ed25519", True),
    ]
    assert not ID.fullmatch("NK-W-01:2")
    # Two bins of the world, two keys, a revocation: each process notices.
    assert revision >= 5


async def test_a_key_that_ended_keeps_its_end(world: World, engine: AsyncEngine, settings: Settings) -> None:
    await add(engine)
    await add_water(engine)
    async with transaction(engine) as connection:
        await add_machine_key(connection, Keyring.of(settings), machine_id="NK-W-01", algorithm=Algorithm.ED25519)
    ends = set()
    for _ in range(2):
        async with transaction(engine) as connection:
            await revoke_machine_key(connection, "NK-W-01")
            ends.add((await list_machines(connection))[0].valid_until)
    assert len(ends) == 1


async def test_a_machine_or_key_that_is_not_there_is_named(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    async with engine.connect() as connection:
        with pytest.raises(MachineUnknown, match="NK-W-99"):
            await add_machine_key(connection, Keyring.of(settings), machine_id="NK-W-99", algorithm=Algorithm.ED25519)
        with pytest.raises(MachineKeyUnknown, match="NK-0001"):
            await revoke_machine_key(connection, "NK-0001")


# -- terms ----------------------------------------------------------------------------------------------------------


async def test_a_merchant_holds_coins_for_two_minutes_and_has_no_grace_unless_it_is_said(
    world: World, engine: AsyncEngine
) -> None:
    await add(engine)
    async with transaction(engine) as connection:
        await add_merchant(
            connection,
            merchant_id="NK-M-02",
            name="店",
            name_en="Shop",
            site_id="site-1",
            hold_seconds=86_400,
            capture_grace_seconds=2_592_000,
        )
        await set_merchant(connection, "NK-M-01", hold_seconds=1)
        await set_merchant(connection, "NK-M-01", capture_grace_seconds=60, site_id="site-1")
        rows = await list_merchants(connection)
    assert [(row.id, row.site_id, row.hold_seconds, row.capture_grace_seconds) for row in rows] == [
        ("NK-M-01", "site-1", 1, 60),
        ("NK-M-02", "site-1", 86_400, 2_592_000),
    ]


async def test_the_defaults_are_those_of_the_database(engine: AsyncEngine) -> None:
    await add(engine)
    async with engine.connect() as connection:
        row = (await list_merchants(connection))[0]
    defaults = [merchant.c[name].server_default for name in ("hold_seconds", "capture_grace_seconds")]
    assert [str(default.arg) for default in defaults if isinstance(default, sa.DefaultClause)] == ["120", "0"]
    assert (row.hold_seconds, row.capture_grace_seconds, row.site_id) == (120, 0, None)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({}, ValidationFailed),
        ({"hold_seconds": 0}, ValidationFailed),
        ({"hold_seconds": 86_401}, ValidationFailed),
        ({"capture_grace_seconds": -1}, ValidationFailed),
        ({"capture_grace_seconds": 2_592_001}, ValidationFailed),
        ({"site_id": "site-99"}, SiteUnknown),
        ({"merchant_id": "NK-M-99", "hold_seconds": 60}, MerchantUnknown),
    ],
)
async def test_terms_out_of_bounds_are_refused(
    engine: AsyncEngine, changes: dict[str, Any], failure: type[TanbiError]
) -> None:
    await add(engine)
    with pytest.raises(failure):
        async with transaction(engine) as connection:
            await set_merchant(connection, **{"merchant_id": "NK-M-01", **changes})
