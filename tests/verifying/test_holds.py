"""Holds and what became of them, refunds, stock and merchants' days."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed
from tests.verifying.past import KIOSK, WATER

ONCE = "holds_are_resolved_once"
MATCH = "resolutions_match_transfers"
REFUNDS = "refunds_name_their_capture"
IN_TIME = "captures_were_in_time"
STOCK = "stock_is_what_was_taken"
DAYS = "merchant_days_add_up"
OWNER = {"owner_id": "{city.resident_id}"}
PATRON = {"owner_id": "{city.patron_id}"}
REFUND = "kind = 'refund' AND owner_id = {city.resident_id}"

DAMAGES = {
    "a hold that is gone": Damage(
        ONCE,
        ("DELETE FROM hold WHERE owner_id = {city.resident_id}",),
        {**OWNER, "problem": "no hold"},
        frozenset({"holds_add_up"}),
    ),
    "a hold of other coins": Damage(
        ONCE,
        ("UPDATE hold SET coins = 14 WHERE coins = 15", "UPDATE wallet SET held = 14 WHERE held = 15"),
        {**OWNER, "problem": "other coins or time"},
    ),
    "a hold from another moment": Damage(
        ONCE,
        ("UPDATE hold SET held_at = held_at - interval '9 days' WHERE coins = 15",),
        {**OWNER, "problem": "other coins or time"},
    ),
    "a resolution of another moment's hold": Damage(
        ONCE,
        ("UPDATE hold_resolution SET held_at = held_at - interval '9 days' WHERE captured_coins = 11",),
        {**OWNER, "problem": "other coins or time"},
    ),
    "a hold for ten years": Damage(
        ONCE,
        (
            "UPDATE hold SET expires_at = expires_at + interval '10 years' WHERE coins = 15",
            "UPDATE redemption SET expires_at = redemption.expires_at + interval '10 years'"
            " FROM hold WHERE redemption_id = id AND hold.coins = 15",
        ),
        {**OWNER, "problem": "too long"},
    ),
    "a hold that was voided before it was placed": Damage(
        ONCE,
        ("UPDATE hold_resolution SET resolved_at = held_at - interval '1 second' WHERE outcome = 'voided'",),
        {**OWNER, "problem": "resolved before"},
    ),
    "a hold that is open and resolved": Damage(
        ONCE,
        (
            "INSERT INTO hold_resolution"
            " SELECT owner_id, redemption_id, 'voided', coins, 0, held_at, expires_at, held_at FROM hold"
            " WHERE owner_id = {city.resident_id}",
        ),
        {**OWNER, "problem": "open and resolved"},
    ),
    "a capture that took other coins": Damage(
        MATCH,
        ("UPDATE hold_resolution SET captured_coins = 12 WHERE captured_coins = 11",),
        {**OWNER, "captured_coins": 12, "transferred_coins": 11},
    ),
    "a void that took coins": Damage(
        MATCH,
        ("UPDATE hold_resolution SET outcome = 'voided', captured_coins = 0 WHERE captured_coins = 11",),
        {**OWNER, "outcome": "voided", "transferred_coins": 11},
    ),
    "a refund of more than was captured": Damage(
        REFUNDS,
        (
            f"UPDATE transfer SET coins = 12 WHERE {REFUND}",
            "UPDATE wallet SET posted = posted + 8 WHERE owner_id = {city.resident_id}",
        ),
        {**OWNER, "refunded_coins": 12, "captured_coins": 11},
        frozenset({"coin_volumes_equal_transfers", "wallets_hold_what_was_issued"}),
    ),
    "a refund of what was given back before": Damage(
        REFUNDS,
        (
            "INSERT INTO transfer"
            " (owner_id, kind, debit_account_id, credit_account_id, coins, redemption_id, reverses_id)"
            " SELECT owner_id, 'refund', credit_account_id, owner_id, 1, redemption_id, id"
            " FROM transfer WHERE kind = 'redemption' AND coins = 300",
            "UPDATE wallet SET posted = posted + 1 WHERE owner_id = {city.resident_id}",
        ),
        {**OWNER, "refunded_coins": 301, "captured_coins": 300},
    ),
    "a refund by another merchant": Damage(
        REFUNDS,
        (f"UPDATE transfer SET debit_account_id = {{city.other_shop_account_id}} WHERE {REFUND}",),
        OWNER,
        frozenset({"coin_volumes_equal_transfers"}),
    ),
    "a late capture of no machine": Damage(
        MATCH,
        ("UPDATE redemption SET machine_id = NULL WHERE coins = 120",),
        {**PATRON, "outcome": "expired", "transferred_coins": 120},
        frozenset({"redemptions_match_answers"}),
    ),
    "a capture at once at another moment than it was granted": Damage(
        IN_TIME,
        (
            "UPDATE transfer SET created_at = created_at - interval '1 microsecond'"
            " WHERE kind = 'redemption' AND coins = 40",
        ),
        {**PATRON, "outcome": None, "expires_at": None},
    ),
    "a capture at another moment than its hold was resolved": Damage(
        IN_TIME,
        ("UPDATE hold_resolution SET resolved_at = resolved_at + interval '1 second' WHERE captured_coins = 11",),
        {**OWNER, "outcome": "captured"},
    ),
    "a capture in the moment in which its hold was over": Damage(
        IN_TIME,
        (
            "ALTER TABLE hold_resolution DROP CONSTRAINT ck_hold_resolution_time",
            "UPDATE hold_resolution SET expires_at = resolved_at WHERE captured_coins = 11",
            "UPDATE redemption SET expires_at = hold_resolution.expires_at FROM hold_resolution"
            " WHERE redemption_id = id AND captured_coins = 11",
        ),
        {**OWNER, "outcome": "captured"},
        frozenset({"constraints_are_in_place"}),
    ),
    "a capture of a hold that is open": Damage(
        IN_TIME,
        (
            "INSERT INTO hold SELECT owner_id, redemption_id, coins, held_at, expires_at"
            " FROM hold_resolution WHERE captured_coins = 11",
            "DELETE FROM hold_resolution WHERE captured_coins = 11",
            "UPDATE wallet SET held = held + 15 WHERE owner_id = {city.resident_id}",
        ),
        {**OWNER, "outcome": None},
    ),
    "a late capture before its hold was over": Damage(
        IN_TIME,
        ("UPDATE hold_resolution SET resolved_at = resolved_at + interval '1 day' WHERE coins = 120",),
        {**PATRON, "outcome": "expired"},
        # These coins were held when they were covered, then.
        frozenset({"covers_were_needed"}),
    ),
    "a late capture after the longest grace": Damage(
        IN_TIME,
        (
            "UPDATE redemption SET expires_at = expires_at - interval '30 days' WHERE coins = 120",
            "UPDATE hold_resolution SET expires_at = expires_at - interval '30 days' WHERE coins = 120",
        ),
        {**PATRON, "outcome": "expired"},
    ),
    "a piece that nobody took": Damage(
        STOCK, ("UPDATE offer SET stock_taken = stock_taken + 1",), {"offer_id": WATER, "stock_taken": 3, "pieces": 2}
    ),
    "a piece that was taken and not counted": Damage(
        STOCK,
        ("UPDATE redemption SET from_stock = false WHERE offer_id IS NOT NULL AND expires_at IS NULL",),
        {"offer_id": WATER, "stock_taken": 2, "pieces": 1},
    ),
    "a merchant's day with a coin too many": Damage(
        DAYS,
        ("UPDATE merchant_day SET coins = coins + 1 WHERE coins = 27",),
        {"merchant_id": KIOSK, "coins": 28, "counted_coins": 27},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_hold_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
