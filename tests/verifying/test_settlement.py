"""Adjustments and settlement statements."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings
from tests.verifying.city import City
from tests.verifying.damage import Damage, as_superuser, assert_noticed, breaches

ADJUSTMENTS = "adjustments_were_approved_by_another"
RATES = "lines_have_the_rate_of_their_capture"
STATEMENTS = "statements_equal_their_lines"
UNCOVERED = "statements_show_what_is_uncovered"
TOLD = "uncovered_captures_are_told"
MONTH = "statements_are_of_their_month"
LINES = "lines_are_their_merchants"
UNSETTLED = "nothing_is_left_unsettled"
COINS = "coin_volumes_equal_transfers"

PATRON = {"owner_id": "{city.patron_id}"}
FIRST = "(SELECT min(number) FROM settlement_statement)"
LAST = "(SELECT max(number) FROM settlement_statement)"
# What a statement's lines come to.
PAYABLE = (
    "SELECT trunc(sum(CASE kind WHEN 'redemption' THEN coins ELSE -coins END * fen_per_1000_coins) / 1000)"
    " FROM settlement_line JOIN transfer ON transfer.owner_id = settlement_line.owner_id AND id = transfer_id"
    " WHERE statement_number = number"
)

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
    "an adjustment for another reason": Damage(
        ADJUSTMENTS, ("UPDATE transfer SET reason = 'case 8' WHERE kind = 'adjustment' AND coins = 33",), PATRON
    ),
    "an adjustment that corrects something else": Damage(
        ADJUSTMENTS, ("UPDATE transfer SET reverses_id = 1 WHERE kind = 'adjustment' AND coins = 33",), PATRON
    ),
    "an adjustment that was decided on before it was asked for": Damage(
        ADJUSTMENTS,
        ("UPDATE adjustment SET decided_at = created_at - interval '1 second' WHERE decision = 'rejected'",),
        {**PATRON, "decision": "rejected"},
    ),
    "an adjustment that nobody asked for": Damage(
        ADJUSTMENTS,
        ("UPDATE adjustment SET requested_by = gen_random_uuid() WHERE decision IS NULL",),
        {**PATRON, "decision": None},
    ),
    "an adjustment that nobody approved": Damage(
        ADJUSTMENTS,
        (
            "UPDATE adjustment SET decided_by = '00000000-0000-4000-8000-000000000001' WHERE coins = 33",
            "UPDATE transfer SET approved_by = '00000000-0000-4000-8000-000000000001'"
            " WHERE kind = 'adjustment' AND coins = 33",
        ),
        {**PATRON, "decision": "approved"},
    ),
    "an adjustment that its own operator approved with another key": Damage(
        ADJUSTMENTS,
        ("UPDATE api_key SET plain_name = 'one' WHERE role = 'operator'",),
        {**PATRON, "decision": "approved"},
        frozenset({"reviews_follow_their_decisions", "publications_have_two_operators"}),
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
    "a statement with other refunded coins": Damage(
        STATEMENTS,
        (
            "ALTER TABLE settlement_statement DROP CONSTRAINT ck_settlement_statement_net_coins",
            f"UPDATE settlement_statement SET refunded_coins = 9 WHERE number = {FIRST}",
        ),
        {"refunded_coins": 9},
        frozenset({"constraints_are_in_place"}),
    ),
    "a statement that nothing was captured for": Damage(
        STATEMENTS,
        (
            "INSERT INTO settlement_statement"
            " SELECT 'NK-M-01-200001', 'NK-M-01', '2000-01-01', 0, 0, 0, 0, 0, 7, 0, '2000-02-01T00:00Z'",
        ),
        {"number": "NK-M-01-200001", "payable_fen": 7, "payable_by_lines": 0},
    ),
    "a line at another rate": Damage(
        STATEMENTS,
        (f"UPDATE settlement_line SET fen_per_1000_coins = 9999 WHERE statement_number = {FIRST}",),
        {},
        frozenset({RATES}),
    ),
    "a statement that was raised with the rates of its lines": Damage(
        RATES,
        (
            f"UPDATE settlement_line SET fen_per_1000_coins = 2998 WHERE statement_number = {FIRST}",
            f"UPDATE settlement_statement SET payable_fen = ({PAYABLE}) WHERE number = {FIRST}",
        ),
        {**PATRON, "fen_per_1000_coins": 2998, "fen_in_force": 1499},
    ),
    "a refund at the rate of its own day": Damage(
        RATES,
        (
            "INSERT INTO merchant_rate SELECT 'NK-M-03', created_at, 1498 FROM transfer"
            " WHERE kind = 'refund' AND coins = 5",
            "UPDATE settlement_line SET fen_per_1000_coins = 1498"
            " FROM transfer WHERE transfer_id = id AND created_at >="
            " (SELECT created_at FROM transfer WHERE kind = 'refund' AND coins = 5)"
            " AND fen_per_1000_coins = 1499",
            f"UPDATE settlement_statement SET payable_fen = ({PAYABLE})",
        ),
        {**PATRON, "fen_per_1000_coins": 1498, "fen_in_force": 1499},
    ),
    "a rate that was edited": Damage(
        RATES,
        ("UPDATE merchant_rate SET fen_per_1000_coins = 1500 WHERE merchant_id = 'NK-M-03'",),
        {**PATRON, "fen_per_1000_coins": 1499, "fen_in_force": 1500},
    ),
    "a rate that was deleted": Damage(
        RATES,
        ("DELETE FROM merchant_rate WHERE merchant_id = 'NK-M-03'",),
        {**PATRON, "fen_in_force": None},
    ),
    "a statement that is silent on what is uncovered": Damage(
        UNCOVERED,
        ("UPDATE settlement_statement SET uncovered_coins = 0 WHERE uncovered_coins > 0",),
        {"uncovered_coins": 0, "coins_told": 55},
    ),
    "an uncovered capture that was taken off its statement": Damage(
        TOLD,
        (
            "DELETE FROM settlement_uncovered",
            "UPDATE settlement_statement SET uncovered_coins = 0 WHERE uncovered_coins > 0",
            # Of the newest month it could still be on the next.
            "INSERT INTO settlement_statement"
            " SELECT merchant_id || to_char(month + interval '1 month', '-YYYYMM'), merchant_id,"
            " month + interval '1 month', 0, 0, 0, 0, 0, 0, 0, now() + interval '2 months'"
            " FROM settlement_statement ORDER BY month DESC LIMIT 1",
        ),
        {**PATRON, "statement_number": None, "coins": 55},
    ),
    "an uncovered capture that came after its statement's month": Damage(
        TOLD,
        (
            "UPDATE uncovered_capture SET received_at = (SELECT month + interval '1 month' FROM settlement_statement"
            " WHERE uncovered_coins > 0) AT TIME ZONE 'Asia/Shanghai'",
        ),
        {**PATRON, "coins": 55},
    ),
    "an uncovered capture on another merchant's statement": Damage(
        TOLD,
        ("UPDATE uncovered_capture SET merchant_id = 'NK-M-01'",),
        {**PATRON, "coins": 55},
        frozenset({"uncovered_captures_took_nothing"}),
    ),
    "a statement with the number of another": Damage(
        MONTH,
        (
            "INSERT INTO settlement_statement"
            " SELECT 'NK-M-01-200002', 'NK-M-01', '2000-01-01', 0, 0, 0, 0, 0, 0, 0, '2000-02-01T00:00Z'",
        ),
        {"number": "NK-M-01-200002", "month": "2000-01-01"},
    ),
    "a statement from before its month was over": Damage(
        MONTH,
        (
            "INSERT INTO settlement_statement"
            " SELECT 'NK-M-01-200001', 'NK-M-01', '2000-01-01', 0, 0, 0, 0, 0, 0, 0, '2000-01-31T15:59Z'",
        ),
        {"number": "NK-M-01-200001"},
    ),
    "a statement of a month that was passed over": Damage(
        MONTH,
        (
            "INSERT INTO settlement_statement"
            " SELECT 'NK-M-03-200001', 'NK-M-03', '2000-01-01', 0, 0, 0, 0, 0, 0, 0, now() + interval '1 day'",
        ),
        {"merchant_id": "NK-M-03"},
    ),
    "a capture that was left to a later statement": Damage(
        LINES,
        (
            f"UPDATE settlement_line SET statement_number = {LAST} WHERE transfer_id ="
            " (SELECT id FROM transfer WHERE kind = 'redemption' AND coins = 40)",
            f"UPDATE settlement_statement SET payable_fen = ({PAYABLE}), captures = captures + 1,"
            f" captured_coins = captured_coins + 40, net_coins = net_coins + 40 WHERE number = {LAST}",
            f"UPDATE settlement_statement SET payable_fen = ({PAYABLE}), captures = captures - 1,"
            f" captured_coins = captured_coins - 40, net_coins = net_coins - 40 WHERE number = {FIRST}",
        ),
        {**PATRON, "kind": "redemption"},
    ),
    "a line of another merchant": Damage(
        LINES,
        (
            f"INSERT INTO settlement_line SELECT owner_id, id, {FIRST}, 1499"
            " FROM transfer WHERE kind = 'redemption' AND coins = 50",
        ),
        {"owner_id": "{city.resident_id}", "kind": "redemption"},
        frozenset({STATEMENTS, RATES}),
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
        frozenset({MONTH}),
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
    assert set(await breaches(engine, settings)) == {COINS, "captures_were_in_time"}
    await as_superuser(admin_engine, move.replace("%s", "1 microsecond"))
    found = await breaches(engine, settings)
    assert set(found) == {COINS, UNSETTLED, "captures_were_in_time"}
    assert [row["owner_id"] for row in found[UNSETTLED].rows] == [city.patron_id]
