"""Random corrections and withdrawals against a model of one line: the latest version counts, and nothing else does."""

from random import Random
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.indicator_inputs import IndicatorInput
from service.errors import InputOverlaps, NothingToWithdraw
from service.indicator.inputs import record_input
from service.tables.indicator import indicator_input
from tests.indicator.calls import a_document, an_input
from tests.indicator.test_rate import TODAY, grams, rate

OPERATIONS = 60
AREAS = ("nankai", "xuefu", "gulou", "gulou-1")
PERIODS = ("2025", "2025-Q1", "2025-02", "2025-07", "2024")


@pytest.mark.parametrize("seed", range(4))
async def test_what_counts_is_the_latest_version_of_each_input(connection: AsyncConnection, seed: int) -> None:
    random = Random(seed)  # noqa: S311  # the same game each time
    counting: dict[tuple[str, str, str], int] = {}
    written = 0
    for step in range(OPERATIONS):
        key = random.choice(AREAS), random.choice(PERIODS), random.choice(("office", "river"))
        amount = None if random.random() < 0.3 else random.randrange(10**9)
        if await _recorded(connection, key, amount, step):
            written += 1
            counting.pop(key, None)
            if amount is not None:
                counting[key] = amount
        for area, below in (("nankai", AREAS), ("gulou", ("gulou", "gulou-1"))):
            found = await rate(connection, area=area)
            expected = sum(
                mass for (at, period, _), mass in counting.items() if at in below and period.startswith("2025")
            )
            assert grams(found, "cleared") == expected
    stored = (await connection.execute(sa.select(sa.func.count()).select_from(indicator_input))).scalar_one()
    assert stored == written > OPERATIONS // 6


async def _recorded(connection: AsyncConnection, key: tuple[str, str, str], amount: int | None, step: int) -> bool:
    area, period, source = key
    values: dict[str, Any] = {"grams": amount} if amount is not None else {"grams": None, "withdraw": True}
    document = a_document(sha256=f"{step:064x}")
    wanted = an_input(area=area, period=period, source=source, document=document, **values)
    try:
        async with connection.begin_nested():
            await record_input(connection, IndicatorInput.model_validate(wanted), recorded_by=uuid4(), today=TODAY)
    except (InputOverlaps, NothingToWithdraw):
        return False
    return True
