"""What is remembered of bins, what is missing of their events, and what was in their boxes."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed

REMEMBERED = "bins_are_remembered"
WITHIN = "events_are_within_the_count"
CAME = "nothing_is_missing_that_came"
COUNTED = "gaps_are_counted"
WHOLE = "emptyings_are_whole"
AGAINST = "emptyings_are_held_against_the_drops"

# The city's bins lost many events; of the box that was emptied twice none in between.
GAP = "(SELECT min(id) FROM sequence_gap WHERE bin_id = 'NK-0001' AND closed_at IS NULL)"
FILLED = "(SELECT sequence FROM weigh_event WHERE event_id = 'filled')"


DAMAGES = {
    "a bin without a memory": Damage(
        REMEMBERED,
        (
            "INSERT INTO bin (id, site_id, placed_at, verification_interval_grams, capacity_grams)"
            " SELECT 'NK-0009', site_id, placed_at, 10, 60000 FROM bin WHERE id = 'NK-0001'",
            "INSERT INTO bin_placement (bin_id, effective_from, site_id)"
            " SELECT id, placed_at, site_id FROM bin WHERE id = 'NK-0009'",
        ),
        {"bin_id": "NK-0009", "problem": "no memory"},
    ),
    "a memory of no bin": Damage(
        REMEMBERED,
        ("INSERT INTO bin_memory (bin_id) VALUES ('NK-0009')",),
        {"bin_id": "NK-0009", "problem": "no such bin"},
    ),
    "a drop above the count": Damage(
        WITHIN,
        ("UPDATE weigh_event SET sequence = 9999999 WHERE event_id = 'filled'",),
        {"bin_id": "NK-0001", "event_id": "filled", "kind": "drop", "sequence": 9999999},
        frozenset({AGAINST}),
    ),
    "an emptying of a count that was not begun": Damage(
        WITHIN,
        ("UPDATE clearance SET epoch = 3 WHERE event_id = 'emptied'",),
        {"bin_id": "NK-0001", "event_id": "emptied", "kind": "emptying", "epoch": 3, "epoch_remembered": 0},
        frozenset({AGAINST}),
    ),
    "a gap in which a drop lies": Damage(
        CAME,
        (f"UPDATE sequence_gap SET first_sequence = {FILLED}, last_sequence = {FILLED} WHERE id = {GAP}",),
        {"bin_id": "NK-0001", "event_id": "filled", "kind": "drop"},
    ),
    "a gap in which an emptying lies": Damage(
        CAME,
        (f"UPDATE sequence_gap SET first_sequence = {FILLED} - 1, last_sequence = {FILLED} - 1 WHERE id = {GAP}",),
        {"bin_id": "NK-0001", "event_id": "emptied", "kind": "emptying"},
    ),
    "a gap that was closed and is still counted": Damage(
        COUNTED,
        (f"UPDATE sequence_gap SET closed_at = now() WHERE id = {GAP}",),
        {"bin_id": "NK-0001"},
    ),
    "a gap that is there twice": Damage(
        COUNTED,
        (
            "INSERT INTO sequence_gap (bin_id, epoch, first_sequence, last_sequence, opened_at, before_at)"
            " SELECT bin_id, epoch, last_sequence, last_sequence, opened_at, before_at FROM sequence_gap"
            f" WHERE id = {GAP}",
            "UPDATE bin_memory SET gaps_open = gaps_open + 1 WHERE bin_id = 'NK-0001'",
        ),
        {"bin_id": "NK-0001", "overlapping": 1, "beyond": 0},
    ),
    "a gap of what was not given yet": Damage(
        COUNTED,
        (f"UPDATE sequence_gap SET last_sequence = 9999999, first_sequence = 9999999 WHERE id = {GAP}",),
        {"bin_id": "NK-0001", "overlapping": 0, "beyond": 1},
    ),
    "more gaps than are kept open": Damage(
        COUNTED,
        (
            "INSERT INTO sequence_gap (bin_id, epoch, first_sequence, last_sequence, opened_at, before_at)"
            " SELECT 'NK-0002', 0, number, number, now(), now() FROM generate_series(1000001, 1000200, 2) AS number",
            "UPDATE bin_memory SET gaps_open = gaps_open + 100, sequence = 2000000 WHERE bin_id = 'NK-0002'",
        ),
        {"bin_id": "NK-0002", "overlapping": 0, "beyond": 0},
    ),
    "an emptying at a site that is not there": Damage(
        WHOLE,
        ("UPDATE clearance SET site_id = 'nowhere' WHERE event_id = 'of-gold'",),
        {"bin_id": "NK-0001", "event_id": "of-gold", "problem": "no such site"},
        frozenset({"events_are_of_the_site_of_their_time"}),
    ),
    "an emptying of a bin that is not there": Damage(
        WHOLE,
        ("UPDATE clearance SET bin_id = 'NK-0009' WHERE event_id = 'of-gold'",),
        {"bin_id": "NK-0009", "event_id": "of-gold", "problem": "no such bin"},
        frozenset({"events_are_of_the_site_of_their_time"}),
    ),
    "a recorded emptying of a material that is not there": Damage(
        WHOLE,
        ("UPDATE clearance SET outcome = 'recorded' WHERE event_id = 'of-gold'",),
        {"bin_id": "NK-0001", "event_id": "of-gold", "problem": "no such material"},
    ),
    "a conflict with an emptying that is not there": Damage(
        WHOLE,
        ("UPDATE clearance_conflict SET event_id = 'invented'",),
        {"bin_id": "NK-0001", "event_id": "invented", "problem": "a conflict with nothing"},
    ),
    "a conflict of emptyings that is none": Damage(
        WHOLE,
        (
            "UPDATE clearance_conflict SET content_digest ="
            " (SELECT content_digest FROM clearance WHERE event_id = 'emptied')",
        ),
        {"bin_id": "NK-0001", "event_id": "emptied", "problem": "a conflict that is none"},
    ),
    "an emptying that was expected to hold less": Damage(
        AGAINST,
        ("UPDATE clearance SET expected_grams = expected_grams - 1 WHERE event_id = 'emptied-again'",),
        {"bin_id": "NK-0001", "event_id": "emptied-again", "expected_grams": 6349, "grams_of_drops": 6350},
    ),
    "a mass that was left and is changed later": Damage(
        AGAINST,
        ("UPDATE clearance SET mass_after_grams = 0 WHERE event_id = 'emptied'",),
        {"bin_id": "NK-0001", "event_id": "emptied-again", "expected_grams": 6350, "grams_of_drops": 6250},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_bin_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
