"""Holds, what became of them, and refunds."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings
from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed

ONCE = "holds_are_resolved_once"
MATCH = "resolutions_match_transfers"
REFUNDS = "refunds_name_their_capture"
OWNER = {"owner_id": "{city.resident_id}"}

DAMAGES = {
    "a hold that is gone": Damage(
        ONCE, ("DELETE FROM hold",), {**OWNER, "problem": "no hold"}, frozenset({"holds_add_up"})
    ),
    "a hold of other coins": Damage(
        ONCE,
        ("UPDATE hold SET coins = 14", "UPDATE wallet SET held = 14 WHERE held = 15"),
        {**OWNER, "problem": "other coins or time"},
    ),
    "a hold that is open and resolved": Damage(
        ONCE,
        (
            "INSERT INTO hold_resolution"
            " SELECT owner_id, redemption_id, 'voided', coins, 0, held_at, expires_at, held_at FROM hold",
        ),
        {**OWNER, "problem": "open and resolved"},
    ),
    "a capture that took other coins": Damage(
        MATCH,
        ("UPDATE hold_resolution SET captured_coins = 12 WHERE outcome = 'captured'",),
        {**OWNER, "captured_coins": 12, "transferred_coins": 11},
    ),
    "a void that took coins": Damage(
        MATCH,
        ("UPDATE hold_resolution SET outcome = 'voided', captured_coins = 0 WHERE outcome = 'captured'",),
        {**OWNER, "outcome": "voided", "transferred_coins": 11},
    ),
    "a refund of more than was captured": Damage(
        REFUNDS,
        (
            "UPDATE transfer SET coins = 12 WHERE kind = 'refund'",
            "UPDATE wallet SET posted = posted + 8 WHERE owner_id = {city.resident_id}",
        ),
        {**OWNER, "refunded_coins": 12, "captured_coins": 11},
        frozenset({"coin_volumes_equal_transfers", "wallets_hold_what_was_issued"}),
    ),
    "a refund by another merchant": Damage(
        REFUNDS,
        ("UPDATE transfer SET debit_account_id = {city.other_shop_account_id} WHERE kind = 'refund'",),
        OWNER,
        frozenset({"coin_volumes_equal_transfers"}),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_hold_named(
    damage: Damage, city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await assert_noticed(damage, city, engine, admin_engine, settings)
