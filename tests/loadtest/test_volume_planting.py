from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from loadtest.volume_planting import City, Drawing, last_year, plant_city, plant_events
from service.db import transaction
from service.secrets import Keyring
from service.settings import Settings
from service.verifying.verify import verify
from tests.folding.drops import fold_all
from tests.world import build_world, driver_connection

ZONE = ZoneInfo("Asia/Shanghai")
BEGINS_AT, ENDS_AT = datetime(2024, 12, 31, 16, tzinfo=UTC), datetime(2025, 12, 31, 16, tzinfo=UTC)


def test_last_year_is_a_whole_one_of_the_city() -> None:
    assert last_year(datetime(2026, 11, 21, tzinfo=UTC), ZONE) == (2025, BEGINS_AT, ENDS_AT)
    # In Tianjin the year has begun.
    assert last_year(datetime(2026, 12, 31, 16, tzinfo=UTC), ZONE)[0] == 2026


async def test_what_is_planted_is_as_the_service_would_have_written_it(
    engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await build_world(engine, Keyring.of(settings))
    heard: list[int] = []
    async with transaction(admin_engine) as connection:
        driver = await driver_connection(connection)
        city = await plant_city(driver, district="nankai", sites=5, bins_each=2, begins_at=BEGINS_AT, ends_at=ENDS_AT)
        await plant_events(driver, city, events=300, seed=1, progress=heard.append)
    assert heard == [300]
    assert len(city.bins) == 10
    await fold_all(engine, settings.model_copy(update={"instance": "a", "fold_interval_seconds": 1e-6}))
    assert [(result.check.name, result.rows) for result in await verify(engine, settings) if not result.holds] == []
    async with transaction(engine) as connection:
        found = await connection.execute(
            sa.text(
                "SELECT sum(drops)::int, count(DISTINCT site_id), min(month)::text, max(month)::text FROM volume_month"
            )
        )
        assert tuple(found.one()) == (300, 5, "2025-01-01", "2025-12-01")


def test_rows_come_in_the_order_in_which_they_were_received_and_some_are_late() -> None:
    city = City([("b1", "s1"), ("b2", "s2")], {"paper": 100, "glass": 40}, BEGINS_AT, ENDS_AT)
    draw = Drawing(city, 1000, seed=1)
    rows = [*draw.rows(0, 600), *draw.rows(600, 1000)]
    received = [row[-1] for row in rows]
    assert received == sorted(received)
    assert (received[0], received[-1] < ENDS_AT) == (BEGINS_AT, True)
    late = [row for row in rows if row[-2] < row[-1]]
    assert len(late) == 1000 // 50 - 1
    assert all(row[-2] >= BEGINS_AT for row in rows)
    assert draw.sequences == [sum(row[0] == bin_id for row in rows) for bin_id in ("b1", "b2")]
    assert len({row[1] for row in rows}) == 1000
    assert {row[5] for row in rows} == {"paper", "glass"}
