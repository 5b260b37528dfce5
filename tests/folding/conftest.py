"""Folding is tested with the real statements of the ledger, in transactions that a test holds open as it likes."""

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.ledger.queries import open_merchant_account
from service.secrets import Keyring
from service.settings import Settings
from service.tables.people import merchant
from tests.folding.drops import Place
from tests.world import CARD, World


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """One instance that folds at each tick and sums the wallets each time."""
    return settings.model_copy(
        update={"instance": "a", "fold_interval_seconds": 1e-6, "imbalance_interval_seconds": 1e-6}
    )


@pytest.fixture
async def place(engine: AsyncEngine, settings: Settings, world: World) -> Place:
    keyring = Keyring.of(settings)
    async with transaction(engine) as connection:
        account_id = await open_merchant_account(connection)
        await connection.execute(sa.insert(merchant).values(id="m", account_id=account_id, name="店", name_en="Shop"))
    return Place(world.resident_id, keyring.credential_digest("card", CARD), account_id)
