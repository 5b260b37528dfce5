"""Months of the one merchant there is, as they are closed."""

import uuid
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.settlement import queries
from service.settlement.months import Month
from service.settlement.settling import Settled, settle
from tests.settlement import history
from tests.world import World

ZONE = "Asia/Shanghai"
MAY, JUNE = Month(2026, 5), Month(2026, 6)
MERCHANT = "NK-M-01"


async def capture(engine: AsyncEngine, world: World, coins: int, at: datetime) -> tuple[int, uuid.UUID]:
    async with transaction(engine) as connection:
        return await history.capture(connection, world.resident_id, coins, at)


async def refund(engine: AsyncEngine, world: World, of: tuple[int, uuid.UUID], coins: int, at: datetime) -> None:
    async with transaction(engine) as connection:
        await history.refund(connection, world.resident_id, of, coins, at)


async def close(engine: AsyncEngine, month: Month) -> Settled:
    async with transaction(engine) as connection:
        (each,) = await queries.list_merchants(connection, None)
        return await settle(connection, merchant=each, month=month, zone=ZONE)
