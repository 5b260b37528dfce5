"""What each process remembers of bins, keys, materials and tariffs, and how it learns that they changed."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.signatures import Algorithm
from service.app import build_app
from service.db import transaction
from service.errors import KeyUnreadable
from service.fleet.bins import Scale, add_bin
from service.fleet.lifecycle import suspend_bin
from service.redemption.merchants import revoke_machine_key
from service.reference import BinSigner, Reference, raise_revision, read_tariffs
from service.secrets import Keyring
from service.settings import Settings
from service.tables.bins import bin_key
from service.tables.reference import material, tariff
from tests.machine import install_machine
from tests.world import World, add_shop, post, weigh_event

NOW = datetime.now(UTC)


@pytest.fixture
async def reference(world: World, engine: AsyncEngine, settings: Settings) -> Reference:
    reference = Reference(engine, Keyring.of(settings), demo=False)
    await reference.refresh()
    return reference


async def supersede(engine: AsyncEngine, material_id: str, coins_per_kg: int) -> None:
    """A tariff that is in force from now."""
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(tariff).values(material_id=material_id, effective_from=NOW, coins_per_kg=coins_per_kg)
        )
        await raise_revision(connection)


async def test_a_tariff_is_seen_after_a_refresh_and_the_earlier_one_still_holds_for_its_time(
    reference: Reference, engine: AsyncEngine
) -> None:
    before, after = NOW.timestamp() - 1, NOW.timestamp()
    assert reference.tariffs.coins_per_kg("paper", after) == 100
    await supersede(engine, "paper", 130)
    assert reference.tariffs.coins_per_kg("paper", after) == 100
    await reference.refresh()
    assert reference.tariffs.coins_per_kg("paper", after) == 130
    assert reference.tariffs.coins_per_kg("paper", before) == 100


async def test_a_new_material_is_known_after_a_refresh(reference: Reference, engine: AsyncEngine) -> None:
    assert not reference.tariffs.knows("textile")
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(material).values(id="textile", name="织物", name_en="textile"))
        await raise_revision(connection)
    await reference.refresh()
    assert reference.tariffs.knows("textile")
    assert reference.tariffs.coins_per_kg("textile", NOW.timestamp()) is None


async def test_nothing_is_read_again_while_nothing_changed(reference: Reference) -> None:
    tariffs, signer = reference.tariffs, await reference.bins.find("NK-0001")
    await reference.refresh()
    assert reference.tariffs is tariffs
    assert reference.bins.known("NK-0001") is signer


async def test_a_signer_is_looked_up_once_and_then_remembered(world: World, reference: Reference) -> None:
    assert reference.bins.known("NK-0001") is None
    signer = await reference.bins.find("NK-0001")
    assert signer is not None
    assert (signer.bin_id, signer.suspended, signer.key.algorithm) == ("NK-0001", False, Algorithm.ED25519)
    assert signer.key.material == world.ed25519.public_bytes
    assert reference.bins.known("NK-0001") is signer
    assert await reference.bins.find("NK-0001") is signer
    hmac_signer = await reference.bins.find("NK-0002")
    assert hmac_signer is not None
    assert hmac_signer.key.material == world.hmac.secret


async def test_keys_that_are_asked_for_together_are_read_together(
    world: World, engine: AsyncEngine, reference: Reference
) -> None:
    """Among them one that cannot be read, and one that nobody knows."""
    async with transaction(engine) as connection:
        row = {"bin_id": "NK-0001", "algorithm": "hmac-sha256", "key": bytes(60)}
        await connection.execute(sa.insert(bin_key).values(id="NK-0001:2", **row))
    statements: list[str] = []
    sa.event.listen(
        engine.sync_engine, "before_cursor_execute", lambda *arguments: statements.append(str(arguments[2]))
    )
    keyids = ("NK-0001", "NK-0002", "NK-0001", "NK-0001:2", "NK-9999")
    found = await asyncio.gather(*(reference.bins.find(keyid) for keyid in keyids), return_exceptions=True)
    assert len([statement for statement in statements if "bin_key" in statement]) == 1
    assert [signer.bin_id if isinstance(signer, BinSigner) else type(signer) for signer in found] == [
        *("NK-0001", "NK-0002", "NK-0001"),
        *(KeyUnreadable, type(None)),
    ]


async def test_a_database_that_is_away_is_told_to_all_who_ask(reference: Reference, engine: AsyncEngine) -> None:
    async def away(*_: object) -> Any:
        raise ConnectionRefusedError

    read, reference.bins._read = reference.bins._read, away
    found = await asyncio.gather(*(reference.bins.find(f"NK-000{n}") for n in (1, 2)), return_exceptions=True)
    assert [type(error) for error in found] == [ConnectionRefusedError] * 2
    reference.bins._read = read
    assert await reference.bins.find("NK-0001") is not None


async def test_a_machines_key_is_known_apart_from_a_bins_of_the_same_name(
    world: World, reference: Reference, engine: AsyncEngine, settings: Settings
) -> None:
    await add_shop(engine)
    keyring = Keyring.of(settings)
    key = await install_machine(engine, keyring, "NK-0002")
    await install_machine(engine, keyring, "NK-W-01", algorithm=Algorithm.ED25519)
    of_machine, of_bin = await reference.machines.find("NK-0002"), await reference.bins.find("NK-0002")
    assert of_machine is not None
    assert of_bin is not None
    assert (of_machine.machine_id, of_machine.merchant_id, of_machine.key.material) == (
        "NK-0002",
        "NK-M-01",
        key.secret,
    )
    assert (of_bin.bin_id, of_bin.key.material) == ("NK-0002", world.hmac.secret)
    assert reference.machines.known("NK-0002") is of_machine
    assert reference.bins.known("NK-0002") is of_bin
    # Neither kind has the other's.
    assert await reference.bins.find("NK-W-01") is None
    assert await reference.machines.find("NK-0001") is None


async def test_a_machines_key_that_is_revoked_is_seen_after_a_refresh(
    reference: Reference, engine: AsyncEngine, settings: Settings
) -> None:
    await add_shop(engine)
    await install_machine(engine, Keyring.of(settings))
    signer = await reference.machines.find("NK-W-01")
    assert signer is not None
    async with transaction(engine) as connection:
        await revoke_machine_key(connection, "NK-W-01")
    await reference.refresh()
    assert reference.machines.known("NK-W-01") is None
    signer = await reference.machines.find("NK-W-01")
    assert signer is not None
    assert not signer.valid_at(time.time() + 1)


async def test_a_signer_that_nobody_knows_is_not_remembered(
    reference: Reference, engine: AsyncEngine, settings: Settings
) -> None:
    assert await reference.bins.find("NK-0003") is None
    async with transaction(engine) as connection:
        await add_bin(
            connection,
            Keyring.of(settings),
            bin_id="NK-0003",
            site_id="site-1",
            algorithm=Algorithm.ED25519,
            scale=Scale(),
        )
    # No refresh is needed: it was looked for again.
    assert await reference.bins.find("NK-0003") is not None


async def test_a_suspension_is_seen_after_a_refresh(reference: Reference, engine: AsyncEngine) -> None:
    await reference.bins.find("NK-0001")
    async with transaction(engine) as connection:
        await suspend_bin(connection, "NK-0001")
    await reference.refresh()
    assert reference.bins.known("NK-0001") is None
    signer = await reference.bins.find("NK-0001")
    assert signer is not None
    assert signer.suspended


async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    reference: Reference, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    """The look-up waits in the database while the key is changed and the change noticed."""
    async with admin_engine.connect() as blocking:
        await blocking.execute(sa.text("LOCK TABLE bin_key IN ACCESS EXCLUSIVE MODE"))
        looking = asyncio.create_task(reference.bins.find("NK-0001"))
        waiting = sa.text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'bin_key'::regclass)")
        found = False
        while not found:
            async with admin_engine.connect() as connection:
                found = (await connection.execute(waiting)).scalar_one()
        async with transaction(engine) as connection:
            await raise_revision(connection)
        await reference.refresh()
        await blocking.rollback()
    assert await looking is not None
    assert reference.bins.known("NK-0001") is None


async def test_keys_of_the_demo_are_not_there_for_others(
    reference: Reference, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(bin_key).values(demo=True))
    assert await reference.bins.find("NK-0001") is None
    assert await Reference(engine, Keyring.of(settings), demo=True).bins.find("NK-0001") is not None


async def test_a_key_is_good_from_its_first_moment_to_before_its_last(
    reference: Reference, admin_engine: AsyncEngine
) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(bin_key).values(valid_from=NOW, valid_until=NOW + timedelta(hours=1)))
    signer = await reference.bins.find("NK-0002")
    assert signer is not None
    moments = (-1, 0, 3599, 3600)
    assert [signer.valid_at(NOW.timestamp() + moment) for moment in moments] == [False, True, True, False]


async def test_tariffs_of_a_material_that_appears_meanwhile_are_taken_along(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    """The second statement of the reading sees a material that the first did not."""
    async with admin_engine.connect() as blocking, engine.connect() as reading:
        await blocking.execute(sa.text("LOCK TABLE tariff IN ACCESS EXCLUSIVE MODE"))
        task = asyncio.create_task(read_tariffs(reading))
        waiting = sa.text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'tariff'::regclass)")
        found = False
        while not found:
            async with admin_engine.connect() as connection:
                found = (await connection.execute(waiting)).scalar_one()
        await blocking.execute(sa.insert(material).values(id="glass", name="玻璃", name_en="glass"))
        await blocking.execute(sa.insert(tariff).values(material_id="glass", effective_from=NOW, coins_per_kg=30))
        await blocking.commit()
        assert (await task).coins_per_kg("glass", NOW.timestamp()) == 30


async def test_a_running_service_notices_a_new_tariff_by_itself(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    attentive = settings.model_copy(update={"reference_poll_seconds": 0.01})
    async with TestClient(TestServer(build_app(attentive))) as client:
        assert await coins_for_a_kilogram(client, world) == 100
        await supersede(engine, "paper", 130)
        while await coins_for_a_kilogram(client, world) != 130:
            pass


async def coins_for_a_kilogram(client: TestClient[Any, Any], world: World) -> int:
    response = await post(client, world.hmac, weigh_event("NK-0002", weight_grams=1000))
    outcome = (await response.json())["outcomes"][0]
    assert outcome["outcome"] == "credited"
    coins: int = outcome["coins"]
    return coins


async def test_a_key_that_was_stored_under_another_master_key_is_told_to_the_operator(
    world: World, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    other = Reference(engine, Keyring(bytes(32)), demo=False)
    with pytest.raises(KeyUnreadable):
        await other.bins.find("NK-0002")
    assert "TANBI_SECRET_KEY" in caplog.text
    assert await other.bins.find("NK-0001") is not None
