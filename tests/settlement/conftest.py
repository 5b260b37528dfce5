"""A city whose merchant is paid from May on."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.tables.people import merchant_rate
from tests.settlement.closing import MERCHANT
from tests.world import World, add_shop


@pytest.fixture
async def shop(world: World, engine: AsyncEngine) -> str:
    """The merchant's API key; 1500 fen for 1000 coins from May on, 1999 from 15 May."""
    key = await add_shop(engine, MERCHANT)
    async with transaction(engine) as connection:
        for day, fen in ((1, 1500), (15, 1999)):
            starts_at = datetime(2026, 5, day, tzinfo=UTC) - timedelta(days=1)
            await connection.execute(
                sa.insert(merchant_rate).values(merchant_id=MERCHANT, effective_from=starts_at, fen_per_1000_coins=fen)
            )
    return key
