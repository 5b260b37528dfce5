"""What the service is compared with below HTTP: one transaction an event, and COPY.

Both run on the schema and the server settings of the service under test, whose processes are paused meanwhile, so that
nothing else works on the database. The client is this process, on uvloop and asyncpg, its rows made beforehand.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from loadtest.drops import Drop, Drops
from loadtest.generator import Load, Watch, quiet_collector
from loadtest.result import was_the_limit

CREDIT_SQL = Path(__file__).parent / "credit_alone.sql"

CONNECTIONS = 16
CARDS_MAX = 100_000
# As the service's own connections have it: without it, executions would pay for planning.
PLAN_SETTINGS = {"plan_cache_mode": "force_generic_plan"}

# Everything of a weigh event but `claimed_xid`, which only a late claim fills, and `code`, which only a finding does.
COPY_COLUMNS = (
    *("bin_id", "event_id", "content_digest", "site_id", "sequence", "material_id", "weight_grams"),
    *("box_weight_grams", "credential_digest", "resident_id", "verdict", "outcome", "epoch", "clock_skew_seconds"),
    *("coins_per_kg", "coins", "occurred_at", "received_at", "xid"),
)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
# Installation.connect: a connection as the database's owner, with these server settings.
Connect: TypeAlias = "Callable[..., Coroutine[Any, Any, Connection]]"
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class BaselineResult:
    """One run without HTTP. `events` were committed in `seconds`; the shares are LoadResult's."""

    events: int
    seconds: float
    events_per_second: float
    generator_cpu_share: float
    generator_wait_share: float | None
    generator_was_the_limit: bool

    def as_json(self) -> dict[str, object]:
        """The record as `json.dumps` takes it."""
        return asdict(self)


def result_of(events: int, seconds: float, load: Load) -> BaselineResult:
    """The record of a run."""
    return BaselineResult(
        events=events,
        seconds=seconds,
        events_per_second=events / seconds,
        generator_cpu_share=load.cpu_share,
        generator_wait_share=load.wait_share,
        generator_was_the_limit=was_the_limit(load, None, None),
    )


@dataclass(frozen=True, slots=True)
class Reference:
    """What rows refer to, as the database under test has it. `cards` are credential digests in hexadecimal, those of
    the demo's residents in order, so that Drops draws them as it draws card numbers."""

    bin_ids: Sequence[str]
    site_by_bin: dict[str, str]
    cards: Sequence[str]
    resident_by_card: dict[str, int]
    coins_per_kg: dict[str, int]


async def read_reference(connection: Connection) -> Reference:
    """Bins, cards and tariffs of a database."""
    bins = await connection.fetch("SELECT id, site_id FROM bin WHERE state = 'active' ORDER BY id")
    credentials = await connection.fetch(
        "SELECT encode(digest, 'hex') AS card, resident_id FROM credential ORDER BY resident_id, digest LIMIT $1",
        CARDS_MAX,
    )
    tariffs = await connection.fetch(
        "SELECT DISTINCT ON (material_id) material_id, coins_per_kg FROM tariff"
        " WHERE effective_from <= now() ORDER BY material_id, effective_from DESC"
    )
    return Reference(
        bin_ids=[row["id"] for row in bins],
        site_by_bin={row["id"]: row["site_id"] for row in bins},
        cards=[row["card"] for row in credentials],
        resident_by_card={row["card"]: row["resident_id"] for row in credentials},
        coins_per_kg={row["material_id"]: row["coins_per_kg"] for row in tariffs},
    )


def take_drops(reference: Reference, count: int, seed: int) -> Iterator[Drop]:
    """`count` drops of all bins in turn, drawn as those of the requests are."""
    drops = Drops(reference.bin_ids, reference.cards, seed=seed)
    now = int(time.time())
    for number in range(count):
        yield drops.take(number % len(reference.bin_ids), 1, now)[0]


