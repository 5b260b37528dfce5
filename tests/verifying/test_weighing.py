"""Events, the transfers that credit them, and conflicts."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed

MATCH = "credited_events_match_transfers"
ONCE = "events_are_credited_once"
COINS = "coins_follow_from_weight_and_tariff"
WHOLE = "events_are_whole"
CONFLICTS = "conflicts_differ_from_their_event"

LEDGER = frozenset({"wallets_equal_their_transfers", "coin_volumes_equal_transfers"})
UNFOLDED = frozenset({"wallets_equal_their_transfers", "wallets_hold_what_was_issued"})
CONSTRAINTS = frozenset({"constraints_are_in_place"})
DAYS = "resident_days_equal_events"
FREE_COINS = "ALTER TABLE weigh_event DROP CONSTRAINT ck_weigh_event_coins"
FREE_RESIDENT = "ALTER TABLE weigh_event DROP CONSTRAINT ck_weigh_event_resident"


def credit(bin_id: str, event_id: str) -> str:
    return (
        "INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)"
        f" VALUES ({{city.resident_id}}, 'credit', 1, {{city.resident_id}}, 7, '{bin_id}', '{event_id}')"
    )


DAMAGES = {
    "a credited event whose transfer is gone": Damage(
        MATCH,
        ("DELETE FROM transfer WHERE event_id = 'first'",),
        {"bin_id": "NK-0001", "event_id": "first", "transfer_id": None, "problem": "no transfer"},
        LEDGER,
    ),
    "a transfer for an event that never was": Damage(
        MATCH,
        (credit("NK-0001", "invented"),),
        {"bin_id": "NK-0001", "event_id": "invented", "problem": "no credited event"},
        UNFOLDED,
    ),
    "a transfer for the event of another bin": Damage(
        MATCH,
        (credit("NK-0001", "old"),),
        {"bin_id": "NK-0001", "event_id": "old", "problem": "no credited event"},
        UNFOLDED,
    ),
    "a transfer for an unclaimed event": Damage(
        MATCH,
        (credit("NK-0002", "unclaimed"),),
        {"bin_id": "NK-0002", "event_id": "unclaimed", "problem": "no credited event"},
        UNFOLDED,
    ),
    "a transfer for a held event": Damage(
        MATCH,
        (credit("NK-0002", "held"),),
        {"bin_id": "NK-0002", "event_id": "held", "problem": "no credited event"},
        UNFOLDED,
    ),
    "a transfer for an event without a coin": Damage(
        MATCH,
        (credit("NK-0002", "light"),),
        {"bin_id": "NK-0002", "event_id": "light", "problem": "no credited event"},
        UNFOLDED,
    ),
    "a transfer to somebody else": Damage(
        MATCH,
        ("UPDATE transfer SET owner_id = {city.late_id}, credit_account_id = {city.late_id} WHERE event_id = 'first'",),
        {"bin_id": "NK-0001", "event_id": "first", "problem": "another owner"},
        frozenset({"wallets_equal_their_transfers"}),
    ),
    "a transfer of other coins": Damage(
        MATCH,
        ("UPDATE transfer SET coins = coins + 1 WHERE event_id = 'late'",),
        {"bin_id": "NK-0002", "event_id": "late", "problem": "other coins"},
        LEDGER,
    ),
    "an event that was credited twice": Damage(
        ONCE,
        (
            "INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)"
            " SELECT owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id"
            " FROM transfer WHERE event_id = 'old'",
            "UPDATE wallet SET posted = posted + 199 WHERE owner_id = {city.resident_id}",
        ),
        {"bin_id": "NK-0002", "event_id": "old", "transfers": 2},
    ),
    "coins that do not follow from the weight": Damage(
        COINS,
        (FREE_COINS, "UPDATE weigh_event SET coins = 1 WHERE event_id = 'unclaimed'"),
        {"bin_id": "NK-0002", "event_id": "unclaimed", "weight_grams": 1250, "coins": 1},
        CONSTRAINTS,
    ),
    "coins that were rounded up": Damage(
        COINS,
        (
            FREE_COINS,
            "UPDATE weigh_event SET coins = coins + 1 WHERE event_id = 'old'",
            "UPDATE transfer SET coins = coins + 1 WHERE event_id = 'old'",
            "UPDATE wallet SET posted = posted + 1 WHERE owner_id = {city.resident_id}",
            "UPDATE coin_volume SET issued_coins = issued_coins + 1"
            " WHERE kind = 'credit' AND day ="
            " (SELECT (created_at AT TIME ZONE 'Asia/Shanghai')::date FROM transfer WHERE event_id = 'old')",
        ),
        {"bin_id": "NK-0002", "event_id": "old", "weight_grams": 1999, "coins_per_kg": 100, "coins": 200},
        CONSTRAINTS | {DAYS},
    ),
    "a tariff that was edited": Damage(
        COINS,
        ("UPDATE tariff SET coins_per_kg = 121 WHERE material_id = 'plastic'",),
        {"bin_id": "NK-0002", "event_id": "plastic", "coins_per_kg": 120, "coins_per_kg_in_force": 121},
    ),
    "a tariff that was slipped in afterwards": Damage(
        COINS,
        ("INSERT INTO tariff SELECT 'paper', now() - interval '3 days', 99",),
        {"bin_id": "NK-0002", "event_id": "late-too", "coins_per_kg": 100, "coins_per_kg_in_force": 99},
    ),
    "a tariff that was deleted": Damage(
        COINS,
        ("DELETE FROM tariff WHERE material_id = 'glass'",),
        {"bin_id": "NK-0002", "event_id": "glass", "coins_per_kg": 30, "coins_per_kg_in_force": None},
    ),
    "a held event with coins that no tariff gives": Damage(
        COINS,
        (
            "INSERT INTO tariff SELECT 'glass', now() - interval '3 days', 20",
            "UPDATE weigh_event SET coins_per_kg = 21, coins = 26 WHERE event_id = 'held'",
        ),
        {"bin_id": "NK-0002", "event_id": "held", "coins_per_kg": 21, "coins_per_kg_in_force": 20},
    ),
    "an event of a bin that is not there": Damage(
        WHOLE,
        (
            "UPDATE weigh_event SET bin_id = 'NK-0009' WHERE event_id = 'old'",
            "UPDATE transfer SET bin_id = 'NK-0009' WHERE event_id = 'old'",
        ),
        {"bin_id": "NK-0009", "event_id": "old", "problem": "no such bin"},
        frozenset({"events_are_of_the_site_of_their_time"}),
    ),
    "an event at a site that is not there": Damage(
        WHOLE,
        ("UPDATE weigh_event SET site_id = 'nowhere' WHERE event_id = 'unfolded'",),
        {"bin_id": "NK-0002", "event_id": "unfolded", "problem": "no such site"},
        frozenset({"events_are_of_the_site_of_their_time"}),
    ),
    "an event of a material that is not there": Damage(
        WHOLE,
        ("UPDATE weigh_event SET material_id = 'gold' WHERE event_id = 'held'",),
        {"bin_id": "NK-0002", "event_id": "held", "problem": "no such material"},
        frozenset({"volumes_equal_events"}),
    ),
    "an event of no weight": Damage(
        WHOLE,
        (
            "ALTER TABLE weigh_event DROP CONSTRAINT ck_weigh_event_weight_grams",
            "UPDATE weigh_event SET weight_grams = 0 WHERE event_id = 'held'",
        ),
        {"bin_id": "NK-0002", "event_id": "held", "problem": "no weight"},
        CONSTRAINTS | {"volumes_equal_events"},
    ),
    "an event of an unknown outcome": Damage(
        WHOLE,
        (
            "ALTER TABLE weigh_event DROP CONSTRAINT ck_weigh_event_outcome, DROP CONSTRAINT ck_weigh_event_verdict",
            "UPDATE weigh_event SET outcome = 'lost' WHERE event_id = 'unclaimed'",
        ),
        {"bin_id": "NK-0002", "event_id": "unclaimed", "problem": "no such outcome"},
        CONSTRAINTS,
    ),
    "a credited event of nobody": Damage(
        WHOLE,
        (FREE_RESIDENT, "UPDATE weigh_event SET resident_id = NULL WHERE event_id = 'light'"),
        {"bin_id": "NK-0002", "event_id": "light", "problem": "no such resident"},
        CONSTRAINTS | {DAYS, "resident_volumes_equal_events"},
    ),
    "an unclaimed event of somebody": Damage(
        WHOLE,
        (FREE_RESIDENT, "UPDATE weigh_event SET resident_id = {city.late_id} WHERE event_id = 'unclaimed'"),
        {"bin_id": "NK-0002", "event_id": "unclaimed", "problem": "a resident, and not credited"},
        CONSTRAINTS,
    ),
    "an unclaimed event of a stranger": Damage(
        WHOLE,
        (FREE_RESIDENT, "UPDATE weigh_event SET resident_id = 999999 WHERE event_id = 'unclaimed'"),
        {"bin_id": "NK-0002", "event_id": "unclaimed", "problem": "a resident, and not credited"},
        CONSTRAINTS,
    ),
    "a conflict with an event that is not there": Damage(
        CONFLICTS,
        ("UPDATE weigh_event_conflict SET event_id = 'invented'",),
        {"bin_id": "NK-0001", "event_id": "invented", "problem": "no such event"},
    ),
    "a conflict that is none": Damage(
        CONFLICTS,
        (
            "UPDATE weigh_event_conflict SET content_digest ="
            " (SELECT content_digest FROM weigh_event WHERE event_id = 'first')",
        ),
        {"bin_id": "NK-0001", "event_id": "first", "problem": "the same content"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_event_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
