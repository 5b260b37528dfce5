"""The engine, the transaction, and what a database error means."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg
import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from service.settings import Settings

# Class 08 connection exception, 57P0x shutdown and crash, 53300 too many connections, 25006 a standby that was promoted
# away, 40xxx serialisation and deadlock, 55P03 and 57014 a lock and a statement that took too long: the same statement
# may be sent again.
RETRYABLE_SQLSTATES = ("08", "57P01", "57P02", "57P03", "53300", "25006", "40001", "40P01", "55P03", "57014")
# Class 22 data exception, 23 integrity violation: the fault of the row, which no retry mends.
POISON_SQLSTATES = ("22", "23")
# How much longer than its own time-out a server is waited for.
HANGING_SECONDS = 1.0


class DatabaseNotConfigured(RuntimeError):
    """Set TANBI_DATABASE_URL, or name a data directory with --data for the embedded database."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class OwnerNotConfigured(DatabaseNotConfigured):
    """This needs the owner of the tables: set TANBI_MIGRATION_DATABASE_URL."""


def create_engine(settings: Settings) -> AsyncEngine:
    """An engine whose every commit is durable, whatever the server's default is. Raises DatabaseNotConfigured."""
    if settings.database_url is None:
        raise DatabaseNotConfigured
    return create_async_engine(
        settings.database_url,
        pool_size=settings.database_pool_size,
        max_overflow=settings.database_pool_size,
        pool_timeout=settings.statement_timeout_seconds,
        pool_pre_ping=True,
        # An error that is logged would carry them, and with them what residents own.
        hide_parameters=True,
        connect_args=connect_arguments(settings),
    )


def connect_arguments(settings: Settings) -> dict[str, Any]:
    """The driver's arguments of every connection: durable commits, UTC, and definite time-outs."""
    return {
        "timeout": 5,
        "server_settings": {
            "application_name": "tanbi",
            "synchronous_commit": "on",
            "timezone": "UTC",
            # Every statement sees what was committed before it began: claims and folding count on that.
            "default_transaction_isolation": "read committed",
            "statement_timeout": str(math.ceil(settings.statement_timeout_seconds * 1000)),
            "lock_timeout": str(math.ceil(settings.statement_timeout_seconds * 500)),
            # A process that hangs in a transaction must not keep what it has locked: nothing here pauses for so long.
            "idle_in_transaction_session_timeout": str(math.ceil(settings.statement_timeout_seconds * 1000)),
        },
    }


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction; opened at the edge, and nothing below commits."""
    async with engine.begin() as connection:
        yield connection


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction that only reads, and all of its statements see the same moment."""
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with reading.begin() as connection:
        yield connection


async def lift_time_limit(connection: AsyncConnection) -> None:
    """For an operator who waits: statements of this transaction may take as long as they need."""
    await connection.execute(sa.text("SET LOCAL statement_timeout = 0"))


async def wait_for_locks(connection: AsyncConnection) -> None:
    """For an operator who waits: locks of this transaction are waited for as long as they are held."""
    await connection.execute(sa.text("SET LOCAL lock_timeout = 0"))


def engine_use(engine: AsyncEngine) -> tuple[int, int]:
    """Connections of the engine's pool that are in use, and that are open and idle."""
    pool: Any = engine.pool
    return pool.checkedout(), pool.checkedin()


DriverConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Writers:
    """Connections of the driver itself, each statement its own transaction unless one is begun, for what is hot.

    BEGIN, COMMIT, an engine's ping before and a pool's reset after would each cost a round trip, and a round trip costs
    as much as crediting ten events. As many are open as were ever used at once.
    """

    def __init__(self, settings: Settings, *, by_key: bool = False) -> None:
        """`by_key`: every statement finds its rows by a key, also where the planner saw the tables empty.

        Raises DatabaseNotConfigured.
        """
        if settings.database_url is None:
            raise DatabaseNotConfigured
        url = sa.make_url(settings.database_url)
        _, arguments = url.get_dialect()().create_connect_args(url)
        self._arguments: dict[str, Any] = {**arguments, **connect_arguments(settings)}
        # Planning the statement costs as much as crediting a hundred events; its plan does not depend on the arguments.
        self._arguments["server_settings"]["plan_cache_mode"] = "force_generic_plan"
        # Here nothing pauses at all; whoever waits for a lock of a process that hangs sees the end of it.
        self._arguments["server_settings"]["idle_in_transaction_session_timeout"] = str(
            math.ceil(settings.statement_timeout_seconds * 250)
        )
        if by_key:
            self._arguments["server_settings"]["enable_seqscan"] = "off"
        # The server ends a statement that takes too long. Where it hangs itself, or the network does, only we can.
        self._arguments["command_timeout"] = settings.statement_timeout_seconds + HANGING_SECONDS
        self._idle: list[DriverConnection] = []
        self.used = 0

    @property
    def idle(self) -> int:
        return len(self._idle)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[DriverConnection]:
        """One that is alive as far as is known; after any failure it is not used again."""
        connection = await self._take()
        self.used += 1
        try:
            yield connection
        except BaseException:
            connection.terminate()
            raise
        finally:
            self.used -= 1
        self._idle.append(connection)

    async def _take(self) -> DriverConnection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return await asyncpg.connect(**self._arguments)

    def close(self) -> None:
        """Whoever used them has finished by now; a connection that hangs must not hold up the exit."""
        while self._idle:
            self._idle.pop().terminate()


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a driver's error, also where SQLAlchemy wraps it."""
    original: Any = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
    state = getattr(original, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_lost_connection(error: BaseException) -> bool:
    """The database went away or was never reached; whether a COMMIT took effect is not known."""
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        if error.connection_invalidated:
            return True
        if error.orig is not None and isinstance(error.orig.__cause__, asyncpg.InternalClientError):
            return True
    # The driver's own confusion (InternalClientError) is what a connection cut between two statements ends in.
    lost = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
    if isinstance(error, lost) and not isinstance(error, asyncpg.exceptions.DataError):
        return True
    state = sqlstate(error)
    return state is not None and state.startswith(("08", "57P0", "53300", "25006"))


def is_retryable(error: BaseException) -> bool:
    """The same statement may succeed when it is sent again."""
    state = sqlstate(error)
    return is_lost_connection(error) or (state is not None and state.startswith(RETRYABLE_SQLSTATES))


def is_poison(error: BaseException) -> bool:
    """The row itself cannot be stored; others of its batch can."""
    if isinstance(error, asyncpg.exceptions.DataError):
        return True
    state = sqlstate(error)
    return state is not None and state.startswith(POISON_SQLSTATES)


def hide_rows(error: BaseException) -> None:
    """Take the rows that PostgreSQL quotes in DETAIL out of an error that is about to be logged, and of its causes."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, asyncpg.PostgresError):
            found.detail = None
        found = found.__cause__ or found.__context__


def violated_constraint(error: sqlalchemy.exc.IntegrityError) -> str | None:
    """The name of the constraint, by which an expected violation is told from a bug."""
    cause = error.orig.__cause__ if error.orig is not None else None
    return getattr(cause, "constraint_name", None)


async def database_now(connection: AsyncConnection) -> Any:
    """The database's clock, which is the only one that all replicas share."""
    return (await connection.execute(sa.text("SELECT clock_timestamp()"))).scalar_one()
