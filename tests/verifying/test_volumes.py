"""Folded sums, and how far folding has come."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings
from tests.folding.drops import fold_all
from tests.verifying.city import City
from tests.verifying.damage import Damage, as_superuser, assert_noticed, breaches

POSITION = "fold_position_is_sound"
VOLUMES = "volumes_equal_events"
MONTHS_OF_DAYS = "month_volumes_equal_volumes"
RESIDENTS = "resident_volumes_equal_events"
DAYS = "resident_days_equal_events"
COINS = "coin_volumes_equal_transfers"
TOTAL = "wallets_hold_what_was_issued"

MONTHS = {"lines_are_their_merchants", "nothing_is_left_unsettled", "statements_show_what_is_uncovered"}
FUTURE = 2**60
TODAY = "day = (SELECT (created_at AT TIME ZONE 'Asia/Shanghai')::date FROM transfer WHERE event_id = 'old')"

DAMAGES = {
    "a volume with a gram too many": Damage(
        VOLUMES,
        ("UPDATE volume SET grams = grams + 1 WHERE material_id = 'plastic'",),
        {"site_id": "site-1", "material_id": "plastic", "source": "bin", "grams": 778, "grams_of_events": 777},
        frozenset({MONTHS_OF_DAYS}),
    ),
    "a volume with a drop too few": Damage(
        VOLUMES,
        ("UPDATE volume SET drops = drops - 1 WHERE material_id = 'plastic'",),
        {"material_id": "plastic", "drops": 0, "drops_of_events": 1},
        frozenset({MONTHS_OF_DAYS}),
    ),
    "a volume that is gone": Damage(
        VOLUMES,
        ("DELETE FROM volume WHERE material_id = 'plastic'",),
        {"material_id": "plastic", "grams": None, "grams_of_events": 777},
        frozenset({MONTHS_OF_DAYS}),
    ),
    "a volume that nothing was dropped for": Damage(
        VOLUMES,
        ("INSERT INTO volume VALUES ('2020-01-01', 'site-1', 'paper', 'bin', 5, 1)",),
        {"day": "2020-01-01", "material_id": "paper", "grams": 5, "grams_of_events": None},
        frozenset({MONTHS_OF_DAYS}),
    ),
    "a volume on another day": Damage(
        VOLUMES,
        ("UPDATE volume SET day = day - 365 WHERE material_id = 'plastic'",),
        {"material_id": "plastic", "grams": 777, "grams_of_events": None},
        frozenset({MONTHS_OF_DAYS}),
    ),
    "an event that was changed after it was folded": Damage(
        VOLUMES,
        ("UPDATE weigh_event SET weight_grams = weight_grams + 1 WHERE event_id = 'held'",),
        {"material_id": "glass", "held_grams": 1250, "held_grams_of_events": 1251},
    ),
    "a held drop that is held no more": Damage(
        VOLUMES,
        ("UPDATE volume SET held_drops = held_drops - 1 WHERE held_drops = 2",),
        {"material_id": "metal", "held_drops": 1, "held_drops_of_events": 2},
        frozenset({MONTHS_OF_DAYS}),
    ),
    "a release that was folded on another day": Damage(
        VOLUMES,
        ("UPDATE volume SET day = day + 1 WHERE day = '2019-01-04'",),
        {"day": "2019-01-04", "material_id": "metal", "grams": None, "grams_of_events": 1250},
    ),
    "a month with a gram too many": Damage(
        MONTHS_OF_DAYS,
        ("UPDATE volume_month SET grams = grams + 1 WHERE material_id = 'plastic'",),
        {"site_id": "site-1", "material_id": "plastic", "source": "bin", "grams": 778, "grams_of_days": 777},
    ),
    "a month with a drop too few": Damage(
        MONTHS_OF_DAYS,
        ("UPDATE volume_month SET drops = drops - 1 WHERE material_id = 'plastic'",),
        {"material_id": "plastic", "drops": 0, "drops_of_days": 1},
    ),
    "a month with grams held that are not": Damage(
        MONTHS_OF_DAYS,
        ("UPDATE volume_month SET held_grams = held_grams + 1 WHERE material_id = 'plastic'",),
        {"material_id": "plastic", "held_grams": 1, "held_grams_of_days": 0},
    ),
    "a month with a drop held that is not": Damage(
        MONTHS_OF_DAYS,
        ("UPDATE volume_month SET held_drops = held_drops + 1 WHERE material_id = 'plastic'",),
        {"material_id": "plastic", "held_drops": 1, "held_drops_of_days": 0},
    ),
    "a month that is gone": Damage(
        MONTHS_OF_DAYS,
        ("DELETE FROM volume_month WHERE material_id = 'plastic'",),
        {"material_id": "plastic", "grams": None, "grams_of_days": 777},
    ),
    "a month that no day is of": Damage(
        MONTHS_OF_DAYS,
        ("INSERT INTO volume_month VALUES ('site-1', '2018-02-01', 'paper', 'bin', 5, 1, 0, 0)",),
        {"month": "2018-02-01", "material_id": "paper", "grams": 5, "grams_of_days": None},
    ),
    "a resident's grams that are another's": Damage(
        RESIDENTS,
        (
            "UPDATE resident_volume SET owner_id = {city.late_id}"
            " WHERE owner_id = {city.resident_id} AND material_id = 'plastic'",
        ),
        {"owner_id": "{city.resident_id}", "material_id": "plastic", "grams": None, "grams_of_events": 777},
    ),
    "a resident's grams without what waited for the card": Damage(
        RESIDENTS,
        ("UPDATE resident_volume SET grams = 1250 WHERE owner_id = {city.late_id}",),
        {"owner_id": "{city.late_id}", "material_id": "paper", "grams": 1250, "grams_of_events": 5250},
    ),
    "an account's day with a coin too few": Damage(
        DAYS,
        ("UPDATE resident_day SET coins = coins - 1 WHERE owner_id = {city.late_id} AND grams = 4000",),
        {"owner_id": "{city.late_id}", "grams": 4000, "coins": 439, "coins_of_events": 440},
    ),
    "a released drop on the day that its bin believed": Damage(
        DAYS,
        ("UPDATE resident_day SET day = '2019-01-01' WHERE day = '2019-01-04'",),
        {"day": "2019-01-01", "drops": 1, "drops_of_events": None},
    ),
    "coins issued that were not": Damage(
        COINS,
        (f"UPDATE coin_volume SET issued_coins = issued_coins + 1 WHERE kind = 'credit' AND {TODAY}",),
        {"kind": "credit", "account_id": 1},
        frozenset({TOTAL}),
    ),
    "coins spent at another merchant": Damage(
        COINS,
        (
            "UPDATE coin_volume SET spent_coins = spent_coins"
            " + CASE account_id WHEN {city.shop_account_id} THEN 1 ELSE -1 END"
            " WHERE kind = 'redemption' AND account_id <> {city.kiosk_account_id}",
        ),
        {"kind": "redemption", "account_id": "{city.shop_account_id}", "spent_coins": 402, "spent_by_transfers": 401},
    ),
    "a transfer that was counted twice": Damage(
        COINS,
        ("UPDATE coin_volume SET transfers = transfers + 1 WHERE account_id = {city.other_shop_account_id}",),
        {"kind": "redemption", "transfers": 2, "transfers_counted": 1},
    ),
    "a wallet with a coin that nobody issued": Damage(
        TOTAL,
        ("UPDATE wallet SET posted = posted + 1 WHERE owner_id = {city.late_id}",),
        {},
        frozenset({"wallets_equal_their_transfers"}),
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_sum_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)


SUMS = frozenset({VOLUMES, RESIDENTS, COINS})
POSITIONS = {
    "a position ahead of what has committed": Damage(
        POSITION,
        (f"UPDATE fold_position SET xid = {FUTURE}",),
        {"place": "fold_position", "xid": FUTURE},
    ),
    "a position that is gone": Damage(
        POSITION,
        ("DELETE FROM fold_position",),
        {"place": "fold_position", "xid": None},
        SUMS,
    ),
    "an event with another cluster's id": Damage(
        POSITION,
        (f"UPDATE weigh_event SET xid = {FUTURE} WHERE event_id = 'first'",),
        {"place": "weigh_event.xid", "xid": FUTURE},
        frozenset({VOLUMES, RESIDENTS}),
    ),
    "a claim with another cluster's id": Damage(
        POSITION,
        (f"UPDATE weigh_event SET claimed_xid = {FUTURE} WHERE event_id = 'late'",),
        {"place": "weigh_event.claimed_xid", "xid": FUTURE},
        frozenset({RESIDENTS}),
    ),
    "a decision with another cluster's id": Damage(
        POSITION,
        (f"UPDATE review_decision SET xid = {FUTURE} WHERE event_id = 'doubt-released'",),
        {"place": "review_decision.xid", "xid": FUTURE},
        frozenset({VOLUMES}),
    ),
    "a transfer with another cluster's id": Damage(
        POSITION,
        (f"UPDATE transfer SET xid = {FUTURE} WHERE event_id = 'first'",),
        {"place": "transfer.xid", "xid": FUTURE},
        frozenset({COINS, TOTAL}),
    ),
}


@pytest.mark.parametrize("damage", POSITIONS.values(), ids=POSITIONS)
async def test_what_folding_can_never_reach_is_noticed(
    damage: Damage, city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await fold_all(engine, settings)
    assert await breaches(engine, settings) == {}
    await assert_noticed(damage, city, admin_engine)


async def test_days_are_of_the_business_timezone(city: City, engine: AsyncEngine, settings: Settings) -> None:
    # On the other side of the world some of it was another day, whatever the time is now; and perhaps another month.
    found = {
        name
        for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago")
        for name in await breaches(engine, settings.model_copy(update={"business_timezone": zone}))
    }
    assert found - MONTHS == {VOLUMES, DAYS, COINS, "merchant_days_add_up", "limited_days_are_counted"}


async def test_what_is_not_folded_yet_is_no_breach(
    city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await as_superuser(
        admin_engine,
        "UPDATE fold_position SET xid = 3",
        "DELETE FROM volume",
        "DELETE FROM volume_month",
        "DELETE FROM resident_volume",
        "DELETE FROM coin_volume",
    )
    assert await breaches(engine, settings) == {}
    await fold_all(engine, settings)
    assert await breaches(engine, settings) == {}
