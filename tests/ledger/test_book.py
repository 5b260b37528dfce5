"""What a book says follows from what was written into it, and what it refuses leaves it as it was. Pure."""

import copy
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from service.errors import InsufficientCoins
from service.ledger.book import Book, Hold, Wallet
from service.tables.columns import ISSUER_ACCOUNT_ID

ANNA, BERT, NOBODY, SHOP = 101, 102, 103, 10
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LATER = AT + timedelta(seconds=120)
ID = uuid.UUID(int=1)


def holding(coins: int, *, expires_at: datetime = LATER, redemption_id: uuid.UUID = ID, owner_id: int = ANNA) -> Hold:
    return Hold(owner_id, redemption_id, coins, AT - timedelta(seconds=60), expires_at)


def book_of(posted: int, *holds: Hold) -> Book:
    """Anna has so many coins and these holds, Bert has a hundred coins."""
    return Book(AT, {ANNA: Wallet(posted, sum(hold.coins for hold in holds)), BERT: Wallet(100, 0)}, holds)


def moved(book: Book) -> list[tuple[str, int, int, int]]:
    return [(each.kind, each.debit_account_id, each.credit_account_id, each.coins) for each in book.transfers]


def contents(book: Book) -> Any:
    """All of it, as it is now."""
    return copy.deepcopy(vars(book))


def test_coins_go_to_the_merchant_at_once_or_are_set_aside() -> None:
    book = book_of(50)
    book.spend(ANNA, SHOP, 20, ID)
    hold = book.place(ANNA, 30, uuid.UUID(int=2), LATER)
    assert book.wallet(ANNA) == Wallet(30, 30)
    assert moved(book) == [("redemption", ANNA, SHOP, 20)]
    assert book.placed == [hold]
    assert (hold.held_at, hold.expires_at) == (AT, LATER)
    assert book.changed == {ANNA}


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param(lambda book, coins: book.spend(ANNA, SHOP, coins, uuid.UUID(int=2)), id="spend"),
        pytest.param(lambda book, coins: book.place(ANNA, coins, uuid.UUID(int=2), LATER), id="place"),
    ],
)
def test_what_is_held_is_not_to_be_had_and_who_asks_for_it_changes_nothing(
    asking: Callable[[Book, int], None],
) -> None:
    book = book_of(50, holding(30))
    before = contents(book)
    with pytest.raises(InsufficientCoins) as declined:
        asking(book, 21)
    assert declined.value.available_coins == 20
    assert contents(book) == before
    asking(book, 20)
    assert book.wallet(ANNA).available == 0


@pytest.mark.parametrize("coins", [1, 29, 30])
def test_a_capture_takes_its_part_of_a_hold_and_frees_the_rest(coins: int) -> None:
    book = book_of(50, holding(30))
    hold = book.open_hold(ID)
    assert hold is not None
    book.capture(hold, SHOP, coins)
    assert book.wallet(ANNA) == Wallet(50 - coins, 0)
    assert moved(book) == [("redemption", ANNA, SHOP, coins)]
    assert [(each.outcome, each.captured_coins, each.resolved_at) for each in book.resolved] == [
        ("captured", coins, AT)
    ]
    assert book.open_hold(ID) is None


@pytest.mark.parametrize("outcome", ["voided", "expired"])
def test_a_release_moves_nothing_and_frees_all(outcome: Any) -> None:
    book = book_of(50, holding(30))
    book.release(holding(30), outcome)
    assert book.wallet(ANNA) == Wallet(50, 0)
    assert book.transfers == []
    assert [(each.outcome, each.captured_coins) for each in book.resolved] == [(outcome, 0)]


def test_a_hold_is_resolved_once() -> None:
    book = book_of(50, holding(30))
    book.capture(holding(30), SHOP, 10)
    before = contents(book)
    with pytest.raises(KeyError):
        book.capture(holding(30), SHOP, 10)
    with pytest.raises(KeyError):
        book.release(holding(30), "voided")
    assert contents(book) == before


def test_a_hold_is_due_at_its_very_moment_and_not_before() -> None:
    early, just, later = (
        holding(1, redemption_id=uuid.UUID(int=number), expires_at=AT + (number - 3) * TICK) for number in (2, 3, 4)
    )
    book = book_of(50, early, just, later)
    assert book.due() == [early, just]
    book.place(ANNA, 5, ID, AT + TICK)
    assert book.due() == [early, just]
    book.release(early, "expired")
    assert book.due() == [just]


