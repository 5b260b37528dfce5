"""Settings, privileges and constraints that the invariants rest on."""

import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service.db import connect_arguments
from service.embedded import EmbeddedPostgres
from service.settings import Settings
from service.tables.columns import metadata
from service.verifying.check import run_check
from service.verifying.verify import CHECKS
from tests.conftest import admin_execute
from tests.verifying.city import City
from tests.verifying.damage import TIMEZONE, Damage, as_superuser, assert_noticed, breaches, breaches_after


async def test_a_connection_without_durable_commits_is_noticed(city: City, settings: Settings) -> None:
    arguments = connect_arguments(settings)
    arguments["server_settings"]["synchronous_commit"] = "off"
    assert settings.database_url
    engine = create_async_engine(settings.database_url, connect_args=arguments)
    try:
        found = await breaches(engine, settings)
    finally:
        await engine.dispose()
    assert set(found) == {"commits_are_durable"}
    assert found["commits_are_durable"].rows == [{"setting": "synchronous_commit", "value": "off"}]


async def test_a_server_that_may_tear_pages_is_noticed(
    city: City, postgres: EmbeddedPostgres, engine: AsyncEngine, settings: Settings
) -> None:
    await admin_execute(postgres, "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")
    try:
        # The server reads its configuration a moment after it was told to.
        while not (found := await breaches(engine, settings)):
            pass
    finally:
        await admin_execute(postgres, "ALTER SYSTEM RESET full_page_writes", "SELECT pg_reload_conf()")
    assert set(found) == {"commits_are_durable"}
    assert found["commits_are_durable"].rows == [{"setting": "full_page_writes", "value": "off"}]
    while await breaches(engine, settings):
        pass


@pytest.mark.parametrize("table", ["transfer", "indicator_input"])
@pytest.mark.parametrize("privilege", ["UPDATE", "UPDATE (id)", "DELETE", "TRUNCATE"])
async def test_a_privilege_to_change_what_is_only_added_is_noticed(
    superuser: AsyncEngine, table: str, privilege: str
) -> None:
    found = await breaches_after(superuser, f"GRANT {privilege} ON {table} TO tanbi_app")
    check = "transfers_cannot_be_changed" if table == "transfer" else "inputs_cannot_be_changed"
    assert set(found) == {check}
    word = privilege.removesuffix(" (id)")
    # The application logs in as tanbi, who is a member of tanbi_app.
    assert found[check].rows == [{"role_name": "tanbi", "may": word}, {"role_name": "tanbi_app", "may": word}]


OTHERS = "records_cannot_be_changed"
ALL = "UPDATE, DELETE, TRUNCATE"
# What is never changed, and then what is changed in part.
RECORDS = (
    *(
        "settlement_statement",
        "settlement_line",
        "merchant_rate",
        "spending_limit",
        "coin_life",
        "tariff",
        "redemption",
    ),
    *("carbon_factor_set", "carbon_factor", "carbon_set_choice"),
    *("hold_resolution", "uncovered_capture", "idempotency_key", "weigh_event_conflict", "webhook_attempt", "account"),
)
GRANTED = (
    ("DELETE", "settlement_line", "DELETE"),
    ("UPDATE (fen_per_1000_coins)", "merchant_rate", "UPDATE (fen_per_1000_coins)"),
    ("UPDATE", "hold", "UPDATE (owner_id, redemption_id, coins, held_at, expires_at)"),
    ("UPDATE (coins)", "weigh_event", "UPDATE (coins)"),
    ("UPDATE", "merchant_day", "UPDATE (merchant_id, day)"),
    ("DELETE", "wallet", "DELETE"),
    (ALL, "volume", "DELETE, TRUNCATE"),
)


async def test_a_privilege_to_change_what_else_is_recorded_is_noticed(superuser: AsyncEngine) -> None:
    [check] = [check for check in CHECKS if check.name == OTHERS]

    async def found_after(connection: AsyncConnection, grant: str) -> list[dict[str, Any]]:
        async with connection.begin_nested() as undone:
            await connection.exec_driver_sql(f"GRANT {grant} TO tanbi_app")
            await connection.exec_driver_sql("SET LOCAL ROLE tanbi")
            rows = (await run_check(connection, check, timezone=TIMEZONE)).rows
            await undone.rollback()
        return rows

    async with superuser.connect() as connection:
        for table in RECORDS:
            rows = await found_after(connection, f"{ALL} ON {table}")
            assert [(row["relation_name"], row["role_name"]) for row in rows] == [
                (table, "tanbi"),
                (table, "tanbi_app"),
            ]
            for row in rows:
                said = re.fullmatch(r"UPDATE \((.*)\), DELETE, TRUNCATE", row["may"])
                assert said is not None
                assert set(said[1].split(", ")) == set(metadata.tables[table].columns.keys())
        for privilege, table, may in GRANTED:
            assert await found_after(connection, f"{privilege} ON {table}") == [
                {"relation_name": table, "role_name": role_name, "may": may} for role_name in ("tanbi", "tanbi_app")
            ]


