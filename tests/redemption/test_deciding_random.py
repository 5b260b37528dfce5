"""Whatever is asked in whatever order: sums agree, limits hold, and a declined command changes nothing. Pure."""

import uuid
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from service.business_days import business_day
from service.errors import TanbiError
from service.ledger.book import Wallet
from service.redemption.facts import Usage
from tests.redemption.desk import (
    ANNA,
    BERT,
    GRACE,
    HOLD,
    MACHINE,
    OTHER,
    SHOP,
    ZONE,
    Desk,
    days_of,
    limit_of,
    offer_of,
    usage_of,
)

prices = st.one_of(st.integers(1, 120), st.sampled_from(["soap", "oil"]))
parts = st.none() | st.integers(1, 130)
owners = st.sampled_from([ANNA, BERT])
commands = st.one_of(
    st.tuples(st.just("own"), owners, prices, st.sampled_from([SHOP, OTHER])),
    st.tuples(st.just("take"), owners, prices, st.booleans(), st.booleans()),
    st.tuples(st.sampled_from(["capture", "capture", "void", "refund"]), st.integers(0, 30), parts, st.booleans()),
)
batches = st.lists(
    st.tuples(st.sampled_from([0, 1, HOLD - 1, HOLD, HOLD + GRACE, 12 * 3600]), st.lists(commands, max_size=6)),
    min_size=1,
    max_size=6,
)


def ask(desk: Desk, command: Any, codes: list[bytes]) -> TanbiError | None:
    """The decline, where there was one."""
    try:
        match command:
            case ("own", owner_id, price, merchant):
                desk.own(owner_id, price, merchant=merchant)
            case ("take", _, price, capture, is_machine):
                desk.take(codes[-1], price, capture=capture, machine_id=MACHINE if is_machine else None)
            case (what, number, coins, is_machine):
                known = list(desk.facts.redemptions)
                id_ = known[number % len(known)] if known else uuid.UUID(int=number)
                machine_id = MACHINE if is_machine else None
                if what == "capture":
                    desk.capture(id_, coins, machine_id=machine_id)
                elif what == "void":
                    desk.void(id_, machine_id=machine_id)
                else:
                    desk.refund(id_, coins)
    except TanbiError as declined:
        return declined
    return None


def assert_sums(desk: Desk, first: int) -> None:
    """Everything that is kept as a sum is the sum of what it stands for."""
    facts, book = desk.facts, desk.book
    moved = [*desk.transfers, *book.transfers]
    for owner_id in (ANNA, BERT):
        came = sum(each.coins for each in moved if each.credit_account_id == owner_id)
        went = sum(each.coins for each in moved if each.debit_account_id == owner_id)
        held = sum(each.coins for each in desk.open_holds() if each.owner_id == owner_id)
        assert book.wallet(owner_id) == Wallet(first + came - went, held)
        assert book.wallet(owner_id).available >= 0
        pieces = {id_: count for id_, count in facts.usage[owner_id].pieces.items() if count}
        assert Usage(facts.usage[owner_id].coins, pieces) == usage_of(facts, owner_id)
    assert facts.merchant_days == days_of(facts, facts.merchant_days)
    for of in facts.redemptions.values():
        mine = [each for each in moved if each.redemption_id == of.id]
        taken = [each.coins for each in mine if each.kind == "redemption"]
        assert taken == ([] if of.capture_id is None else [of.captured_coins])
        assert sum(each.coins for each in mine if each.kind == "refund") == of.refunded_coins <= of.captured_coins
        assert sum(each.coins for each in mine if each.kind == "cover_refund") <= of.covered_coins or not of.cover_id


@effort(max_examples=150, deadline=None)
@given(asked=batches, resident_day=st.none() | st.integers(0, 300), merchant_day=st.none() | st.integers(0, 300))
def test_whatever_is_asked_sums_agree_limits_hold_and_declines_change_nothing(
    asked: list[tuple[int, list[Any]]], resident_day: int | None, merchant_day: int | None
) -> None:
    limits = [limit_of("resident_day", resident_day), limit_of("merchant_day", merchant_day)]
    desk = Desk(250, limits=limits, offers=[offer_of(40, stock_left=2), offer_of(30, id="oil", resident_day_max=1)])
    for seconds, batch in asked:
        desk.commit(seconds=seconds)
        for command in batch:
            codes = [desk.new_code(command[1])] if command[0] == "take" else []
            contents, uncovered = desk.contents(), len(desk.decisions.uncovered)
            declined = ask(desk, command, codes)
            assert declined is None or declined.status in (404, 409)
            # Of what is declined nothing is written down but that a machine told it too late.
            if declined is not None and len(desk.decisions.uncovered) == uncovered:
                assert desk.contents() == contents
            assert_sums(desk, 250)
            if declined is None and command[0] in ("own", "take"):
                taken = list(desk.facts.redemptions.values())[-1]
                assert resident_day is None or desk.facts.usage[taken.owner_id].coins <= resident_day
                day = (taken.merchant_id, business_day(desk.facts.at, ZONE))
                assert merchant_day is None or desk.facts.merchant_days[day] <= merchant_day
                assert desk.facts.usage[taken.owner_id].pieces.get("oil", 0) <= 1 or taken.offer_id != "oil"
        assert_all_is_kept(desk)
    live = [of for of in desk.facts.redemptions.values() if of.from_stock and of.outcome not in ("voided", "expired")]
    assert desk.facts.offers["soap"].stock_left == 2 - len(live) >= 0


def assert_all_is_kept(desk: Desk) -> None:
    """What one transaction changed stands in its lists: nothing else is written down, and nothing else is told."""
    facts, decisions, read = desk.facts, desk.decisions, desk.read
    assert [of.id for of in decisions.granted] == [id_ for id_ in facts.redemptions if id_ not in read.redemptions]
    assert {digest for digest, code in facts.codes.items() if code.used} - read.used == set(decisions.used_codes)
    assert {of.id for of in facts.offers.values() if of.stock_left != read.stock[of.id]} <= decisions.changed_offers
    assert {day for day, coins in facts.merchant_days.items() if coins != read.days[day]} <= decisions.changed_days
    told: Counter[tuple[uuid.UUID, str]] = Counter()
    for of in facts.redemptions.values():
        captured, outcome = read.redemptions.get(of.id, (False, None))
        if of.listens:
            told[of.id, "captured"] += (of.capture_id is not None) - captured
            told[of.id, of.outcome or ""] += of.outcome != outcome and of.outcome in ("voided", "expired")
            told[of.id, "refunded"] += [each.kind for each in desk.book.transfers if each.redemption_id == of.id].count(
                "refund"
            )
    assert Counter(desk.told_of()) == +told
