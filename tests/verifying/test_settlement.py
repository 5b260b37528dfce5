"""Adjustments and settlement statements."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings
from tests.verifying.city import City
from tests.verifying.damage import Damage, as_superuser, assert_noticed, breaches

ADJUSTMENTS = "adjustments_were_approved_by_another"
STATEMENTS = "statements_equal_their_lines"
UNCOVERED = "statements_show_what_is_uncovered"
LINES = "lines_are_their_merchants"
UNSETTLED = "nothing_is_left_unsettled"
COINS = "coin_volumes_equal_transfers"

PATRON = {"owner_id": "{city.patron_id}"}
FIRST = "(SELECT min(number) FROM settlement_statement)"

DAMAGES = {
    "an adjustment of other coins": Damage(
        ADJUSTMENTS, ("UPDATE adjustment SET coins = 34 WHERE coins = 33",), {**PATRON, "decision": "approved"}
    ),
    "an adjustment that was approved and not posted": Damage(
        ADJUSTMENTS,
        ("UPDATE adjustment SET decision = 'approved' WHERE decision = 'rejected'",),
        {**PATRON, "decision": "approved", "transfer_id": None},
    ),
    "an adjustment that was posted and not approved": Damage(
        ADJUSTMENTS,
        ("UPDATE adjustment SET decision = 'rejected' WHERE coins = 7",),
        {**PATRON, "decision": "rejected"},
    ),
    "an adjustment that its own operator approved": Damage(
        ADJUSTMENTS,
        (
            "ALTER TABLE transfer DROP CONSTRAINT ck_transfer_operators",
            "ALTER TABLE adjustment DROP CONSTRAINT ck_adjustment_operators",
            "UPDATE transfer SET approved_by = requested_by WHERE kind = 'adjustment' AND coins = 7",
            "UPDATE adjustment SET decided_by = requested_by WHERE coins = 7",
        ),
        {**PATRON, "decision": "approved"},
        frozenset({"constraints_are_in_place"}),
    ),
    "a statement with a fen too many": Damage(
        STATEMENTS,
        (f"UPDATE settlement_statement SET payable_fen = payable_fen + 1 WHERE number = {FIRST}",),
        {},
    ),
    "a statement with as many coins captured as refunded too many": Damage(
        STATEMENTS,
        (
            "UPDATE settlement_statement SET captured_coins = captured_coins + 1, refunded_coins = refunded_coins + 1"
            f" WHERE number = {FIRST}",
        ),
        {},
    ),
    "a rate that was edited": Damage(
        STATEMENTS,
        (f"UPDATE settlement_line SET fen_per_1000_coins = 9999 WHERE statement_number = {FIRST}",),
        {},
    ),
    "a statement that is silent on what is uncovered": Damage(
        UNCOVERED,
        ("UPDATE settlement_statement SET uncovered_coins = 0 WHERE uncovered_coins > 0",),
        {"uncovered_coins": 0, "coins_told": 55},
    ),
    "a line of another merchant": Damage(
        LINES,
        (
            f"INSERT INTO settlement_line SELECT owner_id, id, {FIRST}, 1499"
            " FROM transfer WHERE kind = 'redemption' AND coins = 50",
        ),
        {"owner_id": "{city.resident_id}", "kind": "redemption"},
        frozenset({STATEMENTS}),
    ),
    "a line of what is neither capture nor refund": Damage(
        LINES,
        (f"INSERT INTO settlement_line SELECT owner_id, id, {FIRST}, 1499 FROM transfer WHERE kind = 'cover'",),
        {**PATRON, "kind": "cover"},
        frozenset({STATEMENTS}),
    ),
    "lines from after the month": Damage(
        LINES,
        (f"UPDATE settlement_statement SET month = month - interval '1 year' WHERE number = {FIRST}",),
        PATRON,
    ),
    "a capture that was taken off its statement": Damage(
        UNSETTLED,
        (
            f"DELETE FROM settlement_line WHERE statement_number = {FIRST} AND transfer_id ="
            " (SELECT id FROM transfer WHERE kind = 'redemption' AND coins = 40)",
        ),
        {**PATRON, "merchant_id": "NK-M-03", "kind": "redemption"},
        frozenset({STATEMENTS}),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_row_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)


async def test_a_closed_month_ends_with_the_business_day(
    city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    """What the newest statement closes may still be waiting for the next; what is older may not."""
    newest = "(SELECT max(month)::timestamp AT TIME ZONE 'Asia/Shanghai' FROM settlement_statement)"
    move = f"UPDATE transfer SET created_at = {newest} - interval '%s' WHERE kind = 'redemption' AND coins = 27"
    await as_superuser(admin_engine, move.replace("%s", "0"))
    assert set(await breaches(engine, settings)) == {COINS}
    await as_superuser(admin_engine, move.replace("%s", "1 microsecond"))
    found = await breaches(engine, settings)
    assert set(found) == {COINS, UNSETTLED}
    assert [row["owner_id"] for row in found[UNSETTLED].rows] == [city.patron_id]
