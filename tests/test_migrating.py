"""What a migration makes of a database that is in use."""

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import Any

import asyncpg
import pytest
from alembic import command

from service.embedded import EmbeddedPostgres
from service.migrating import alembic_config, upgrade
from service.plausibility.sequences import OPEN_GAPS_MAX
from tests.conftest import admin_execute

DATABASE = "migrating"
# Bins with the sequences that were seen of them, a minute apart from 2026-11-20 00:00 UTC on.
SEEN = {
    "full": [1, 2, 3],
    "gaps": [4, 7, 9, 9, 30_000],
    "odd": list(range(1, 2 * OPEN_GAPS_MAX + 6, 2)),
    "silent": [],
}
BEGIN = "timestamptz '2026-11-20 00:00Z'"


@pytest.fixture(scope="module")
def migrated(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database of the second release with bins and events, brought to the newest."""
    asyncio.run(admin_execute(postgres, f"CREATE DATABASE {DATABASE}"))
    url = postgres.admin_url(DATABASE)
    command.upgrade(alembic_config(url), "0002")
    asyncio.run(_fill(postgres))
    upgrade(url)
    yield url
    asyncio.run(admin_execute(postgres, f"DROP DATABASE {DATABASE} WITH (FORCE)"))


async def _query(postgres: EmbeddedPostgres, *statements: str) -> list[tuple[Any, ...]]:
    """Runs all; what the last one finds."""
    connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database=DATABASE)
    try:
        found: list[Any] = []
        for statement in statements:
            found = await connection.fetch(statement)
        return [tuple(record) for record in found]
    finally:
        await connection.close()


async def _fill(postgres: EmbeddedPostgres) -> None:
    bins = [
        f"INSERT INTO bin (id, site_id, verification_interval_grams, capacity_grams) VALUES ('{name}', 's', 10, 60000)"
        for name in SEEN
    ]
    events = [
        "INSERT INTO weigh_event (bin_id, event_id, content_digest, site_id, sequence, material_id, weight_grams,"
        " outcome, coins_per_kg, coins, occurred_at, received_at)"
        f" VALUES ('{name}', '{minute}', '', 's', {sequence}, 'paper', 1000, 'unclaimed', 100, 100,"
        f" {BEGIN} + interval '{minute} minutes', {BEGIN} + interval '1 day')"
        for name, sequences in SEEN.items()
        for minute, sequence in enumerate(sequences)
    ]
    await _query(
        postgres,
        "INSERT INTO area (id, kind, name, name_en) VALUES ('c', 'city', '天津', 'Tianjin')",
        "INSERT INTO site (id, area_id, kind, name, name_en) VALUES ('s', 'c', 'community', '一号', 'One')",
        "INSERT INTO material (id, name, name_en) VALUES ('paper', '废纸', 'Paper')",
        *bins,
        *events,
    )


def test_a_bin_that_was_in_use_is_remembered_as_if_it_always_had_been(
    migrated: str, postgres: EmbeddedPostgres
) -> None:
    memories = asyncio.run(
        _query(
            postgres,
            "SELECT bin_id, epoch, sequence, extract(epoch FROM sequence_at)::bigint, gaps_open, counts::text"
            " FROM bin_memory ORDER BY bin_id",
        )
    )
    begin = 1_795_132_800
    assert memories == [
        ("full", 0, 3, begin + 120, 0, f'{{"first": [1, {begin}.000000]}}'),
        ("gaps", 0, 30_000, begin + 240, 2, f'{{"first": [4, {begin}.000000]}}'),
        (
            *("odd", 0, SEEN["odd"][-1], begin + 60 * (len(SEEN["odd"]) - 1), OPEN_GAPS_MAX),
            f'{{"first": [1, {begin}.000000], "unsure": [0, 2, 4, {begin + 120}.000000]}}',
        ),
        ("silent", 0, None, None, 0, "{}"),
    ]
    gaps = asyncio.run(
        _query(
            postgres,
            "SELECT bin_id, first_sequence, last_sequence, extract(epoch FROM before_at)::bigint, closed_at"
            " FROM sequence_gap WHERE bin_id = 'gaps' ORDER BY first_sequence",
        )
    )
    assert gaps == [("gaps", 5, 6, begin + 60, None), ("gaps", 8, 8, begin + 120, None)]
    given_up = asyncio.run(
        _query(
            postgres,
            "SELECT first_sequence FROM sequence_gap"
            " WHERE bin_id = 'odd' AND given_up AND closed_at IS NOT NULL ORDER BY first_sequence",
        )
    )
    assert given_up == [(2,), (4,)]


def test_volumes_by_month_are_what_those_by_day_add_up_to(postgres: EmbeddedPostgres) -> None:
    asyncio.run(admin_execute(postgres, "CREATE DATABASE migrating_volumes"))
    url = postgres.admin_url("migrating_volumes")
    command.upgrade(alembic_config(url), "0005")

    async def fill() -> None:
        connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database="migrating_volumes")
        await connection.execute(
            "INSERT INTO volume (day, site_id, material_id, source, grams, drops, held_grams, held_drops)"
            " SELECT date '2026-01-30' + n, 's', 'paper', 'bin', 10, 1, 200, 2 FROM generate_series(0, 4) AS n"
        )
        await connection.close()

    async def read() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database="migrating_volumes")
        found = await connection.fetch("SELECT * FROM volume_month ORDER BY month")
        await connection.close()
        return [tuple(record) for record in found]

    try:
        asyncio.run(fill())
        upgrade(url)
        assert asyncio.run(read()) == [
            ("s", date(2026, 1, 1), "paper", "bin", 20, 2, 400, 4),
            ("s", date(2026, 2, 1), "paper", "bin", 30, 3, 600, 6),
        ]
    finally:
        asyncio.run(admin_execute(postgres, "DROP DATABASE migrating_volumes WITH (FORCE)"))
