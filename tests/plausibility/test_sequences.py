"""What is missing of a bin's events, whatever order they come in."""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.plausibility.sequences import JUMP_MAX, OPEN_GAPS_MAX, Gap, Sequences

# Unix seconds; the event with the number n happens a minute times n later, unless a test says otherwise.
BEGIN = 1_800_000_000.0
NOW = BEGIN + 1e7

Numbered = tuple[int, float]


def at(number: float) -> float:
    return BEGIN + 60 * number


@dataclass
class Stored:
    """One bin's memory as it goes through the database between two batches."""

    columns: tuple[int, int | None, float | None] = (0, None, None)
    counts: dict[str, Any] = field(default_factory=dict)
    gaps: dict[int, Gap] = field(default_factory=dict)
    given_up: list[Gap] = field(default_factory=list)
    ids: Iterable[int] = field(default_factory=lambda: count(1))
    placed: list[int | None] = field(default_factory=list)

    def take(self, batch: Sequence[Numbered]) -> None:
        """A batch, judged as it happened."""
        sequences = Sequences(
            *self.columns, list(self.gaps.values()), json.loads(json.dumps(self.counts, allow_nan=False))
        )
        self.placed += [
            sequences.place(number, when, NOW) for number, when in sorted(batch, key=lambda each: each[::-1])
        ]
        self.store(sequences)

    def doubt(self, number: int) -> None:
        """An event whose clock cannot be believed, in a batch of its own."""
        sequences = Sequences(
            *self.columns, list(self.gaps.values()), json.loads(json.dumps(self.counts, allow_nan=False))
        )
        self.placed.append(sequences.place_without_time(number, NOW))
        self.store(sequences)

    def store(self, sequences: Sequences) -> None:
        for closed in sequences.closed:
            del self.gaps[closed]
        for gap_id, first, last in sequences.shortened:
            self.gaps[gap_id] = self.gaps[gap_id]._replace(first=first, last=last)
        for gap in sequences.given_up:
            if gap.id is not None:
                del self.gaps[gap.id]
            self.given_up.append(gap)
        for opened, gap_id in zip(sequences.opened, self.ids, strict=False):
            self.gaps[gap_id] = Gap(*opened, id=gap_id)
        highest_at = None if sequences.highest_at < 0 else sequences.highest_at
        self.columns, self.counts = (sequences.epoch, sequences.highest, highest_at), sequences.as_json()
        assert sorted(gap[:4] for gap in self.gaps.values()) == sorted(gap[:4] for gap in sequences.gaps)

    @property
    def missing(self) -> set[tuple[int, int]]:
        """(epoch, number)"""
        return numbers_of(self.gaps.values())

    @property
    def epoch(self) -> int:
        return self.columns[0]


def numbers_of(gaps: Iterable[Gap]) -> set[tuple[int, int]]:
    return {(gap.epoch, number) for gap in gaps for number in range(gap.first, gap.last + 1)}


def taken(*batches: Sequence[int]) -> Stored:
    stored = Stored()
    for batch in batches:
        stored.take([(number, at(number)) for number in batch])
    return stored


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[set[int], list[list[int]]]:
    """Which numbers were given, and the batches in which some of them come."""
    first = draw(st.integers(0, 3))
    given_numbers = range(first, first + draw(st.integers(1, 14)))
    kept = draw(st.lists(st.sampled_from(given_numbers), unique=True, min_size=1))
    batches: list[list[int]] = [[]]
    for number in kept:
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(number)
    return set(given_numbers), batches


@given(arrivals())
def test_what_is_missing_is_what_was_lost_whatever_order_the_others_come_in(
    arrival: tuple[set[int], list[list[int]]],
) -> None:
    numbers, batches = arrival
    came = {number for batch in batches for number in batch}
    stored = taken(*batches)
    between = {number for number in numbers if min(came) < number < max(came)}
    assert stored.missing == {(0, number) for number in between - came}
    assert stored.placed == [0] * len(came)