@pytest.mark.parametrize(("coins", "covered"), [(1, 0), (20, 0), (21, 1), (60, 40)])
def test_a_late_capture_takes_what_is_available_and_the_scheme_bears_what_is_missing(coins: int, covered: int) -> None:
    book = book_of(50, holding(30, redemption_id=uuid.UUID(int=2)))
    assert book.capture_late(ANNA, SHOP, coins, ID) == covered
    assert book.wallet(ANNA) == Wallet(50 + covered - coins, 30)
    cover = [("cover", ISSUER_ACCOUNT_ID, ANNA, covered)] if covered else []
    # The cover first: no wallet is below nothing between two transfers.
    assert moved(book) == [*cover, ("redemption", ANNA, SHOP, coins)]


def test_a_refund_names_what_it_gives_back_and_goes_on_to_the_scheme_where_that_had_paid() -> None:
    book = book_of(0)
    book.refund(ANNA, SHOP, 30, ID, capture_id=7, reason="缺货")
    book.refund_cover(ANNA, 20, ID, cover_id=6)
    assert book.wallet(ANNA) == Wallet(10, 0)
    assert moved(book) == [("refund", SHOP, ANNA, 30), ("cover_refund", ANNA, ISSUER_ACCOUNT_ID, 20)]
    assert [(each.reverses_id, each.reason) for each in book.transfers] == [(7, "缺货"), (6, None)]


@pytest.mark.parametrize(
    "asking",
    [
        pytest.param(lambda book: book.spend(NOBODY, SHOP, 1, ID), id="spend"),
        pytest.param(lambda book: book.place(NOBODY, 1, ID, LATER), id="place"),
        pytest.param(lambda book: book.capture_late(NOBODY, SHOP, 1, ID), id="late"),
        pytest.param(lambda book: book.refund(NOBODY, SHOP, 1, ID, capture_id=1, reason=None), id="refund"),
        pytest.param(lambda book: book.refund_cover(NOBODY, 1, ID, cover_id=1), id="cover"),
    ],
)
def test_a_wallet_that_is_not_locked_cannot_be_written(asking: Callable[[Book], None]) -> None:
    book = book_of(50)
    before = contents(book)
    with pytest.raises(KeyError):
        asking(book)
    assert contents(book) == before


owners = st.sampled_from([ANNA, BERT])
amounts = st.integers(1, 80)
operations = st.one_of(
    st.tuples(st.sampled_from(["spend", "place", "late", "refund"]), owners, amounts),
    st.tuples(st.sampled_from(["capture", "void", "expire"]), st.integers(0, 5), amounts),
)


def apply(book: Book, operation: tuple[str, int, int], redemption_id: uuid.UUID) -> None:
    what, who, coins = operation
    match what:
        case "spend":
            book.spend(who, SHOP, coins, redemption_id)
        case "place":
            book.place(who, coins, redemption_id, LATER)
        case "late":
            book.capture_late(who, SHOP, coins, redemption_id)
        case "refund":
            book.refund(who, SHOP, coins, redemption_id, capture_id=1, reason=None)
        case _:
            # Of the holds that were placed the chosen one, whether or not it is still open.
            hold = book.placed[who % len(book.placed)] if book.placed else holding(coins)
            if what == "capture":
                book.capture(hold, SHOP, min(coins, hold.coins))
            else:
                book.release(hold, "voided" if what == "void" else "expired")


@effort(max_examples=200, deadline=None)
@given(steps=st.lists(operations, max_size=25), posted=st.integers(0, 200))
def test_posted_and_held_follow_from_transfers_and_holds(steps: list[tuple[str, int, int]], posted: int) -> None:
    book = book_of(posted)
    began = {ANNA: posted, BERT: 100}
    for number, step in enumerate(steps):
        before = contents(book)
        try:
            apply(book, step, uuid.UUID(int=100 + number))
        except (InsufficientCoins, KeyError):
            assert contents(book) == before
        resolved = {each.hold.redemption_id for each in book.resolved}
        assert len(resolved) == len(book.resolved)
        for owner_id, first in began.items():
            wallet = book.wallet(owner_id)
            came = sum(each.coins for each in book.transfers if each.credit_account_id == owner_id)
            went = sum(each.coins for each in book.transfers if each.debit_account_id == owner_id)
            open_holds = [each for each in book.placed if each.redemption_id not in resolved]
            assert wallet.posted == first + came - went
            assert wallet.held == sum(each.coins for each in open_holds if each.owner_id == owner_id)
            assert wallet.posted >= wallet.held >= 0
            assert owner_id in book.changed or wallet == Wallet(first, 0)
        assert all(each.coins > 0 for each in book.transfers)
