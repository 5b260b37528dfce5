"""Bins' keys, claim codes and places."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed, breaches_after

KEYS = "bins_sign_with_their_keys"
PLACES = "bins_stand_where_they_were_put"
SITES = "events_are_of_the_site_of_their_time"

ANOTHER_SITE = (
    "INSERT INTO site (id, area_id, kind, name, name_en)"
    " SELECT 'elsewhere', area_id, kind, name, name_en FROM site WHERE id = 'site-1'"
)


def moved(effective_from: str, created_at: str) -> tuple[str, ...]:
    """The bin of the event 'first' was put elsewhere."""
    return (
        ANOTHER_SITE,
        "INSERT INTO bin_placement (bin_id, effective_from, site_id, created_at)"
        f" VALUES ('NK-0001', {effective_from}, 'elsewhere', {created_at})",
        f"UPDATE bin SET site_id = 'elsewhere', placed_at = {effective_from} WHERE id = 'NK-0001'",
    )


def key(keyid: str, valid_from: str) -> str:
    return (
        "INSERT INTO bin_key (id, bin_id, algorithm, key, valid_from)"
        f" VALUES ('{keyid}', 'NK-0001', 'hmac-sha256', '{keyid}', {valid_from})"
    )


DAMAGES = {
    "a third key": Damage(
        KEYS,
        (key("second", "now()"), key("third", "now()")),
        {"bin_id": "NK-0001", "state": "active", "valid_keys": 3},
    ),
    "a key of a bin that nobody has claimed": Damage(
        KEYS,
        ("UPDATE bin SET state = 'registered' WHERE id = 'NK-0001'",),
        {"bin_id": "NK-0001", "state": "registered", "valid_keys": 1},
    ),
    "a key of a bin that is retired": Damage(
        KEYS,
        ("UPDATE bin SET state = 'retired' WHERE id = 'NK-0001'",),
        {"bin_id": "NK-0001", "state": "retired", "valid_keys": 1},
    ),
    "a claim code of a bin that is retired": Damage(
        KEYS,
        (
            "UPDATE bin SET state = 'retired' WHERE id = 'NK-0001'",
            "UPDATE bin_key SET valid_until = now() WHERE bin_id = 'NK-0001'",
            "INSERT INTO bin_claim (code_hash, bin_id, expires_at) VALUES ('x', 'NK-0001', now())",
        ),
        {"bin_id": "NK-0001", "valid_keys": 0, "claim_code": True},
    ),
    "a bin that was moved by hand": Damage(
        PLACES,
        (ANOTHER_SITE, "UPDATE bin SET site_id = 'elsewhere' WHERE id = 'NK-0002'"),
        {"bin_id": "NK-0002", "site_id": "elsewhere", "put_at": "site-1"},
    ),
    "a bin that was put nowhere": Damage(
        PLACES,
        ("DELETE FROM bin_placement WHERE bin_id = 'NK-0002'",),
        {"bin_id": "NK-0002", "put_at": None},
        frozenset({SITES}),
    ),
    "an event of another site": Damage(
        SITES,
        (ANOTHER_SITE, "UPDATE weigh_event SET site_id = 'elsewhere' WHERE event_id = 'first'"),
        {"bin_id": "NK-0001", "event_id": "first", "site_id": "elsewhere"},
        frozenset({"volumes_equal_events"}),
    ),
    "an event of where the bin stood no longer": Damage(
        SITES,
        moved(
            "(SELECT occurred_at FROM weigh_event WHERE event_id = 'first')",
            "(SELECT received_at FROM weigh_event WHERE event_id = 'first') - interval '61 seconds'",
        ),
        {"bin_id": "NK-0001", "site_id": "site-1"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)


@pytest.mark.parametrize("effective_from", ["now()", "now() - interval '2 days'"])
async def test_a_move_that_is_told_today_moves_nothing_that_is_stored(
    effective_from: str, city: City, superuser: AsyncEngine
) -> None:
    assert await breaches_after(superuser, *moved(effective_from, "now()")) == {}


async def test_a_key_after_another_and_a_secret_that_waits_are_in_order(city: City, superuser: AsyncEngine) -> None:
    assert await breaches_after(superuser, key("second", "now()"), key("third", "NULL")) == {}
