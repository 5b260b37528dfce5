"""What is missing of a bin's events, by the numbers it gives them.

A bin counts its events: 1, 2, 3, … (some begin with 0). Within one count a later event has a higher number, so the pair
(number, time) tells where an event belongs also when it comes late:

* later in time and higher: the next of the present count; what was left out between is a gap.
* earlier, and its number is in an open gap of a count whose time it fits: the late event, and no longer missing.
* later in time and not higher: the counter was reset. A new count begins, with the next epoch; what it left out, from
  1 on, is a gap.
* earlier than the reset and higher than all that was seen before it: the late end of the count before.
* lower than the first that was ever seen, and earlier: of the time before this service knew the bin. What is missing
  there is nobody's to say, so a bin's first event opens no gap; one that follows from there opens the gap between.
* neither: the number was seen, or is said to lie where everything was seen. It is told as reused.

Odd cases, and what becomes of them:

* A clock set back (by a correction, at most `CLOCK_STEP_SECONDS`, or further): the number right after the highest is
  next whatever its time. `sequence_at` is the latest time seen, so it does not go back.
* A clock that is doubted (in the future, before the last visit) says nothing: such an event is placed by its number
  alone. Where that is 0 or 1, counter and clock were lost together, as after a power cut: a new count. Where it was
  seen, a reset cannot be told from a replay, and it is called reused; it is held for its clock anyway.
* A jump of more than `JUMP_MAX` forward is no loss (that is a year of drops) but a counter set to another number: a new
  count without a gap, which its own past may still fill. Back to where the last count stood: again a new count, without
  a gap. A smaller jump forward and back leaves the numbers between as a gap, and after the way back those from 1 on:
  nothing tells it from events lost twice.
* A counter that stands still: each event is later and no higher, so each begins a count; without a gap, or one broken
  bin would miss thousands of events that never were.
* A reset of which the first event to arrive is numbered higher than all before it is taken for a jump; those of it that
  come later with lower numbers are called reused. So are those of a count that began and ended unheard between two
  others, or before the first. Both need a reset and events that arrive out of order at once; they are held, not lost.
* A reset within the second of the last event is called reused: it is no later.
* A bin that gives every other number would open a gap with each event, and each batch with an event of it reads all
  that are open. So at most `OPEN_GAPS_MAX` of one bin are: of more, the one with the lowest number of the oldest count
  is given up. Its row stays, and says what had not come by then. From the lowest number that was given up to the
  highest, nobody knows any more which came: an event of that time with such a number is taken, as a bin that sends a
  long backlog in disorder does no wrong, also where it is a replay under a new id; and no box is judged across it.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

# A clock is corrected by at most as much as signatures may be off, unless it was wrong altogether.
CLOCK_STEP_SECONDS: Final = 300
# A year of drops at 25 a day.
JUMP_MAX: Final = 10_000
# Counts before the present one that are remembered. Late events of older ones find their gaps, but not their end.
PAST_COUNTS_MAX: Final = 4
# A bin that loses every second event of its usual 25 a day, and is offline for a week.
OPEN_GAPS_MAX: Final = 100
LONG_AGO: Final = -math.inf


class Gap(NamedTuple):
    """Numbers that never came, from `first` to `last`, of events before `before_at` (Unix seconds).

    `id` is the stored row's; None where it was opened just now.
    """

    epoch: int
    first: int
    last: int
    before_at: float
    id: int | None = None


class Count(NamedTuple):
    """What was seen of one count: its lowest and highest number, with the earliest and the latest time."""

    epoch: int
    first: int
    first_at: float
    last: int
    last_at: float


class Sequences:
    """The numbers that were seen of one bin, and the open gaps between them."""

    __slots__ = (
        "_stored",
        "_unsure",
        "epoch",
        "first",
        "first_at",
        "gaps",
        "given_up",
        "highest",
        "highest_at",
        "past",
    )

    def __init__(
        self, epoch: int, highest: int | None, highest_at: float | None, gaps: Iterable[Gap], counts: dict[str, Any]
    ) -> None:
        """`highest` of the present count, None before the first event; `highest_at` is the latest time seen, None where
        no clock could be believed. `counts` as in `as_json`; empty: all below `highest` was seen."""
        self.epoch = epoch
        self.highest = highest
        self.highest_at = LONG_AGO if highest_at is None else highest_at
        # By epoch and number: looked up by bisection.
        self.gaps = sorted(gaps)
        self._stored = {gap.id: gap for gap in self.gaps}
        self.first: int
        self.first_at: float
        self.first, self.first_at = counts.get("first", (0, 0.0))
        self.past = [Count(*each) for each in counts.get("past", ())]
        # Gaps that were open until now, or would be.
        self.given_up: list[Gap] = []
        # From the lowest number that was given up of one count, the newest in which any was, to the highest.
        self._unsure = Gap(*counts["unsure"]) if "unsure" in counts else None

    def place(self, number: int, at: float, now: float) -> int | None:
        """The epoch that the event belongs to, which is remembered; None where its number was used. `at` is believed.

        Times are Unix seconds.
        """
        highest = self.highest
        if highest is None:
            self.highest, self.highest_at, self.first, self.first_at = number, at, number, at
        elif number > highest and at >= self.highest_at:
            self._extend(highest, number, at, before_at=at)
        else:
            return self._place_late(highest, number, at, now)
        return self.epoch

    def place_without_time(self, number: int, now: float) -> int | None:
        """As `place`, of an event whose clock cannot be believed: it happened before `now`."""
        highest = self.highest
        if highest is None:
            self.highest, self.first, self.first_at = number, number, now
        elif number > highest:
            self._extend(highest, number, self.highest_at, before_at=now)
        elif (gap := self._gap_with(self.epoch, number)) is not None:
            self._fill(gap, number, None)
        elif self._unsure_epoch(number, None) == self.epoch:
            pass
        elif 0 < self.first - number <= (JUMP_MAX if number > 1 else 1):
            self._prepend(number, None)
        elif number <= 1:
            self._begin(highest, number, self.highest_at, before_at=now)
        else:
            return None
        return self.epoch

    def missing_between(self, epoch: int, after: int, before: int) -> bool:
        """Whether a number of this count is missing that lies between the two, or may be."""
        if self._unsure is not None and (epoch, after) < (self._unsure.epoch, self._unsure.last):
            return True
        found = bisect_left(self.gaps, (epoch, before)) - 1
        return found >= 0 and self.gaps[found].epoch == epoch and self.gaps[found].last > after

    @property
    def opened(self) -> list[tuple[int, int, int, float]]:
        """(epoch, first, last, before_at) of each gap that is to be stored. A gap that was split is shortened, and its
        lower part opened."""
        return [gap[:4] for gap in self.gaps if gap.id is None]

    @property
    def closed(self) -> list[int]:
        """Ids of the stored gaps of which nothing is missing any more."""
        still = {gap.id for gap in (*self.gaps, *self.given_up)}
        return [stored for stored in self._stored if stored is not None and stored not in still]

    @property
    def shortened(self) -> list[tuple[int, int, int]]:
        """(id, first, last) of the stored gaps of which less is missing."""
        return [
            (gap.id, gap.first, gap.last) for gap in self.gaps if gap.id is not None and self._stored[gap.id] != gap
        ]

    def as_json(self) -> dict[str, Any]:
        """{"first": [number, Unix seconds], "past": [[epoch, first, first_at, last, last_at], …], "unsure": [epoch,
        first, last, before_at]}, times being Unix seconds; the present count's first, the counts before it, the newest
        last, and the numbers of which nobody knows whether they came. The last two only where there are any."""
        if self.highest is None:
            return {}
        counts: dict[str, Any] = {"first": [self.first, self.first_at]}
        if self.past:
            counts["past"] = [list(each) for each in self.past]
        if self._unsure is not None:
            counts["unsure"] = list(self._unsure[:4])
        return counts

    def _place_late(self, highest: int, number: int, at: float, now: float) -> int | None:
        """An event that is not simply the present count's newest."""
        if self._was_seen(highest, number, at):
            return None
        missed = self._missed(number, at)
        if missed is not None:
            return missed
        # Before the first believed time, all that is known is that a lower number came earlier.
        if at <= self.highest_at or self.highest_at == LONG_AGO:
            for position in range(len(self.past) - 1, -1, -1):
                if self._ends(position, number, at):
                    return self.past[position].epoch
            if 0 < self.first - number <= JUMP_MAX and self._fits_before_first(at):
                self._prepend(number, at)
                return self.epoch
        if number > highest:
            if number > highest + 1 and at < self._begins_at(self.epoch) - CLOCK_STEP_SECONDS:
                return None
            # The clock was set back: what lies between happened before now, and that is all that is known.
            self._extend(highest, number, self.highest_at, before_at=now)
        elif at > self.highest_at:
            self._begin(highest, number, at, before_at=at)
        else:
            return None
        return self.epoch

    def _was_seen(self, highest: int, number: int, at: float) -> bool:
        """Whether a count reaches over both number and time, and does not miss it."""
        present = Count(self.epoch, self.first, self.first_at, highest, self.highest_at)
        return any(
            count.first <= number <= count.last
            and count.first_at <= at <= count.last_at
            and self._gap_with(count.epoch, number) is None
            and self._unsure_epoch(number, at) != count.epoch
            for count in (present, *self.past)
        )

    def _missed(self, number: int, at: float) -> int | None:
        """The epoch of an event that was missing, or may have been."""
        gap = self._gap_for(number, at)
        if gap is not None:
            self._fill(gap, number, at)
            return gap.epoch
        return self._unsure_epoch(number, at)

    def _extend(self, highest: int, number: int, at: float, *, before_at: float) -> None:
        """The present count goes on; `at` is not before the latest time seen."""
        if number - highest > JUMP_MAX:
            self._begin(highest, number, at, before_at=before_at)
            return
        if number > highest + 1:
            self._open(Gap(self.epoch, highest + 1, number - 1, before_at))
        self.highest, self.highest_at = number, at

    def _begin(self, highest: int, number: int, at: float, *, before_at: float) -> None:
        """A new count. `highest` was the last one's."""
        # Finite, because it is stored as JSON: of a count without a believed time, all of the past may be.
        ended = Count(self.epoch, self.first, self.first_at, highest, max(self.highest_at, 0.0))
        goes_on = any(each.last == number - 1 for each in self.past)
        self.past = [*self.past, ended][-PAST_COUNTS_MAX:]
        self.epoch += 1
        self.first, self.first_at = number, before_at
        self.highest, self.highest_at = number, at
        if 1 < number <= JUMP_MAX and not goes_on and number != highest:
            self._open(Gap(self.epoch, 1, number - 1, before_at))
            self.first = 1

    def _ends(self, position: int, number: int, at: float) -> bool:
        """Whether the event is the late end of this past count; then it is remembered as that."""
        count = self.past[position]
        fits = count.last_at - CLOCK_STEP_SECONDS <= at <= self._ends_at(count.epoch) + CLOCK_STEP_SECONDS
        if not (fits and 0 < number - count.last <= JUMP_MAX):
            return False
        if number > count.last + 1:
            self._open(Gap(count.epoch, count.last + 1, number - 1, at))
        self.past[position] = count._replace(last=number)
        self._widen(count.epoch, at)
        return True

    def _fits_before_first(self, at: float) -> bool:
        return self._begins_at(self.epoch) - CLOCK_STEP_SECONDS <= at <= self.first_at + CLOCK_STEP_SECONDS

    def _prepend(self, number: int, at: float | None) -> None:
        """An event from before the first that was seen of the present count."""
        if self.first - number > 1:
            self._open(Gap(self.epoch, number + 1, self.first - 1, self.first_at))
        self.first = number
        if at is not None:
            self._widen(self.epoch, at)

    def _widen(self, epoch: int, at: float) -> None:
        """The count reaches over this time too."""
        if epoch == self.epoch:
            self.first_at, self.highest_at = min(self.first_at, at), max(self.highest_at, at)
        for position, count in enumerate(self.past):
            if count.epoch == epoch:
                widened = count._replace(first_at=min(count.first_at, at), last_at=max(count.last_at, at))
                self.past[position] = widened

    def _begins_at(self, epoch: int) -> float:
        """No event of this count is earlier: the count before it had not ended."""
        for count in self.past:
            if count.epoch == epoch - 1:
                return count.last_at
        return LONG_AGO

    def _ends_at(self, epoch: int) -> float:
        """No event of this count is later: the count after it had begun."""
        if epoch + 1 == self.epoch:
            return self.first_at
        for count in self.past:
            if count.epoch == epoch + 1:
                return count.first_at
        return math.inf

    def _gap_with(self, epoch: int, number: int) -> Gap | None:
        found = bisect_left(self.gaps, (epoch, number + 1)) - 1
        if found >= 0 and self.gaps[found].epoch == epoch and self.gaps[found].last >= number:
            return self.gaps[found]
        return None

    def _gap_for(self, number: int, at: float) -> Gap | None:
        """The gap that a late event closes: the one whose time it fits best, of the newest count where several do."""
        found, found_off = None, CLOCK_STEP_SECONDS + 1.0
        for gap in self._gaps_with(number):
            off = self._off(gap, at)
            if off < found_off:
                found, found_off = gap, off
        return found

    def _off(self, gap: Gap, at: float) -> float:
        """By how many seconds the time does not fit."""
        return max(0.0, self._begins_at(gap.epoch) - at, at - min(gap.before_at, self._ends_at(gap.epoch)))

    def _gaps_with(self, number: int) -> Iterator[Gap]:
        """Of each count at most one, the newest count first."""
        before = len(self.gaps)
        while before:
            epoch = self.gaps[before - 1].epoch
            found = self._gap_with(epoch, number)
            if found is not None:
                yield found
            before = bisect_left(self.gaps, (epoch,))

    def _fill(self, gap: Gap, number: int, at: float | None) -> None:
        """Take a number out of a gap. The upper part keeps the row; what is below happened before `at`."""
        position = self.gaps.index(gap)
        parts = []
        if number > gap.first:
            parts.append(gap._replace(last=number - 1))
        if number < gap.last:
            parts.append(gap._replace(first=number + 1))
        if len(parts) > 1:
            parts[0] = parts[0]._replace(before_at=gap.before_at if at is None else min(gap.before_at, at), id=None)
        self.gaps[position : position + 1] = parts
        self._give_up()
        if at is not None:
            self._widen(gap.epoch, at)

    def _open(self, gap: Gap) -> None:
        insort(self.gaps, gap)
        self._give_up()

    def _give_up(self) -> None:
        while len(self.gaps) > OPEN_GAPS_MAX:
            oldest = self.gaps.pop(0)
            self.given_up.append(oldest)
            before = self._unsure
            if before is None or before.epoch < oldest.epoch:
                self._unsure = oldest
            elif before.epoch == oldest.epoch:
                first, last = min(before.first, oldest.first), max(before.last, oldest.last)
                self._unsure = Gap(before.epoch, first, last, max(before.before_at, oldest.before_at))

    def _unsure_epoch(self, number: int, at: float | None) -> int | None:
        """The count in which nobody knows whether the event came; None where its time does not fit there."""
        unsure = self._unsure
        if unsure is None or not unsure.first <= number <= unsure.last:
            return None
        return unsure.epoch if at is None or self._off(unsure, at) <= CLOCK_STEP_SECONDS else None
