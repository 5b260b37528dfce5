"""Carbon is tested in the indicator's district of three sites, with a key for each role and one set of factors."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.carbon import FactorSetRequest
from service.carbon.factor_sets import add_set
from service.db import transaction
from tests.indicator.conftest import keys, operator, world
from tests.world import World

__all__ = ["keys", "operator", "world"]


def a_set(set_id: str = "a", **factors: int) -> FactorSetRequest:
    """A set of factors in milligrams per kilogram; without any, of paper and plastic."""
    return FactorSetRequest.model_validate(a_document(set_id, **factors))


def a_document(set_id: str = "a", **factors: int) -> dict[str, Any]:
    return {
        "id": set_id,
        "name": f"因子集 {set_id}",
        "name_en": f"Set {set_id}",
        "source": f"Source of {set_id}",
        "note": None,
        "factors": [
            {"material": material, "milligrams_co2e_per_kg": milligrams, "stands_for": f"row of {material}"}
            for material, milligrams in (factors or {"paper": 220_000, "plastic": 1_600_000}).items()
        ],
    }


@pytest.fixture
async def factors(world: World, engine: AsyncEngine) -> None:
    """The sets a and b: paper by 0.22 and 3.91 kg/kg; plastic and metal by one of them each."""
    async with transaction(engine) as connection:
        await add_set(connection, a_set("a"))
        await add_set(connection, a_set("b", paper=3_910_000, metal=2_020_001))