@given(arrivals(), st.data())
def test_a_number_that_was_seen_is_reused_whenever_it_comes_again(
    arrival: tuple[set[int], list[list[int]]], data: st.DataObject
) -> None:
    _, batches = arrival
    stored = taken(*batches)
    again = data.draw(st.sampled_from([number for batch in batches for number in batch]))
    before = (stored.columns, stored.counts, dict(stored.gaps))
    stored.take([(again, at(again))])
    assert stored.placed[-1] is None
    assert (stored.columns, stored.counts, stored.gaps) == before


@given(st.lists(st.integers(1, 6), min_size=2, max_size=5), st.data())
def test_each_reset_begins_a_new_count_and_what_was_lost_of_each_is_missing(
    lengths: list[int], data: st.DataObject
) -> None:
    """Counts of these lengths, one after the other, each but for some that are lost: not the first and last ones, which
    nobody can miss. Batches come in the order in which things happened, and within each count in any."""
    stored, lost = Stored(), set()
    clock = count()
    for epoch, length in enumerate(lengths):
        # A count that begins above the end of the last one could be that one going on.
        events = [(number, at(10 * next(clock))) for number in range(1, length + 1)]
        gone = data.draw(st.sets(st.sampled_from(events[1:-1]))) if length > 2 else set()
        lost |= {(epoch, number) for number, _ in gone}
        rest = data.draw(st.permutations([event for event in events[1:] if event not in gone]))
        stored.take(events[:1])
        for event in rest:
            stored.take([event])
    assert stored.epoch == len(lengths) - 1
    assert stored.missing == lost
    assert None not in stored.placed


numbers = st.integers(0, 12)
# Minute, or None for a clock that is doubted.
minutes = st.integers(0, 40) | st.none()
far_numbers = numbers | st.sampled_from([JUMP_MAX + 5, JUMP_MAX + 6, 10**9])


@given(st.lists(st.tuples(far_numbers, minutes), max_size=25))
def test_whatever_a_bin_says_its_memory_stays_in_order(said: list[tuple[int, int | None]]) -> None:
    """Any numbers at any times, or with clocks that are doubted (None)."""
    stored = Stored()
    for number, minute in said:
        epoch = stored.epoch
        stored.doubt(number) if minute is None else stored.take([(number, at(minute))])
        assert 0 <= stored.epoch - epoch <= 1
        placed = stored.placed[-1]
        assert placed is None or 0 <= placed <= stored.epoch
        # What was just told is missing no more.
        assert placed is None or not any(
            gap.epoch == placed and gap.first <= number <= gap.last for gap in stored.gaps.values()
        )
        gaps = sorted(stored.gaps.values())
        assert all(gap.first <= gap.last for gap in gaps)
        assert all(one.last < other.first for one, other in pairwise(gaps) if one.epoch == other.epoch)
        highest = stored.columns[1]
        assert highest is not None
        assert all(gap.last < highest for gap in gaps if gap.epoch == stored.epoch)


@given(st.lists(st.tuples(numbers, minutes), max_size=25))
def test_the_same_event_told_again_is_reused(said: list[tuple[int, int | None]]) -> None:
    stored = Stored()
    for number, minute in said:
        if minute is not None:
            stored.take([(number, at(minute))])
            stored.take([(number, at(minute))])
            assert stored.placed[-1] is None


def test_a_first_event_without_a_time_is_followed_by_the_others_of_its_count() -> None:
    stored = Stored()
    stored.doubt(11)
    stored.take([(number, at(number)) for number in (1, 2, 12)])
    assert stored.placed == [0, 0, 0, 0]
    assert stored.missing == {(0, number) for number in range(3, 11)}


def test_a_reset_after_events_without_a_time_is_told_from_them() -> None:
    stored = Stored()
    stored.doubt(1)
    stored.doubt(1)
    stored.take([(2, at(2))])
    assert stored.placed == [0, 1, 1]


def test_the_first_event_of_a_bin_opens_no_gap() -> None:
    stored = taken([5000])
    assert (stored.epoch, stored.missing, stored.columns) == (0, set(), (0, 5000, at(5000)))


def test_an_event_from_before_the_first_is_taken_and_what_lies_between_is_missing_then() -> None:
    stored = taken([50], [47])
    assert stored.placed == [0, 0]
    assert stored.missing == {(0, 48), (0, 49)}
    assert stored.columns == (0, 50, at(50))


