"""What the application's role may not do to the ledger: tried, not read from a catalogue."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import sqlstate, transaction

INSUFFICIENT_PRIVILEGE = "42501"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfer SET coins = coins + 1",
        "UPDATE transfer SET credit_account_id = 1 WHERE false",
        "DELETE FROM transfer",
        "TRUNCATE transfer",
        "DROP TABLE transfer",
        "ALTER TABLE transfer DISABLE TRIGGER ALL",
        "DELETE FROM wallet",
        "UPDATE wallet SET owner_id = owner_id + 1",
        "DELETE FROM weigh_event",
        "UPDATE weigh_event SET coins = 0",
        "DELETE FROM redemption",
        "UPDATE idempotency_key SET answer = ''",
        "UPDATE tariff SET coins_per_kg = 1000",
        "UPDATE coin_life SET months = 1",
        "DELETE FROM coin_life",
        "DELETE FROM adjustment",
        "UPDATE adjustment SET coins = coins + 1",
        "UPDATE adjustment SET requested_by = gen_random_uuid()",
        "DELETE FROM indicator_input",
        "UPDATE indicator_input SET grams = 0",
    ],
)
async def test_the_applications_role_cannot_rewrite_what_happened(engine: AsyncEngine, statement: str) -> None:
    with pytest.raises(ProgrammingError) as refused:
        async with transaction(engine) as connection:
            await connection.execute(sa.text(statement))
    assert sqlstate(refused.value) == INSUFFICIENT_PRIVILEGE
