"""Who bears a late capture: the scheme, which covers it, or the merchant."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed

COVERS = "covers_stand_beside_late_captures"
NEEDED = "covers_were_needed"
COVER_REFUNDS = "cover_refunds_follow_refunds"
UNCOVERED = "uncovered_captures_took_nothing"
OWNER = {"owner_id": "{city.patron_id}"}
# A redemption that was taken at once.
AT_ONCE = "(SELECT id FROM redemption WHERE coins = 40)"
# What is told on a statement goes along, so that only the capture is wrong.
TOLD = "UPDATE settlement_uncovered SET redemption_id = (SELECT redemption_id FROM uncovered_capture)"
LATE = "(SELECT id FROM redemption WHERE coins = 120)"

DAMAGES = {
    "a cover of what was taken at once": Damage(
        COVERS,
        (f"UPDATE transfer SET redemption_id = {AT_ONCE} WHERE kind = 'cover'",),
        {**OWNER, "coins": 100, "captured_coins": 40},
        # What was there after that capture was not nothing.
        frozenset({COVER_REFUNDS, NEEDED}),
    ),
    "a cover of nothing": Damage(
        COVERS,
        ("UPDATE transfer SET redemption_id = gen_random_uuid() WHERE kind IN ('cover', 'cover_refund')",),
        {**OWNER, "coins": 100, "captured_coins": None},
        frozenset({COVER_REFUNDS}),
    ),
    "a cover in another moment than its capture": Damage(
        COVERS,
        ("UPDATE transfer SET created_at = created_at - interval '1 microsecond' WHERE kind = 'cover'",),
        OWNER,
    ),
    "a cover of more than was missing": Damage(
        NEEDED,
        (
            "UPDATE transfer SET coins = coins + 10 WHERE kind = 'cover' OR kind = 'cover_refund' AND coins = 70",
            "UPDATE coin_volume SET issued_coins = 110 WHERE kind = 'cover'",
            "UPDATE coin_volume SET spent_coins = 80 WHERE kind = 'cover_refund' AND spent_coins = 70",
        ),
        {**OWNER, "coins": 110, "posted": 10, "held_min": 0, "held_max": 0},
    ),
    "a refund of which the scheme had too little": Damage(
        COVER_REFUNDS,
        (
            "UPDATE transfer SET coins = 4 WHERE kind = 'cover_refund' AND coins = 5",
            "UPDATE coin_volume SET spent_coins = 4 WHERE kind = 'cover_refund' AND spent_coins = 5",
            "UPDATE wallet SET posted = posted + 1 WHERE owner_id = {city.patron_id}",
        ),
        {**OWNER, "covered_coins": 100, "captured_coins": 120, "refunded_coins": 95, "returned_coins": 74},
        # A coin more was left, then, of what expired later.
        frozenset({"expiries_took_what_was_left"}),
    ),
    "a refund of more than was covered": Damage(
        COVER_REFUNDS,
        (
            "UPDATE transfer SET coins = coins + 30 WHERE kind IN ('refund', 'cover_refund') AND coins IN (90, 70)",
            "UPDATE coin_volume SET issued_coins = 120 WHERE kind = 'refund' AND issued_coins = 90",
            "UPDATE coin_volume SET spent_coins = 100 WHERE kind = 'cover_refund' AND spent_coins = 70",
        ),
        {**OWNER, "covered_coins": 100, "refunded_coins": 125, "returned_coins": 105},
        frozenset({"refunds_name_their_capture", "statements_equal_their_lines"}),
    ),
    "a cover's refund that names something else": Damage(
        COVER_REFUNDS,
        ("UPDATE transfer SET reverses_id = reverses_id + 1 WHERE kind = 'cover_refund' AND coins = 5",),
        {**OWNER, "covered_coins": 100, "returned_coins": 75},
    ),
    "a cover's refund without a cover": Damage(
        COVER_REFUNDS,
        (f"UPDATE transfer SET redemption_id = {AT_ONCE} WHERE kind = 'cover_refund'",),
        OWNER,
    ),
    "an uncovered capture that was taken": Damage(
        UNCOVERED,
        (f"UPDATE uncovered_capture SET redemption_id = {LATE}", TOLD),
        {**OWNER, "problem": "captured"},
    ),
    "an uncovered capture of nothing": Damage(
        UNCOVERED,
        ("UPDATE uncovered_capture SET redemption_id = gen_random_uuid()", TOLD),
        {**OWNER, "problem": "no redemption"},
    ),
    "an uncovered capture of a hold that was voided": Damage(
        UNCOVERED,
        (
            "UPDATE uncovered_capture SET coins = 30, redemption_id ="
            " (SELECT redemption_id FROM hold_resolution WHERE outcome = 'voided' AND coins = 30)",
            TOLD,
        ),
        {**OWNER, "problem": "not expired"},
        frozenset({"statements_show_what_is_uncovered"}),
    ),
    "an uncovered capture of more than was held": Damage(
        UNCOVERED,
        (
            "UPDATE uncovered_capture SET coins = 61",
            "UPDATE settlement_statement SET uncovered_coins = 61 WHERE uncovered_coins = 55",
        ),
        {**OWNER, "coins": 61, "problem": "more than was held"},
    ),
    "an uncovered capture that came in time": Damage(
        UNCOVERED,
        (
            "UPDATE uncovered_capture SET received_at = expires_at - interval '1 second'"
            " FROM redemption WHERE redemption.id = redemption_id",
        ),
        {**OWNER, "problem": "in time"},
    ),
    "an uncovered capture of another machine": Damage(
        UNCOVERED,
        ("UPDATE uncovered_capture SET machine_id = 'NK-W-01'",),
        {**OWNER, "problem": "another machine or merchant"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_redemption_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
