"""What a migration makes of a database that is in use."""

import asyncio
from collections.abc import Iterator
from datetime import date
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy.ext.asyncio import create_async_engine

from schemas.indicator import RecyclingRate
from schemas.targets import NewTarget
from service.api_keys import create_api_key
from service.auth import authenticate_operator
from service.db import transaction
from service.embedded import EmbeddedPostgres
from service.indicator.rate import gather_rate, make_rate
from service.indicator.setting_targets import set_target
from service.migrating import alembic_config, upgrade
from service.plausibility.sequences import OPEN_GAPS_MAX
from service.settings import Settings
from service.verifying.verify import verify
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


# Of the third release: area, year, kind, source, version, grams.
INPUTS = [
    ("nankai", 2025, "cleared", "env", 1, 999),
    ("nankai", 2025, "cleared", "env", 2, 1000),
    ("xuefu", 2025, "cleared", "street", 1, 300),
    ("xuefu", 2025, "cleared", "env", 1, 250),
    ("xuefu", 2024, "cleared", "env", 1, 5),
    ("nankai", 2025, "kitchen_treated", "plant", 1, 200),
    ("nankai", 2025, "recyclables", "station", 1, 100),
    ("xuefu", 2025, "recyclables", "station", 1, 40),
    # Another source was never hidden.
    ("xuefu", 2025, "recyclables", "street", 1, 7),
    *((f"c{number:02}", 2025, "kitchen_treated", "plant", 1, number) for number in range(20)),
]


async def _fill_inputs(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database="migrating_inputs")
    areas = [("t", None, "city"), ("nankai", "t", "district"), ("xuefu", "nankai", "subdistrict")]
    areas += [(f"c{number:02}", "xuefu", "community") for number in range(20)]
    await connection.executemany(
        "INSERT INTO area (id, parent_id, kind, name, name_en) VALUES ($1, $2, $3, $1, $1)", areas
    )
    await connection.executemany(
        "INSERT INTO indicator_input (area_id, first_day, last_day, kind, source, version, grams, document,"
        " recorded_by) VALUES ($1, make_date($2, 1, 1), make_date($2, 12, 31), $3, $4, $5, $6, 'd',"
        " gen_random_uuid())",
        INPUTS,
    )
    await connection.execute("INSERT INTO target (area_id, year, rate_per_mille) VALUES ('nankai', 2025, 350)")
    await connection.close()


def test_inputs_that_begin_to_count_are_told_and_count(
    postgres: EmbeddedPostgres, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(admin_execute(postgres, "CREATE DATABASE migrating_inputs"))
    url = postgres.admin_url("migrating_inputs")
    command.upgrade(alembic_config(url), "0003")

    async def read() -> RecyclingRate:
        engine = create_async_engine(url)
        async with engine.connect() as connection:
            # Nobody made up who set it, and when.
            told = await connection.execute(sa.text("SELECT version, id, recorded_by, created_at FROM target"))
            assert told.all() == [(1, 1, None, None)]
            gathered = await gather_rate(
                connection,
                area_id="nankai",
                asked="2025",
                formula_id="cn.cleared_plus_recovered",
                counted_at=None,
                today=date(2026, 11, 21),
            )
        await engine.dispose()
        return make_rate(gathered)

    try:
        asyncio.run(_fill_inputs(postgres))
        capsys.readouterr()
        upgrade(url)
        told = capsys.readouterr().out.splitlines()
        assert "withdraw one of the two" in told[0]
        assert told[1:3] == [
            f"  cleared: xuefu 2025-01 to 2025-12 “{source}” ({grams} g) beside nankai 2025-01 to 2025-12 “env”"
            " (1000 g)"
            for source, grams in (("env", 250), ("street", 300))
        ]
        assert told[3].startswith("  kitchen_treated: c00 2025-01 to 2025-12 “plant” (0 g) beside nankai ")
        assert (len(told), told[-1]) == (1 + 20 + 1, "  and 3 more")
        found = asyncio.run(read())
        grams = {each.symbol: each.grams for each in found.quantities}
        assert grams == {"R": "147", "K": str(200 + sum(range(20))), "C": "1550"}
        assert {each.kind for quantity in found.quantities for each in quantity.inputs if quantity.symbol == "R"} == {
            "other_recyclables"
        }
        assert found.target is not None
        assert found.target.rate_percent == "35.00"
    finally:
        asyncio.run(admin_execute(postgres, "DROP DATABASE migrating_inputs WITH (FORCE)"))


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


def test_old_targets_are_numbered_as_they_were_set_however_they_lie(
    postgres: EmbeddedPostgres, settings: Settings
) -> None:
    asyncio.run(admin_execute(postgres, "CREATE DATABASE migrating_targets"))
    url = postgres.admin_url("migrating_targets")
    command.upgrade(alembic_config(url), "0007")
    # Written in another order than they were set, as they come to lie where room was left.
    old = [("b", 2025, 2, 360), ("b", 2025, 1, 350), ("a", 2027, 1, 385), ("b", 2025, 3, 370), ("a", 2025, 1, 340)]

    async def fill() -> None:
        connection = await asyncpg.connect(host=str(postgres.socket_dir), user="postgres", database="migrating_targets")
        await connection.execute(
            "INSERT INTO area (id, kind, name, name_en) VALUES ('a', 'city', '甲', 'A'), ('b', 'city', '乙', 'B')"
        )
        await connection.executemany(
            "INSERT INTO target (area_id, year, version, rate_per_mille) VALUES ($1, $2, $3, $4)", old
        )
        await connection.close()

    async def check() -> None:
        engine = create_async_engine(url)
        async with transaction(engine) as connection:
            key = await create_api_key(connection, role="operator", name="李工")
            setter = (await authenticate_operator(connection, key, demo=False)).key_id
            wanted = NewTarget(area="b", year=2025, rate_per_mille=380)
            assert (await set_target(connection, wanted, set_by=setter)).id == len(old) + 1
            ids = await connection.execute(sa.text("SELECT area_id, year, version, id FROM target ORDER BY id"))
            assert [tuple(row) for row in ids] == [
                *((*name, place) for place, name in enumerate(sorted(each[:3] for each in old), 1)),
                ("b", 2025, 4, 6),
            ]
        # What else it finds is that the engine is not the application's.
        held = {each.check.name: each.holds for each in await verify(engine, settings)}
        assert held["targets_say_who_set_them"]
        await engine.dispose()

    try:
        asyncio.run(fill())
        upgrade(url)
        asyncio.run(check())
    finally:
        asyncio.run(admin_execute(postgres, "DROP DATABASE migrating_targets WITH (FORCE)"))
