"""Limits as commands meet them, one after the other in one transaction or in several. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.redemption.desk import ANNA, BERT, HOLD, MACHINE, OTHER, SHOP, TODAY, Desk, limit_of, offer_of

TICK = timedelta(microseconds=1)
MIDNIGHT = "2026-03-02T16:00:00Z"


def test_one_redemption_may_take_so_much() -> None:
    desk = Desk(limits=[limit_of("redemption", 100)], offers=[offer_of(101)])
    code = desk.new_code(ANNA)
    for price in (101, "soap"):
        with desk.declines("redemption_limit", limit_coins=100):
            desk.own(ANNA, price)
        with desk.declines("redemption_limit", limit_coins=100):
            desk.take(code, price, capture=False)
    for _ in range(2):
        desk.own(ANNA, 100)


def test_a_residents_day_is_one_day_at_all_merchants() -> None:
    desk = Desk(limits=[limit_of("resident_day", 100)])
    desk.own(ANNA, 60)
    held = desk.hold(ANNA, 30, merchant=OTHER)
    with desk.declines("resident_day_limit", limit_coins=100, frees_at=MIDNIGHT):
        desk.own(ANNA, 11)
    desk.own(BERT, 100)
    # What a part capture leaves is free again, at once.
    desk.capture(held, 10, merchant=OTHER, machine_id=MACHINE)
    with desk.declines("resident_day_limit"):
        desk.own(ANNA, 31)
    desk.own(ANNA, 30)
    desk.commit(seconds=12 * 3600)
    desk.own(ANNA, 100)


def test_a_merchants_day_is_of_all_its_residents() -> None:
    desk = Desk(limits=[limit_of("merchant_day", 100, merchant_id=SHOP.id)])
    held = desk.hold(ANNA, 60)
    desk.own(BERT, 40)
    with desk.declines("merchant_day_limit", limit_coins=100, frees_at=MIDNIGHT):
        desk.own(BERT, 1)
    desk.own(BERT, 100, merchant=OTHER)
    desk.capture(held, 50, machine_id=MACHINE)
    with desk.declines("merchant_day_limit"):
        desk.own(BERT, 11)
    desk.own(BERT, 10)
    assert desk.day_of(SHOP, TODAY) == 100
    desk.commit(seconds=12 * 3600)
    desk.own(BERT, 100)


def test_the_limit_that_frees_first_is_told_and_the_wallet_last() -> None:
    """A resident who may not have it is not told that they could not pay."""
    limits = [limit_of("redemption", 90), limit_of("resident_day", 80), limit_of("merchant_day", 70)]
    desk = Desk(10, limits=limits, offers=[offer_of(60, stock_left=0)])
    for price, code in ((91, "redemption_limit"), (81, "resident_day_limit"), (71, "merchant_day_limit")):
        with desk.declines(code):
            desk.own(ANNA, price)
    with desk.declines("out_of_stock"):
        desk.own(ANNA, "soap")
    with desk.declines("insufficient_coins"):
        desk.own(ANNA, 70)


def test_a_limit_of_nothing_lets_nothing_through_and_one_of_none_everything() -> None:
    limits = [limit_of("redemption", 0), limit_of("redemption", None, merchant_id=OTHER.id)]
    desk = Desk(limits=limits)
    with desk.declines("redemption_limit", limit_coins=0):
        desk.own(ANNA, 1)
    desk.own(ANNA, 500, merchant=OTHER)


@pytest.mark.parametrize("kind", ["redemption", "resident_day", "merchant_day"])
def test_a_limit_holds_from_its_moment_and_touches_nothing_that_was(kind: Any) -> None:
    begins_at = datetime(2026, 3, 2, 16, tzinfo=UTC)
    desk = Desk(limits=[limit_of(kind, 10, at=begins_at)], at=begins_at - TICK)
    held = desk.hold(ANNA, 200)
    desk.own(ANNA, 100)
    wallet = desk.book.wallet(ANNA)
    desk.commit(seconds=0.000001)
    assert desk.book.wallet(ANNA) == wallet
    # Yesterday's do not count, and what was granted then is captured whole.
    with desk.declines(f"{kind}_limit", limit_coins=10):
        desk.own(ANNA, 11)
    desk.own(ANNA, 10)
    assert desk.capture(held).captured_coins == 200


def test_yesterdays_hold_is_of_yesterday_whatever_becomes_of_it() -> None:
    before_midnight = datetime(2026, 3, 2, 15, 59, 59, tzinfo=UTC)
    desk = Desk(limits=[limit_of("resident_day", 100), limit_of("merchant_day", 100)], at=before_midnight)
    held = [desk.hold(ANNA, 30) for _ in range(3)]
    desk.commit(seconds=1)
    desk.own(ANNA, 100)
    desk.capture(held[0], 10)
    desk.void(held[1])
    desk.commit(seconds=HOLD)
    desk.capture(held[2], 25, machine_id=MACHINE)
    assert desk.facts.usage[ANNA].coins == 100
    assert [desk.day_of(SHOP, day) for day in (TODAY, TODAY + timedelta(days=1))] == [35, 100]


def test_no_count_of_a_day_keeps_a_hold_from_being_released() -> None:
    """As where a process that did not know of the limit yet had granted it."""
    desk = Desk(limits=[limit_of("merchant_day", 100)])
    held = desk.hold(ANNA, 30)
    desk.facts.merchant_days[SHOP.id, TODAY] = 7
    desk.void(held)
    assert desk.day_of(SHOP, TODAY) == 0


def test_what_is_told_late_counts_for_the_commands_after_it() -> None:
    desk = Desk(limits=[limit_of("resident_day", 100), limit_of("merchant_day", 150)])
    held = desk.fall_silent(100)
    assert desk.facts.usage[ANNA].coins == 0
    desk.capture(held, 80, machine_id=MACHINE)
    with desk.declines("resident_day_limit"):
        desk.own(ANNA, 21)
    with desk.declines("merchant_day_limit"):
        desk.own(BERT, 71)
    desk.own(ANNA, 20)
    desk.own(BERT, 50)


def test_what_was_given_out_is_paid_for_whatever_the_limits_are_by_now() -> None:
    desk = Desk(limits=[limit_of("resident_day", 100), limit_of("merchant_day", 100)])
    held = desk.fall_silent(100, spent=100)
    assert desk.capture(held, machine_id=MACHINE).captured_coins == 100
    assert desk.facts.usage[ANNA].coins == 200
    assert desk.day_of(SHOP, TODAY) == 200
