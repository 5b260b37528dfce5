"""What commands come to, one after the other in one transaction or in several. Pure: a declined one changes nothing."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from service.business_days import business_day
from service.errors import TanbiError
from service.ledger.book import Wallet
from service.redemption.facts import Usage
from tests.redemption.desk import (
    ANNA,
    AT,
    BERT,
    GRACE,
    HOLD,
    MACHINE,
    OTHER,
    SHOP,
    TODAY,
    ZONE,
    Desk,
    limit_of,
    offer_of,
)

TICK = timedelta(microseconds=1)
MIDNIGHT = "2026-03-02T16:00:00Z"


# -- two that contradict each other in one transaction --


@pytest.mark.parametrize("first", ["capture", "void"])
@pytest.mark.parametrize("second", ["capture", "void"])
def test_what_became_of_a_hold_the_second_of_two_commands_cannot_change(first: str, second: str) -> None:
    desk = Desk()
    held = desk.hold(ANNA, 100)
    answer = {"capture": desk.capture, "void": desk.void}
    assert answer[first](held).state == first + ("d" if first == "capture" else "ed")
    with desk.declines("already_captured" if first == "capture" else "hold_voided"):
        answer[second](held)
    # Nor later.
    desk.commit(seconds=HOLD)
    with desk.declines("already_captured" if first == "capture" else "hold_voided"):
        answer[second](held)
    assert desk.expired == 0


def test_what_one_command_takes_the_next_does_not_find() -> None:
    desk = Desk(100)
    desk.own(ANNA, 60)
    code = desk.new_code(ANNA)
    with desk.declines("insufficient_coins"):
        desk.take(code, 41)
    desk.hold(ANNA, 40)
    with desk.declines("insufficient_coins"):
        desk.own(ANNA, 1)
    # Another's coins are another's.
    assert desk.own(BERT, 100).balance_coins == 0


def test_what_a_void_frees_the_next_command_finds() -> None:
    desk = Desk(100)
    held = desk.hold(ANNA, 100)
    desk.void(held)
    assert desk.own(ANNA, 100).balance_coins == 0


def test_a_capture_of_this_transaction_is_refunded_in_the_next() -> None:
    desk = Desk()
    own = desk.own(ANNA, 100).id
    with desk.declines("not_captured"):
        desk.refund(own)
    desk.commit()
    desk.refund(own, 40)
    # What the first of two gives back the second does not.
    with desk.declines("above_captured"):
        desk.refund(own, 61)
    assert desk.refund(own).state == "refunded"


def test_the_last_piece_is_had_once() -> None:
    desk = Desk(offers=[offer_of(50, stock_left=1)])
    held = desk.hold(ANNA, "soap")
    with desk.declines("out_of_stock"):
        desk.own(BERT, "soap")
    desk.void(held)
    desk.own(BERT, "soap")
    code = desk.new_code(ANNA)
    with desk.declines("out_of_stock"):
        desk.take(code, "soap", capture=False)


# -- holds --


def test_a_hold_has_its_merchants_time_and_nobody_is_told_before_it_ends() -> None:
    desk = Desk()
    held = desk.take(desk.new_code(ANNA), 100, capture=False, machine_id=MACHINE)
    assert (held.state, held.expires_at, held.machine_id) == ("authorised", AT + timedelta(seconds=HOLD), MACHINE)
    assert desk.book.wallet(ANNA) == Wallet(500, 100)
    assert desk.told() == []
    desk.capture(held.id, 30)
    assert desk.told() == ["captured"]


@pytest.mark.parametrize(("seconds", "expired"), [(HOLD - 0.000001, 0), (HOLD, 1), (HOLD + 1, 1)])
def test_a_hold_expires_at_its_very_moment(seconds: float, expired: int) -> None:
    desk = Desk()
    held = desk.hold(ANNA, 100)
    desk.commit(seconds=seconds)
    assert desk.expired == expired
    assert desk.book.wallet(ANNA) == Wallet(500, 0 if expired else 100)
    if expired:
        assert desk.told() == ["expired"]
        for asking in (desk.capture, desk.void):
            with desk.declines("hold_expired"):
                asking(held)
    else:
        assert desk.capture(held).state == "captured"


@pytest.mark.parametrize(("seconds", "paid"), [(HOLD + GRACE - 0.000001, True), (HOLD + GRACE, False)])
def test_the_grace_ends_at_its_very_moment_and_then_the_merchant_bears_it(seconds: float, paid: bool) -> None:
    desk = Desk()
    held = desk.fall_silent(seconds=seconds)
    if paid:
        assert desk.capture(held, machine_id=MACHINE).state == "captured"
        return
    wallet = desk.book.wallet(ANNA)
    for _ in range(2):
        with pytest.raises(TanbiError) as refused:
            desk.capture(held, 70, machine_id=MACHINE)
        assert (refused.value.code, refused.value.status) == ("hold_expired", 409)
    assert [(of.id, coins) for of, coins in desk.decisions.uncovered] == [(held, 70)]
    assert (desk.book.wallet(ANNA), desk.book.transfers) == (wallet, [])


def test_a_late_capture_is_of_what_was_held_and_not_voided() -> None:
    desk = Desk()
    held = desk.fall_silent()
    with desk.declines("above_held"):
        desk.capture(held, 101, machine_id=MACHINE)
    voided = desk.hold(ANNA, 10)
    desk.void(voided)
    desk.commit(seconds=HOLD)
    with desk.declines("hold_voided"):
        desk.capture(voided, machine_id=MACHINE)


# -- what is nobody's, or another's --


def test_what_a_till_took_no_machine_touches() -> None:
    desk = Desk()
    held = desk.hold(ANNA, 100, machine_id=None)
    for asking in (desk.capture, desk.void):
        with desk.declines("redemption_unknown"):
            asking(held, machine_id=MACHINE)


def test_another_merchants_offer_is_unknown_there() -> None:
    desk = Desk(offers=[offer_of(50)])
    with desk.declines("offer_unknown"):
        desk.own(ANNA, "soap", merchant=OTHER)
    with desk.declines("offer_unknown"):
        desk.own(ANNA, "oil")


def test_a_pay_code_is_good_until_its_moment() -> None:
    desk = Desk()
    code = desk.new_code(ANNA)
    desk.facts.codes[code].expires_at = AT
    with desk.declines("pay_code_expired"):
        desk.take(code, 10)
    desk.facts.codes[code].expires_at = AT + TICK
    desk.take(code, 10)


def test_a_pay_code_that_has_changed_hands_since_it_was_looked_up_is_unknown() -> None:
    desk = Desk()
    code = desk.new_code(ANNA)
    desk.facts.codes[code].owner_id = BERT
    with desk.declines("pay_code_unknown"):
        desk.take(code, 10, looked_up=ANNA)
    assert desk.facts.codes[code].used is False
    # To whoever looks it up now it is good.
    desk.take(code, 10)
    assert desk.book.wallet(BERT) == Wallet(490, 0)


# -- offers --


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({"valid_from": AT}, True),
        ({"valid_from": AT + TICK}, False),
        ({"valid_until": AT + TICK}, True),
        ({"valid_until": AT}, False),
    ],
)
def test_an_offer_is_good_from_its_first_moment_to_before_its_last(changes: dict[str, Any], valid: bool) -> None:
    desk = Desk(offers=[offer_of(50, **changes)])
    if valid:
        assert desk.own(ANNA, "soap").coins == 50
    else:
        with desk.declines("offer_unknown"):
            desk.own(ANNA, "soap")


def test_the_price_is_that_of_the_moment_of_the_hold() -> None:
    desk = Desk(offers=[offer_of(50)], limits=[limit_of("resident_day", 1000)])
    held = desk.hold(ANNA, "soap")
    desk.commit(seconds=1)
    desk.facts.offers["soap"].coins = 70
    assert desk.capture(held).captured_coins == 50
    assert desk.own(ANNA, "soap").coins == 70
    assert desk.facts.usage[ANNA] == Usage(120, {"soap": 2})


def test_a_hold_is_captured_though_its_offer_is_over_sold_out_or_had_too_often() -> None:
    desk = Desk(offers=[offer_of(50, stock_left=1, resident_day_max=1)])
    held = desk.hold(ANNA, "soap")
    desk.commit(seconds=1)
    desk.facts.offers["soap"].valid_until = AT
    assert desk.capture(held).state == "captured"
    assert desk.facts.offers["soap"].stock_left == 0


def test_a_resident_has_so_many_pieces_a_day() -> None:
    desk = Desk(offers=[offer_of(50, resident_day_max=2), offer_of(50, id="oil")])
    first = desk.hold(ANNA, "soap")
    desk.own(ANNA, "soap")
    with desk.declines("offer_day_limit", limit=2, frees_at=MIDNIGHT):
        desk.own(ANNA, "soap")
    # One of another kind, one at a plain price, and another's.
    desk.own(ANNA, "oil")
    desk.own(ANNA, 50)
    desk.own(BERT, "soap")
    # What is voided was not had; what is given back was.
    desk.void(first)
    again = desk.own(ANNA, "soap").id
    desk.commit()
    desk.refund(again)
    with desk.declines("offer_day_limit"):
        desk.own(ANNA, "soap")
    desk.commit(seconds=12 * 3600)
    assert business_day(desk.facts.at, ZONE) != TODAY
    desk.own(ANNA, "soap")


def stock(desk: Desk) -> int | None:
    return desk.facts.offers["soap"].stock_left


def ended_by_void(desk: Desk, held: uuid.UUID) -> None:
    desk.commit(seconds=1)
    desk.void(held)


def ended_by_time(desk: Desk, _held: uuid.UUID) -> None:
    desk.commit(seconds=HOLD)


@pytest.mark.parametrize("end", [ended_by_void, ended_by_time])
def test_what_was_only_held_gives_back_its_piece_its_coins_and_its_place(
    end: Callable[[Desk, uuid.UUID], None],
) -> None:
    limits = [limit_of("resident_day", 60), limit_of("merchant_day", 60)]
    desk = Desk(limits=limits, offers=[offer_of(50, stock_left=1, resident_day_max=1)])
    held = desk.hold(ANNA, "soap")
    assert stock(desk) == 0
    end(desk, held)
    assert stock(desk) == 1
    assert desk.decisions.changed_offers == {"soap"}
    assert desk.decisions.changed_days == {(SHOP.id, TODAY)}
    assert desk.own(ANNA, "soap").balance_coins == 450


def test_what_was_captured_or_given_back_leaves_no_piece() -> None:
    desk = Desk(offers=[offer_of(50, stock_left=2)])
    held = desk.hold(ANNA, "soap")
    desk.capture(held, 1)
    taken = desk.own(ANNA, "soap").id
    desk.commit(seconds=HOLD)
    desk.refund(taken)
    assert (stock(desk), desk.expired) == (0, 0)
    assert desk.decisions.changed_offers == set()


def test_a_piece_that_was_not_of_the_stock_is_not_put_into_it() -> None:
    desk = Desk(offers=[offer_of(50)])
    held = desk.hold(ANNA, "soap")
    desk.commit()
    # Since then the merchant counts.
    desk.facts.offers["soap"].stock_left = 3
    desk.void(held)
    assert stock(desk) == 3


def test_a_piece_that_is_told_late_was_put_back_already() -> None:
    desk = Desk(offers=[offer_of(50, stock_left=1, resident_day_max=1)])
    held = desk.hold(ANNA, "soap")
    desk.commit(seconds=HOLD)
    assert stock(desk) == 1
    desk.capture(held, machine_id=MACHINE)
    assert stock(desk) == 1
    # But the resident has had it.
    with desk.declines("offer_day_limit"):
        desk.own(ANNA, "soap")
