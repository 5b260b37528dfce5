"""What limits on spending let through."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed, breaches_after
from tests.verifying.past import KIOSK

KEPT = "limits_were_kept"
COUNTED = "limited_days_are_counted"
PATRON = {"owner_id": "{city.patron_id}"}
SET = "INSERT INTO spending_limit (kind, merchant_id, effective_from, coins) VALUES "

DAMAGES = {
    "a redemption above the limit": Damage(
        KEPT,
        ("UPDATE spending_limit SET coins = 491 WHERE kind = 'redemption'",),
        {"kind": "redemption", **PATRON, "merchant_id": KIOSK, "coins": 492, "limit_coins": 491},
    ),
    "a redemption above a limit of every merchant": Damage(
        KEPT,
        (SET + "('redemption', NULL, '2020-01-01T00:00Z', 299)",),
        # The kiosk has one of its own.
        {"kind": "redemption", "owner_id": "{city.resident_id}", "coins": 300, "limit_coins": 299},
    ),
    "a resident's day above the limit": Damage(
        KEPT,
        (SET + "('resident_day', NULL, '2020-01-01T00:00Z', 491)",),
        {"kind": "resident_day", **PATRON, "merchant_id": None, "coins": 492, "limit_coins": 491},
    ),
    "a merchant's day above the limit": Damage(
        KEPT,
        ("UPDATE spending_limit SET coins = 491 WHERE kind = 'merchant_day'",),
        {"kind": "merchant_day", "owner_id": None, "merchant_id": KIOSK, "coins": 492, "limit_coins": 491},
    ),
    "a limited day that is gone": Damage(
        COUNTED,
        ("DELETE FROM merchant_day WHERE coins = 27",),
        {"merchant_id": KIOSK, "limit_coins": 1000},
    ),
    "a general limit that was slipped in, and was not counted where there is no other": Damage(
        COUNTED,
        (SET + "('merchant_day', NULL, '2020-01-01T00:00Z', 90000)",),
        {"merchant_id": "NK-M-01", "limit_coins": 90000},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_limit_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)


async def test_limits_may_be_reached_lifted_and_corrected_and_late_captures_are_above_them(
    city: City, superuser: AsyncEngine
) -> None:
    first_day = "(SELECT (min(created_at) AT TIME ZONE 'Asia/Shanghai')::date FROM redemption)"
    assert not await breaches_after(
        superuser,
        "UPDATE spending_limit SET coins = 492",
        SET + "('resident_day', NULL, '2020-01-01T00:00Z', 492)",
        # The later of two from one moment holds; where there is none for the merchant, there is none at all.
        SET + "('redemption', NULL, '2020-01-01T00:00Z', 1), ('redemption', NULL, '2020-01-01T00:00Z', 300)",
        SET + "('merchant_day', NULL, '2020-01-01T00:00Z', 1), ('merchant_day', 'NK-M-01', '2019-01-01T00:00Z', NULL),"
        " ('merchant_day', 'NK-M-02', '2019-01-01T00:00Z', NULL)",
        # On that day 120 coins more were told late.
        f"INSERT INTO spending_limit (kind, merchant_id, effective_from, coins) SELECT 'merchant_day', '{KIOSK}',"
        f" ({first_day} + later)::timestamp AT TIME ZONE 'Asia/Shanghai', 91 + 401 * later"
        " FROM generate_series(0, 1) AS later",
    )