def test_a_gap_tells_what_is_missing_before_when() -> None:
    stored = taken([1], [5])
    assert list(stored.gaps.values()) == [Gap(0, 2, 4, at(5), 1)]


def test_a_late_event_in_the_middle_splits_its_gap_and_the_upper_part_keeps_the_row() -> None:
    stored = taken([1], [9], [5])
    assert sorted(stored.gaps.values()) == [Gap(0, 2, 4, at(5), 2), Gap(0, 6, 8, at(9), 1)]


def test_a_gap_that_is_closed_in_the_batch_that_opens_it_is_never_stored() -> None:
    sequences = Sequences(0, 1, at(1), [], {"first": [1, at(1)]})
    assert [sequences.place(number, at(number), NOW) for number in (4, 2, 3)] == [0, 0, 0]
    assert (sequences.opened, sequences.closed, sequences.shortened) == ([], [], [])


def test_a_reset_counter_begins_a_new_count_with_what_it_left_out() -> None:
    stored = taken([100])
    stored.take([(2, at(101))])
    assert stored.columns == (1, 2, at(101))
    assert stored.missing == {(1, 1)}


@pytest.mark.parametrize("first", [0, 1])
def test_a_count_begins_with_0_or_1(first: int) -> None:
    stored = taken([100])
    stored.take([(first + 1, at(102))])
    stored.take([(first, at(101))])
    assert stored.placed == [0, 1, 1]
    assert stored.missing == set()


def test_the_end_of_the_last_count_may_come_after_the_reset() -> None:
    """Offline, a reset between, and the newest sent first."""
    stored = taken([100])
    stored.take([(number, at(110 + number)) for number in (1, 2, 3)])
    stored.take([(number, at(number)) for number in (101, 103)])
    stored.take([(4, at(114))])
    assert stored.placed == [0, 1, 1, 1, 0, 0, 1]
    assert stored.missing == {(0, 102)}
    assert stored.columns == (1, 4, at(114))


def test_the_end_of_the_last_count_may_be_told_a_little_late_by_a_clock_that_was_corrected() -> None:
    stored = taken([100])
    stored.take([(1, at(101)), (2, at(108))])
    stored.take([(101, at(105))])
    assert stored.placed[-1] == 0
    stored.take([(102, at(107))])
    assert (stored.placed[-1], stored.missing) == (1, {(1, number) for number in range(3, 102)})


def test_a_count_begins_with_the_earliest_of_its_events() -> None:
    stored = taken([100])
    stored.take([(3, at(1000))])
    stored.take([(1, at(800))])
    # After the reset, so not of the count before it.
    stored.take([(101, at(900))])
    assert stored.placed == [0, 1, 1, 1]


def test_an_end_is_of_the_count_whose_time_it_is() -> None:
    stored = taken([100])
    for number, minute in ((1, 1000), (3, 1060), (1, 2000), (3, 2060)):
        stored.take([(number, at(minute))])
    stored.take([(101, at(500)), (5, at(1500))])
    assert stored.placed[-2:] == [0, 1]
    # Higher than what was seen then and later: of no count.
    stored.take([(200, at(1030))])
    assert (stored.placed[-1], stored.missing) == (None, {(1, 2), (1, 4), (2, 2)})


def test_a_late_event_closes_the_gap_of_its_own_count_where_two_miss_the_same_number() -> None:
    stored = taken([4], [6, 7])
    stored.take([(6, at(16))])
    assert stored.missing == {(0, 5), *((1, number) for number in range(1, 6))}
    stored.take([(5, at(5))])
    assert stored.missing == {(1, number) for number in range(1, 6)}
    stored.take([(5, at(15))])
    assert stored.missing == {(1, number) for number in range(1, 5)}


def test_what_was_seen_before_a_reset_is_still_reused_after_it() -> None:
    stored = taken(range(1, 101))
    stored.take([(number, at(200 + number)) for number in range(1, 6)])
    for number in (3, 6, 50, 100):
        stored.take([(number, at(number))])
    assert stored.placed[-4:] == [None] * 4
    assert stored.columns == (1, 5, at(205))


