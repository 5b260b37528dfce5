"""A resident with 500 coins, and operators with keys: 李工 has two."""

from dataclasses import dataclass

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import Role, create_api_key
from service.auth import Operator, authenticate_operator
from service.db import transaction
from service.residents.residents import register_resident
from service.settings import Settings
from tests.world import adjust


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No sweeper comes in between: who needs coins that were held releases them."""
    return settings.model_copy(update={"hold_sweep_interval_seconds": 3600})


@dataclass(frozen=True)
class Office:
    """Operators by what they are called here, and their keys; the resident, and what gave the 500 coins."""

    operators: dict[str, Operator]
    keys: dict[str, str]
    resident_id: int
    transfer_id: int


@pytest.fixture
async def office(engine: AsyncEngine) -> Office:
    people: dict[str, tuple[Role, str]] = {
        "li": ("operator", "李工 Li"),
        "li again": ("admin", " 李工  ＬＩ "),
        "li in disguise": ("operator", "李工 L\u0456"),
        "wang": ("operator", "王工"),
        "auditor": ("auditor", "审计"),
    }
    async with transaction(engine) as connection:
        keys = {who: await create_api_key(connection, role=role, name=name) for who, (role, name) in people.items()}
        operators = {who: await authenticate_operator(connection, key, demo=False) for who, key in keys.items()}
        resident_id = await register_resident(connection)
        transfer_id = await adjust(connection, resident_id, 500)
    return Office(operators, keys, resident_id, transfer_id)
