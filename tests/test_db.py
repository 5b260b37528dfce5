"""Connections, transactions, and what a database error means."""

import os
import signal

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import (
    DatabaseNotConfigured,
    Writers,
    create_engine,
    is_lost_connection,
    is_poison,
    is_retryable,
    snapshot,
    sqlstate,
    transaction,
    violated_constraint,
)
from service.settings import Settings
from service.tables.places import area


async def test_every_commit_of_the_service_is_durable_and_every_statement_ends(
    engine: AsyncEngine, settings: Settings
) -> None:
    async with engine.connect() as connection:
        shown = {
            name: (await connection.execute(sa.text(f"SHOW {name}"))).scalar_one()
            for name in ("synchronous_commit", "timezone", "statement_timeout", "lock_timeout")
        }
    assert shown == {
        "synchronous_commit": "on",
        "timezone": "UTC",
        "statement_timeout": "15s",
        "lock_timeout": "7500ms",
    }
    writers = Writers(settings)
    async with writers.connection() as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW statement_timeout") == "15s"
    writers.close()


def test_without_a_database_there_is_no_engine() -> None:
    with pytest.raises(DatabaseNotConfigured, match="TANBI_DATABASE_URL"):
        create_engine(Settings(database_url=None))
    with pytest.raises(DatabaseNotConfigured):
        Writers(Settings(database_url=None))


async def test_a_transaction_that_fails_leaves_nothing(engine: AsyncEngine) -> None:
    city = {"id": "tianjin", "kind": "city", "name": "天津", "name_en": "Tianjin"}

    async def insert_and_fail() -> None:
        async with transaction(engine) as connection:
            await connection.execute(sa.insert(area).values(city))
            raise KeyError

    with pytest.raises(KeyError):
        await insert_and_fail()
    async with transaction(engine) as connection:
        assert (await connection.execute(sa.select(area))).all() == []


async def test_a_snapshot_sees_one_moment_and_writes_nothing(engine: AsyncEngine) -> None:
    counting = sa.select(sa.func.count()).select_from(area)
    insert = sa.insert(area).values(id="tianjin", kind="city", name="天津", name_en="Tianjin")
    async with snapshot(engine) as reading:
        assert (await reading.execute(counting)).scalar_one() == 0
        async with transaction(engine) as writing:
            await writing.execute(insert)
        assert (await reading.execute(counting)).scalar_one() == 0
    with pytest.raises(DBAPIError) as caught:
        async with snapshot(engine) as reading:
            await reading.execute(insert)
    assert sqlstate(caught.value) == "25006"


async def test_a_writer_is_used_again_unless_it_failed(settings: Settings) -> None:
    writers = Writers(settings)
    async with writers.connection() as first:
        assert (writers.used, writers.idle) == (1, 0)
    async with writers.connection() as second:
        assert second is first
        async with writers.connection() as other:
            assert other is not first
    assert (writers.used, writers.idle) == (0, 2)
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with writers.connection() as failing:
            await failing.execute("SELECT 1/0")
    assert failing.is_closed()
    assert (writers.used, writers.idle) == (0, 1)
    writers.close()
    assert writers.idle == 0


async def test_a_server_process_that_hangs_is_given_up(settings: Settings) -> None:
    """Whoever stops answering, it or the network: the time-out that the server was given cannot help then."""
    writers = Writers(settings.model_copy(update={"statement_timeout_seconds": 0.1}))
    async with writers.connection() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError) as caught:
            async with writers.connection() as hanging:
                await hanging.execute("SELECT 1")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert is_retryable(caught.value)
    assert writers.idle == 0
    async with writers.connection() as another:
        assert await another.fetchval("SELECT pg_backend_pid()") != pid
    writers.close()


async def failure(engine: AsyncEngine, statement: str) -> DBAPIError:
    with pytest.raises(DBAPIError) as caught:
        async with transaction(engine) as connection:
            await connection.exec_driver_sql(statement)
    return caught.value


@pytest.mark.parametrize(
    ("raise_", "retryable", "poison", "lost"),
    [
        ("08006", True, False, True),
        ("57P01", True, False, True),
        ("57P03", True, False, True),
        ("53300", True, False, True),
        ("25006", True, False, True),
        ("40001", True, False, False),
        ("40P01", True, False, False),
        ("55P03", True, False, False),
        ("57014", True, False, False),
        ("22003", False, True, False),
        ("22021", False, True, False),
        ("23505", False, True, False),
        ("23514", False, True, False),
        ("42P01", False, False, False),
        ("53100", False, False, False),
        ("XX000", False, False, False),
    ],
)
async def test_what_an_error_means_is_told_by_its_sqlstate(
    engine: AsyncEngine, settings: Settings, raise_: str, retryable: bool, poison: bool, lost: bool
) -> None:
    statement = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{raise_}'; END $$"
    errors: list[BaseException] = [await failure(engine, statement)]
    writers = Writers(settings)
    with pytest.raises(asyncpg.PostgresError) as caught:
        async with writers.connection() as connection:
            await connection.execute(statement)
    errors.append(caught.value)
    for error in errors:
        assert sqlstate(error) == raise_
        assert (is_retryable(error), is_poison(error), is_lost_connection(error)) == (retryable, poison, lost)


async def test_a_statement_that_took_too_long_may_be_sent_again(settings: Settings) -> None:
    hurried = create_engine(settings.model_copy(update={"statement_timeout_seconds": 0.01}))
    error = await failure(hurried, "SELECT pg_sleep(60)")
    assert sqlstate(error) == "57014"
    assert is_retryable(error)
    await hurried.dispose()


async def test_a_connection_that_was_cut_is_lost(engine: AsyncEngine, settings: Settings) -> None:
    error = await failure(engine, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert is_lost_connection(error)
    assert not is_poison(error)


async def test_a_server_that_is_not_there_is_lost(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"database_url": "postgresql+asyncpg://tanbi@127.0.0.1:1/tanbi"})
    engine = create_engine(nowhere)
    for connecting in (engine.connect(), Writers(nowhere).connection()):
        with pytest.raises(OSError) as caught:
            async with connecting:
                pass
        assert is_lost_connection(caught.value)
    await engine.dispose()


async def test_a_value_that_the_driver_cannot_encode_is_poison(settings: Settings) -> None:
    writers = Writers(settings)
    with pytest.raises(asyncpg.DataError) as caught:
        async with writers.connection() as connection:
            await connection.fetchval("SELECT $1::int", 2**40)
    assert is_poison(caught.value)
    assert not is_retryable(caught.value)


async def test_a_violated_constraint_is_told_by_its_name(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with transaction(engine) as connection:
            await connection.execute(sa.insert(area).values(id="x", kind="planet", name="x", name_en="x"))
    assert violated_constraint(caught.value) == "ck_area_kind"


def test_a_driver_that_lost_its_place_lost_its_connection() -> None:
    error = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    assert is_lost_connection(error)
    assert is_retryable(error)