def test_a_clock_that_was_set_back_by_a_correction_resets_no_count() -> None:
    """Two minutes ahead, then right; the two events come in the wrong order."""
    stored = taken([10])
    stored.take([(12, at(12))])
    stored.take([(11, at(11) + 120)])
    assert stored.placed == [0, 0, 0]
    assert (stored.epoch, stored.missing) == (0, set())


def test_numbers_go_on_where_the_clock_was_set_back_by_days() -> None:
    stored = taken([100])
    stored.take([(number, at(number) - 2 * 86_400) for number in (101, 102, 105)])
    stored.take([(106, at(106))])
    stored.take([(103, at(103))])
    assert stored.placed == [0] * 6
    assert (stored.epoch, stored.missing) == (0, {(0, 104)})


def test_a_replay_is_no_reset_after_the_clock_was_set_back() -> None:
    stored = taken([100])
    stored.take([(101, at(101) - 86_400)])
    stored.take([(100, at(100))])
    assert stored.placed == [0, 0, None]


def test_events_whose_clock_is_doubted_are_placed_by_their_numbers() -> None:
    stored = taken([4])
    stored.doubt(6)
    assert stored.missing == {(0, 5)}
    # Their time is not remembered.
    assert stored.columns == (0, 6, at(4))
    stored.take([(5, at(5)), (7, at(7))])
    assert (stored.placed, stored.missing) == ([0, 0, 0, 0], set())


def test_a_doubted_event_closes_its_gap_and_is_reused_where_nothing_is_missing() -> None:
    stored = taken([4, 6])
    stored.doubt(5)
    stored.doubt(5)
    assert (stored.placed, stored.missing) == ([0, 0, 0, None], set())


def test_counter_and_clock_lost_together_begin_a_new_count() -> None:
    """A power cut: 1 and 2 are told as of 1970, then the clock is set."""
    stored = taken([100])
    stored.doubt(1)
    stored.doubt(2)
    stored.take([(3, at(103))])
    assert stored.placed == [0, 1, 1, 1]
    assert (stored.columns, stored.missing) == ((1, 3, at(103)), set())


def test_the_first_event_of_a_bin_may_have_no_time() -> None:
    stored = Stored()
    stored.doubt(7)
    assert stored.columns[2] is None
    stored.take([(8, at(8))])
    stored.take([(6, at(6))])
    stored.doubt(4)
    assert stored.placed == [0, 0, 0, 0]
    assert (stored.columns, stored.missing) == ((0, 8, at(8)), {(0, 5)})


def test_a_counter_that_is_set_far_ahead_and_back_leaves_no_gap() -> None:
    stored = taken([101])
    stored.take([(10**9, at(102))])
    assert (stored.columns, stored.missing) == ((1, 10**9, at(102)), set())
    stored.take([(102, at(103))])
    stored.take([(103, at(104))])
    assert (stored.columns, stored.missing) == ((2, 103, at(104)), set())


def test_a_counter_that_stands_still_leaves_no_gap() -> None:
    stored = taken([70])
    for minute in (71, 72, 73):
        stored.take([(70, at(minute))])
    assert (stored.placed, stored.missing) == ([0, 1, 2, 3], set())


def test_a_jump_may_be_a_year_of_drops() -> None:
    assert len(taken([1], [JUMP_MAX + 1]).missing) == JUMP_MAX - 1
    assert taken([1], [JUMP_MAX + 2]).epoch == 1


def test_a_bin_without_a_remembered_beginning_has_seen_all_below() -> None:
    sequences = Sequences(0, 50, at(50), [], {})
    assert sequences.place(49, at(49), NOW) is None
    assert sequences.place(51, at(51), NOW) == 0


