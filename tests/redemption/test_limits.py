"""Setting limits on spending: superseded from a moment to come, never edited."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.business_days import business_day, day_begins_at
from service.db import transaction
from service.errors import LimitInThePast, MerchantUnknown, TanbiError, ValidationFailed
from service.redemption.limits import LIMIT_LEAD, list_limits, set_limit
from service.redemption.merchants import add_merchant
from service.reference import Reference
from service.secrets import Keyring
from service.settings import Settings
from service.tables.redemption import spending_limit

ZONE = "Asia/Shanghai"


def day(days: int) -> datetime:
    """When the business day that comes in `days` days begins."""
    return day_begins_at(business_day(datetime.now(UTC), ZONE) + timedelta(days=days), ZONE)


async def set_up(engine: AsyncEngine, **changes: Any) -> datetime:
    values: dict[str, Any] = {"kind": "redemption", "coins": 100, "merchant_id": None, "effective_from": None}
    async with transaction(engine) as connection:
        return await set_limit(connection, zone=ZONE, **{**values, **changes})


@pytest.fixture
async def reference(engine: AsyncEngine, settings: Settings) -> Reference:
    async with transaction(engine) as connection:
        await add_merchant(connection, merchant_id="NK-M-01", name="学府便利店", name_en="Xuefu Store")
    reference = Reference(engine, Keyring.of(settings), demo=False)
    await reference.refresh()
    return reference


async def test_a_limit_is_seen_after_a_refresh_and_from_its_moment_on(
    reference: Reference, engine: AsyncEngine
) -> None:
    starts_at = await set_up(engine, merchant_id="NK-M-01")
    assert reference.limits.coins_max("redemption", "NK-M-01", starts_at) is None
    await reference.refresh()
    before = starts_at - timedelta(microseconds=1)
    assert reference.limits.coins_max("redemption", "NK-M-01", before) is None
    assert reference.limits.coins_max("redemption", "NK-M-01", starts_at) == 100
    assert reference.limits.coins_max("redemption", "NK-M-02", starts_at) is None


@pytest.mark.parametrize("kind", ["resident_day", "merchant_day"])
async def test_a_days_limit_begins_with_a_business_day_to_come(engine: AsyncEngine, kind: str) -> None:
    now, tomorrow, day_after = datetime.now(UTC), day(1), day(2)
    starts_at = await set_up(engine, kind=kind)
    # The day after tomorrow where midnight is less than a minute away.
    assert starts_at in {tomorrow, day_after}
    assert starts_at > now + timedelta(minutes=1)
    assert await set_up(engine, kind=kind, effective_from=day(3)) == day(3)
    with pytest.raises(ValidationFailed, match="when a business day begins"):
        await set_up(engine, kind=kind, effective_from=day(3) + timedelta(seconds=1))
    with pytest.raises(LimitInThePast):
        await set_up(engine, kind=kind, effective_from=day(0))


async def test_a_limit_of_one_redemption_takes_effect_in_a_minute_at_the_earliest(engine: AsyncEngine) -> None:
    wanted = datetime.now(UTC) + timedelta(minutes=5)
    assert await set_up(engine, effective_from=wanted) == wanted
    with pytest.raises(LimitInThePast, match="at the earliest"):
        await set_up(engine, effective_from=datetime.now(UTC) + timedelta(seconds=50))


async def test_a_slip_is_corrected_before_it_takes_effect_and_both_are_kept(
    reference: Reference, engine: AsyncEngine
) -> None:
    await set_up(engine, kind="resident_day", coins=5000, effective_from=day(3))
    await set_up(engine, kind="resident_day", coins=500, effective_from=day(3))
    await reference.refresh()
    assert reference.limits.coins_max("resident_day", "NK-M-01", day(3)) == 500
    async with engine.connect() as connection:
        listed = await list_limits(connection)
    assert [(each.coins, standing) for each, standing in listed] == [(5000, "replaced"), (500, "to come")]


async def test_the_default_moment_can_be_typed_again_and_a_slip_there_never_holds(engine: AsyncEngine) -> None:
    slip_at = await set_up(engine, coins=0)
    assert slip_at.microsecond == 0
    assert slip_at < datetime.now(UTC) + LIMIT_LEAD + timedelta(seconds=1)
    assert await set_up(engine, coins=500, effective_from=slip_at) == slip_at
    # At another moment it takes the place of none.
    with pytest.raises(LimitInThePast):
        await set_up(engine, effective_from=slip_at - timedelta(seconds=2))
    in_force = {"kind": "redemption", "coins": 7, "effective_from": datetime.now(UTC) + timedelta(seconds=5)}
    async with engine.begin() as connection:
        await connection.execute(sa.insert(spending_limit).values(in_force))
    with pytest.raises(LimitInThePast):
        await set_up(engine, **in_force)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"merchant_id": "NK-M-99"}, MerchantUnknown),
        ({"merchant_id": "NK-M-01", "kind": "resident_day"}, ValidationFailed),
        ({"coins": -1}, ValidationFailed),
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused(
    reference: Reference, engine: AsyncEngine, changes: dict[str, Any], failure: type[TanbiError]
) -> None:
    with pytest.raises(failure):
        await set_up(engine, **changes)
    async with engine.connect() as connection:
        assert await list_limits(connection) == []
