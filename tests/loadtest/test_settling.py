from datetime import date, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from loadtest.planting import plant_captures
from loadtest.settling import ZONE, last_month
from service.db import transaction
from service.secrets import Keyring
from service.settings import Settings
from service.settlement import queries
from service.settlement.months import Month
from service.settlement.settling import set_rate, settle
from service.verifying.verify import verify
from tests.world import build_world, driver_connection


def test_last_month_is_a_whole_one_of_the_city() -> None:
    month, begins_at, ends_at = last_month(date(2027, 1, 31))
    assert (month, str(begins_at), str(ends_at)) == (
        "2026-12",
        "2026-12-01 00:00:00+08:00",
        "2027-01-01 00:00:00+08:00",
    )
    assert last_month(date(2026, 3, 1))[0] == "2026-02"


async def test_what_is_planted_is_as_the_service_would_have_written_it(
    engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await build_world(engine, Keyring.of(settings))
    begins_at = last_month(date(2026, 7, 1))[1]
    async with transaction(admin_engine) as connection:
        driver = await driver_connection(connection)
        merchant_id = await plant_captures(
            driver, residents=7, captures=120, begins_at=begins_at, over=timedelta(days=30)
        )
    async with transaction(engine) as connection:
        await set_rate(connection, merchant_id=merchant_id, fen_per_1000_coins=1500, effective_from=begins_at)
        [merchant] = await queries.list_merchants(connection, merchant_id)
        settled = await settle(connection, merchant=merchant, month=Month(2026, 6), zone=str(ZONE))
        found = await queries.find_statement(connection, str(settled.number))
    assert found is not None
    assert (found.captures, found.refunds) == (120, 3)
    assert [result.check.name for result in await verify(engine, settings) if not result.holds] == []