@st.composite
def glitches(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    """Batches of a bin that leaves out numbers at every turn, in order; and some of those that it left out."""
    strides = draw(st.lists(st.sampled_from((1, 2, 2, 3)), min_size=OPEN_GAPS_MAX, max_size=2 * OPEN_GAPS_MAX))
    numbers = list(itertools.accumulate(strides, initial=1))
    size = draw(st.integers(1, len(numbers)))
    left_out = sorted(set(range(1, numbers[-1])) - set(numbers))
    late = draw(st.lists(st.sampled_from(left_out), unique=True, max_size=10)) if left_out else []
    return [numbers[begin : begin + size] for begin in range(0, len(numbers), size)], late


@given(glitches())
@settings(max_examples=50)
def test_a_bin_that_glitches_has_so_many_open_gaps_and_of_the_others_it_is_kept_what_never_came(
    glitch: tuple[list[list[int]], list[int]],
) -> None:
    batches, late = glitch
    stored = Stored()
    for batch in batches:
        stored.take([(number, at(number)) for number in batch])
        assert len(stored.gaps) <= OPEN_GAPS_MAX
    came = {number for batch in batches for number in batch}
    lost = {(0, number) for number in range(1, max(came)) if number not in came}
    given_up = numbers_of(stored.given_up)
    assert (given_up | stored.missing, given_up & stored.missing) == (lost, set())
    # The oldest.
    assert max(given_up, default=(0, 0)) < min(stored.missing, default=(0, 1))
    assert not given_up or len(stored.gaps) == OPEN_GAPS_MAX
    for number in late:
        stored.take([(number, at(number))])
        assert len(stored.gaps) <= OPEN_GAPS_MAX
        lost.discard((0, number))
        assert stored.missing <= lost <= stored.missing | numbers_of(stored.given_up)
    # Nobody is held for the disorder, and what was seen above it is told from what was not.
    assert stored.placed == [0] * (len(came) + len(late))
    top = max(came)
    stored.take([(top, at(top))])
    assert stored.placed[-1] is None


@given(st.permutations(range(1, 3 * OPEN_GAPS_MAX)), st.integers(1, 50))
@settings(max_examples=20)
def test_a_backlog_in_any_order_is_taken(numbers: list[int], size: int) -> None:
    stored = Stored()
    for begin in range(0, len(numbers), size):
        stored.take([(number, at(number)) for number in numbers[begin : begin + size]])
        assert len(stored.gaps) <= OPEN_GAPS_MAX
    assert stored.placed == [0] * len(numbers)
    assert stored.missing == set()


def test_what_a_late_event_splits_may_give_up_the_oldest() -> None:
    stored = taken(range(1, 4 * OPEN_GAPS_MAX + 2, 4))
    assert (len(stored.gaps), stored.given_up) == (OPEN_GAPS_MAX, [])
    stored.take([(7, at(7))])
    assert [gap[:3] for gap in stored.given_up] == [(0, 2, 4)]
    assert {(0, 6), (0, 8)} < stored.missing
    assert len(stored.gaps) == OPEN_GAPS_MAX


def test_a_gap_that_is_shortened_and_given_up_in_one_batch_is_given_up_as_it_is() -> None:
    stored = taken(range(1, 4 * OPEN_GAPS_MAX + 2, 4))
    stored.take([(2, at(2)), (7, at(7))])
    assert [gap[:3] for gap in stored.given_up] == [(0, 3, 4)]


def test_a_number_from_among_those_that_were_given_up_is_reused_at_another_time() -> None:
    stored = taken(range(1, 2 * OPEN_GAPS_MAX + 8, 2))
    assert [gap[:3] for gap in stored.given_up] == [(0, 2, 2), (0, 4, 4), (0, 6, 6)]
    stored.take([(4, at(20)), (4, at(4))])
    stored.doubt(6)
    stored.doubt(8)
    stored.doubt(8)
    assert stored.placed[-5:] == [0, None, 0, 0, None]


def test_nothing_is_known_to_be_whole_across_what_was_given_up() -> None:
    stored = taken(range(1, 2 * OPEN_GAPS_MAX + 4, 2))
    [given_up] = stored.given_up
    sequences = Sequences(*stored.columns, list(stored.gaps.values()), stored.counts)
    assert sequences.missing_between(0, given_up.first - 1, given_up.last + 1)
    assert not sequences.missing_between(0, given_up.last, given_up.last + 1)