@pytest.fixture
async def keeper(postgres: EmbeddedPostgres, admin_engine: AsyncEngine) -> AsyncIterator[str]:
    """A role that the application could become, though it does not inherit its privileges."""
    name = f"keeper_{uuid.uuid4().hex}"
    await admin_execute(postgres, f"CREATE ROLE {name}", f"ALTER ROLE tanbi NOINHERIT; GRANT {name} TO tanbi")
    yield name
    await as_superuser(admin_engine, f"REASSIGN OWNED BY {name} TO postgres", f"DROP OWNED BY {name}")
    await admin_execute(postgres, "ALTER ROLE tanbi INHERIT", f"DROP ROLE {name}")


async def test_a_privilege_of_a_role_that_can_be_taken_on_is_noticed(
    city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings, keeper: str
) -> None:
    await as_superuser(admin_engine, f"GRANT DELETE ON transfer TO {keeper}")
    found = await breaches(engine, settings)
    assert set(found) == {"transfers_cannot_be_changed"}
    assert {"role_name": keeper, "may": "DELETE"} in found["transfers_cannot_be_changed"].rows


async def test_a_membership_in_the_owner_is_noticed(
    city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings, keeper: str
) -> None:
    await as_superuser(admin_engine, f"ALTER TABLE transfer OWNER TO {keeper}")
    await as_superuser(admin_engine, f"REVOKE ALL ON transfer FROM {keeper}")
    found = await breaches(engine, settings)
    assert found["transfers_cannot_be_changed"].rows == [{"role_name": keeper, "may": "everything, as the owner"}]


async def test_a_service_that_runs_as_superuser_is_noticed(
    city: City, admin_engine: AsyncEngine, settings: Settings
) -> None:
    found = await breaches(admin_engine, settings)
    assert set(found) == {"transfers_cannot_be_changed", "inputs_cannot_be_changed", OTHERS}
    for result in found.values():
        superuser = {"role_name": "postgres", "may": "everything, as a superuser"}
        assert any(superuser.items() <= row.items() for row in result.rows)


IN_PLACE = "constraints_are_in_place"
DAMAGES = {
    "a check that was dropped": Damage(
        IN_PLACE,
        ("ALTER TABLE transfer DROP CONSTRAINT ck_transfer_coins",),
        {"relation": "transfer", "name": "ck_transfer_coins", "problem": "missing"},
    ),
    "a check that was not checked against the rows": Damage(
        IN_PLACE,
        (
            "ALTER TABLE wallet DROP CONSTRAINT ck_wallet_available",
            "ALTER TABLE wallet ADD CONSTRAINT ck_wallet_available CHECK (posted >= held) NOT VALID",
        ),
        {"relation": "wallet", "name": "ck_wallet_available", "problem": "not valid"},
    ),
    "a primary key that was dropped": Damage(
        IN_PLACE,
        ("ALTER TABLE weigh_event DROP CONSTRAINT pk_weigh_event",),
        {"relation": "weigh_event", "name": "pk_weigh_event", "problem": "missing"},
    ),
    "an index that is no longer unique": Damage(
        IN_PLACE,
        (
            "DROP INDEX uq_transfer_reverses",
            "CREATE INDEX uq_transfer_reverses ON transfer (owner_id, reverses_id)",
        ),
        {"relation": "transfer", "name": "uq_transfer_reverses", "problem": "not valid"},
    ),
    "a constraint of that name on another table": Damage(
        IN_PLACE,
        (
            "ALTER TABLE redemption DROP CONSTRAINT ck_redemption_coins",
            "ALTER TABLE wallet ADD CONSTRAINT ck_redemption_coins CHECK (posted >= 0)",
        ),
        {"relation": "redemption", "name": "ck_redemption_coins", "problem": "missing"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_guard_that_is_gone_is_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
