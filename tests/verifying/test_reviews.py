"""Held drops and what was decided about them."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed

HELD = "held_events_have_their_review"
DECIDED = "reviews_follow_their_decisions"
EARNED = "released_drops_earn_by_their_tariff"
MATCH = "credited_events_match_transfers"
VOLUMES = "volumes_equal_events"
DAYS = "resident_days_equal_events"

DAMAGES = {
    "a held event that nobody can decide": Damage(
        HELD,
        ("DELETE FROM held_event WHERE event_id = 'doubt-open'",),
        {"event_id": "doubt-open", "problem": "no review"},
    ),
    "a review of an event that is not there": Damage(
        HELD,
        ("UPDATE held_event SET event_id = 'invented' WHERE event_id = 'doubt-coins-open'",),
        {"event_id": "invented", "problem": "no event"},
    ),
    "a held event that was let through": Damage(
        HELD,
        ("UPDATE weigh_event SET outcome = 'unclaimed' WHERE event_id = 'doubt-open'",),
        {"event_id": "doubt-open", "problem": "another outcome"},
    ),
    "a rejected event that is held again": Damage(
        HELD,
        ("UPDATE weigh_event SET outcome = 'held' WHERE event_id = 'doubt-again'",),
        {"event_id": "doubt-again", "problem": "another outcome"},
    ),
    "a released event that is rejected": Damage(
        HELD,
        ("UPDATE weigh_event SET outcome = 'rejected', resident_id = NULL WHERE event_id = 'doubt-released'",),
        {"event_id": "doubt-released", "problem": "another outcome"},
        frozenset({MATCH, DAYS, "resident_volumes_equal_events"}),
    ),
    "coins that waited and were rejected, and were paid": Damage(
        HELD,
        (
            "UPDATE weigh_event SET outcome = 'credited', resident_id = {city.late_id}"
            " WHERE event_id = 'doubt-coins-rejected'",
            "UPDATE held_event SET resident_id = NULL WHERE event_id = 'doubt-coins-rejected'",
        ),
        {"event_id": "doubt-coins-rejected", "problem": "another outcome"},
        frozenset({MATCH, DAYS, "resident_volumes_equal_events"}),
    ),
    "a release to somebody else": Damage(
        HELD,
        ("UPDATE held_event SET resident_id = {city.late_id} WHERE event_id = 'doubt-released'",),
        {"event_id": "doubt-released", "problem": "another resident"},
    ),
    "a reason that is not the event's": Damage(
        HELD,
        ("UPDATE held_event SET findings = '[]' WHERE event_id = 'doubt-open'",),
        {"event_id": "doubt-open", "problem": "another code"},
    ),
    "a decision on what was never held": Damage(
        DECIDED,
        ("UPDATE review_decision SET event_id = 'first', bin_id = 'NK-0001' WHERE event_id = 'doubt-coins-rejected'",),
        {"event_id": "doubt-coins-rejected", "problem": "another state"},
    ),
    "a decision by nobody": Damage(
        DECIDED,
        ("UPDATE review_decision SET decided_by = gen_random_uuid() WHERE event_id = 'doubt-rejected'",),
        {"event_id": "doubt-rejected", "problem": "nobody knows by whom"},
    ),
    "an appeal that its own rejecter has decided": Damage(
        DECIDED,
        (
            "UPDATE review_decision SET decided_by = (SELECT decided_by FROM review_decision AS first"
            " WHERE first.event_id = 'doubt-upheld' AND ordinal = 1) WHERE event_id = 'doubt-upheld'",
        ),
        {"event_id": "doubt-upheld", "problem": "the same operator"},
    ),
    "a second decision after a release": Damage(
        DECIDED,
        (
            "INSERT INTO review_decision (bin_id, event_id, ordinal, decision, reason, decided_by)"
            " SELECT first.bin_id, first.event_id, 2, 'rejected', 'no', other.decided_by"
            " FROM review_decision AS first, review_decision AS other"
            " WHERE first.event_id = 'doubt-released' AND other.event_id = 'doubt-upheld' AND other.ordinal = 2",
        ),
        {"event_id": "doubt-released", "problem": "nothing to decide again"},
    ),
    "a decision from before the drop was held": Damage(
        DECIDED,
        ("UPDATE review_decision SET decided_at = decided_at - interval '1 day' WHERE event_id = 'doubt-rejected'",),
        {"event_id": "doubt-rejected", "problem": "out of order"},
    ),
    "a second decision without an appeal": Damage(
        DECIDED,
        ("UPDATE held_event SET appeal = NULL, appealed_at = NULL WHERE event_id = 'doubt-righted'",),
        {"event_id": "doubt-righted", "problem": "out of order"},
    ),
    "a rejection that may be appealed again": Damage(
        DECIDED,
        ("UPDATE held_event SET state = 'rejected' WHERE event_id = 'doubt-upheld'",),
        {"event_id": "doubt-upheld", "problem": "another state"},
    ),
    "an appeal that is not in the queue": Damage(
        DECIDED,
        ("UPDATE held_event SET state = 'rejected' WHERE event_id = 'doubt-again'",),
        {"event_id": "doubt-again", "problem": "another state"},
    ),
    "a release that earned more than its grams": Damage(
        EARNED,
        ("UPDATE review_decision SET coins = coins + 1 WHERE event_id = 'doubt-nobodys'",),
        {"event_id": "doubt-nobodys", "coins_per_kg": 150, "weight_grams": 1250, "coins": 188},
    ),
    "a release by another tariff": Damage(
        EARNED,
        ("UPDATE review_decision SET coins_per_kg = 160, coins = 200 WHERE event_id = 'doubt-nobodys'",),
        {"event_id": "doubt-nobodys", "coins_per_kg": 160, "coins_per_kg_in_force": 150},
    ),
    "a release at a site that is not there": Damage(
        EARNED,
        ("UPDATE review_decision SET site_id = 'nowhere' WHERE event_id = 'doubt-nobodys'",),
        {"event_id": "doubt-nobodys", "site_id": "nowhere"},
        frozenset({VOLUMES}),
    ),
    "a drop that was weighed after it was told": Damage(
        EARNED,
        (
            "UPDATE review_decision SET placed_at = (SELECT received_at FROM weigh_event"
            " WHERE event_id = 'doubt-nobodys') + interval '1 microsecond' WHERE event_id = 'doubt-nobodys'",
        ),
        {"event_id": "doubt-nobodys"},
    ),
    "coins alone that counted at another time": Damage(
        EARNED,
        (
            "UPDATE review_decision SET placed_at = placed_at - interval '1 microsecond'"
            " WHERE event_id = 'doubt-coins-released'",
        ),
        {"event_id": "doubt-coins-released"},
    ),
    "a release whose coins are not those of its transfer": Damage(
        MATCH,
        ("UPDATE review_decision SET coins_per_kg = 8, coins = 10 WHERE event_id = 'doubt-priced'",),
        {"event_id": "doubt-priced", "problem": "other coins"},
        frozenset({DAYS}),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_review_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