def arguments_of(drop: Drop, reference: Reference) -> tuple[list[Any], ...]:
    """The eleven arrays of the statement, each with one element."""
    coins_per_kg = reference.coins_per_kg[drop.material]
    return (
        [drop.bin_id],
        [drop.event_id],
        [content_digest(drop)],
        [drop.sequence],
        [drop.material],
        [drop.weight_grams],
        [drop.box_weight_grams],
        [bytes.fromhex(drop.card)],
        [float(drop.occurred_at)],
        [coins_per_kg],
        [drop.weight_grams * coins_per_kg // 1000],
    )


def copy_row_of(drop: Drop, reference: Reference, received_at: datetime) -> Row:
    """The row of `weigh_event` that the service would make of this drop, by COPY_COLUMNS."""
    coins_per_kg = reference.coins_per_kg[drop.material]
    return (
        drop.bin_id,
        drop.event_id,
        content_digest(drop),
        reference.site_by_bin[drop.bin_id],
        drop.sequence,
        drop.material,
        drop.weight_grams,
        drop.box_weight_grams,
        bytes.fromhex(drop.card),
        reference.resident_by_card[drop.card],
        "credit",
        "credited",
        0,
        0,
        coins_per_kg,
        drop.weight_grams * coins_per_kg // 1000,
        datetime.fromtimestamp(drop.occurred_at, UTC),
        received_at,
        1,
    )


def content_digest(drop: Drop) -> bytes:
    """32 bytes, as long as the service's own."""
    return hashlib.sha256(drop.event_id.encode()).digest()


async def run_transactions(
    connect: Connect, *, events_max: int, seconds_max: float, whole: bool, seed: int
) -> BaselineResult:
    """One transaction an event: CONNECTIONS connections, each of which credits one event after the other with the
    service's statement.

    With `whole` each is BEGIN, the statement, COMMIT: three round trips, as a handler with a transaction of its own
    has them. Without, the statement commits by itself: one round trip. Raises what `connect` raises.
    """
    connections = [await connect(**PLAN_SETTINGS) for _ in range(CONNECTIONS)]
    try:
        reference = await read_reference(connections[0])
        waiting = iter([arguments_of(drop, reference) for drop in take_drops(reference, events_max, seed)])
        statements = [await connection.prepare(CREDIT_SQL.read_text()) for connection in connections]
        with quiet_collector():
            watch, started = Watch(), time.perf_counter()
            stop = started + seconds_max
            counts = await asyncio.gather(
                *(
                    credit_one_by_one(connection, statement, waiting, stop, whole)
                    for connection, statement in zip(connections, statements, strict=True)
                )
            )
            return result_of(sum(counts), time.perf_counter() - started, watch.load())
    finally:
        for connection in connections:
            connection.terminate()


async def credit_one_by_one(
    connection: Connection,
    statement: "asyncpg.prepared_stmt.PreparedStatement[asyncpg.Record]",
    waiting: Iterator[tuple[list[Any], ...]],
    stop: float,
    whole: bool,
) -> int:
    """How many events were committed on this connection; begins none after `stop` (seconds of perf_counter)."""
    done = 0
    for arguments in waiting:
        if whole:
            await connection.execute("BEGIN")
        await statement.fetch(*arguments, True)
        if whole:
            await connection.execute("COMMIT")
        done += 1
        if time.perf_counter() >= stop:
            break
    return done


async def run_copy(connect: Connect, *, rows: int, seconds_max: float, seed: int) -> BaselineResult:
    """COPY in binary over one connection: the same `rows` into an empty table with its primary key and nothing else,
    committed; once to warm up, then into one such table after the other until `seconds_max` have passed in COPY.

    Raises what `connect` raises.
    """
    connection = await connect()
    try:
        reference = await read_reference(connection)
        now = datetime.now(UTC)
        records = [copy_row_of(drop, reference, now) for drop in take_drops(reference, rows, seed)]
        await copy_into(connection, "copied_to_warm_up", records)
        tables, seconds = 0, 0.0
        with quiet_collector():
            watch = Watch()
            while seconds < seconds_max:
                seconds += await copy_into(connection, f"copied_{tables}", records)
                tables += 1
            return result_of(tables * len(records), seconds, watch.load())
    finally:
        connection.terminate()


async def copy_into(connection: Connection, table: str, records: Sequence[Row]) -> float:
    """Make the table and fill it: how long the COPY took, in seconds."""
    await connection.execute(f"CREATE TABLE {table} (LIKE weigh_event)")
    await connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (bin_id, event_id)")
    started = time.perf_counter()
    await connection.copy_records_to_table(table, records=records, columns=COPY_COLUMNS)
    return time.perf_counter() - started
