"""What is left of a wallet's coins, against a simulation that plays every transfer in order; and when it expires."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.business_days import business_day
from service.ledger.lots import CoinLife, Entry, Lot, Walk, months_later

ZONE = "Asia/Shanghai"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Played:
    """The model: each transfer in its order; what goes out takes from the oldest lot, an expiry from its own."""

    entries: list[Entry] = field(default_factory=list)
    left: dict[int, int] = field(default_factory=dict)
    next_id: int = 1

    @property
    def posted(self) -> int:
        return sum(self.left.values())

    def come_in(self, coins: int) -> None:
        self.left[self.next_id] = coins
        self._write(coins, None)

    def go_out(self, coins: int) -> None:
        missing = coins
        for lot_id, left in self.left.items():
            taken = min(left, missing)
            self.left[lot_id] -= taken
            missing -= taken
        self.next_id += 1

    def expire(self, lot_id: int) -> None:
        coins, self.left[lot_id] = self.left[lot_id], 0
        self._write(coins, lot_id)

    def _write(self, coins: int, lot_id: int | None) -> None:
        self.entries.append(Entry(self.next_id, coins, START + timedelta(seconds=self.next_id), lot_id))
        self.next_id += 1


@st.composite
def histories(draw: st.DrawFn) -> Played:
    """Any order of coming in, going out and expiring; lots expire in any order, since rules may change."""
    played = Played()
    for _ in range(draw(st.integers(0, 25))):
        what = draw(st.sampled_from(["in", "in", "out", "expire"]))
        expirable = [lot_id for lot_id, left in played.left.items() if left]
        if what == "in" or not expirable:
            played.come_in(draw(st.integers(1, 10)))
        elif what == "out":
            played.go_out(draw(st.integers(1, played.posted)))
        else:
            played.expire(draw(st.sampled_from(expirable)))
    return played


def lots_of(played: Played, *, held: int = 0, page: int = 1000) -> list[Lot]:
    walk = Walk(played.posted, held)
    newest_first = played.entries[::-1]
    pages = [newest_first[begin : begin + page] for begin in range(0, len(newest_first), page)]
    return [lot for entries in pages for lot in walk.back(entries)]


@given(histories(), st.integers(1, 7))
def test_walking_back_finds_what_playing_forward_leaves(played: Played, page: int) -> None:
    found = {lot.transfer_id: lot.coins for lot in lots_of(played, page=page)}
    assert found == {lot_id: left for lot_id, left in played.left.items() if left}


@given(histories(), st.data())
def test_held_coins_are_the_oldest_and_their_lots_are_not_free(played: Played, data: st.DataObject) -> None:
    held = data.draw(st.integers(0, played.posted))
    lots = lots_of(played, held=held)
    # What would happen were the held coins taken now.
    before = dict(played.left)
    played.go_out(held)
    untouched = {lot_id for lot_id, left in before.items() if left and played.left[lot_id] == left}
    assert {lot.transfer_id for lot in lots if lot.free} == untouched


def test_the_walk_ends_as_soon_as_the_newest_coins_cover_the_balance() -> None:
    walk = Walk(100)
    entries = iter(Entry(10_000 - number, 60, START) for number in range(10_000))
    assert [lot.coins for lot in walk.back(entries)] == [60, 40]
    assert walk.over
    # One more was looked at, to see that nothing is missing.
    assert next(entries).transfer_id == 10_000 - 3


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2028, 2, 29), 12, date(2029, 2, 28)),
        (date(2028, 2, 29), 48, date(2032, 2, 29)),
        (date(2026, 8, 31), 1, date(2026, 9, 30)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2026, 11, 21), 1, date(2026, 12, 21)),
        (date(2026, 12, 1), 1200, date(2126, 12, 1)),
    ],
)
def test_a_month_that_is_too_short_ends_with_its_last_day(day: date, months: int, later: date) -> None:
    assert months_later(day, months) == later


days = st.dates(date(2000, 1, 1), date(2200, 1, 1))


@given(days, days, st.integers(1, 1200))
def test_months_later_is_in_the_right_month_and_never_changes_the_order(one: date, other: date, months: int) -> None:
    later = months_later(one, months)
    assert (later.year * 12 + later.month) - (one.year * 12 + one.month) == months
    assert later.day == one.day or (later.day < one.day and (later + timedelta(days=1)).day == 1)
    assert (one <= other) <= (later <= months_later(other, months))


@pytest.mark.parametrize(
    ("earned_at", "expires_at"),
    [
        # 23:59:59.999999 and 00:00 in Shanghai: one moment apart, a day more.
        ("2026-11-20T15:59:59.999999+00:00", "2027-02-20T16:00:00+00:00"),
        ("2026-11-20T16:00:00+00:00", "2027-02-21T16:00:00+00:00"),
        # 30 November: to the end of 28 February.
        ("2026-11-30T04:00:00+00:00", "2027-02-28T16:00:00+00:00"),
    ],
)
def test_coins_expire_at_the_end_of_a_business_day(earned_at: str, expires_at: str) -> None:
    life = CoinLife([(START, 3)], ZONE)
    assert life.expires_at(datetime.fromisoformat(earned_at)) == datetime.fromisoformat(expires_at)


@given(st.timedeltas(timedelta(0), timedelta(days=27_000)).map(START.__add__), st.integers(1, 1200))
def test_coins_are_good_for_the_whole_of_their_last_day(earned_at: datetime, months: int) -> None:
    expires_at = CoinLife([(START, months)], ZONE).expires_at(earned_at)
    assert expires_at is not None
    last = months_later(business_day(earned_at, ZONE), months)
    assert business_day(expires_at - timedelta(microseconds=1), ZONE) == last
    assert business_day(expires_at, ZONE) == last + timedelta(days=1)


def test_coins_keep_the_life_of_the_rule_they_were_earned_under() -> None:
    hour = timedelta(hours=1)
    life = CoinLife([(START + 2 * hour, None), (START + hour, 1), (START + 3 * hour, 24)], ZONE)
    ends = [life.expires_at(START + offset * hour) for offset in (0.99, 1, 1.99, 2, 2.99, 3)]
    assert [None if end is None else end.date() for end in ends] == [
        None,
        date(2026, 2, 1),
        date(2026, 2, 1),
        None,
        None,
        date(2028, 1, 1),
    ]
    assert life.ends
    assert not CoinLife([(START, None)], ZONE).ends
    assert CoinLife([], ZONE).expires_at(START) is None
