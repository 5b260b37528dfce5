"""Modes of how events arrive: twice, in another order, days later. Pure."""

from datetime import timedelta
from typing import Final

from schemas.weigh_events import BATCH_EVENTS_MAX
from service.demo.modes.stage import Stage
from service.demo.modes.steps import CONFLICT, CREDITED, UNCLAIMED, OneOf, Script, duplicate, held

BURST_DAYS: Final = 3
BURST_EVERY: Final = timedelta(minutes=8)
BURST_GRAMS: Final = 400
# Of so many drops one shows a card.
BURST_CARD_EVERY: Final = 150
# As the days that the demo played at a real pace bear it, and this mode was not run on them too often.
BURST_CREDITED: Final[OneOf] = (*CREDITED, *held("day_drops", "day_grams", "day_coins"))


def duplicates(stage: Stage) -> Script:
    """The answer is lost, and the bin sends again: alone, twice in one batch, and once with another weight."""
    own, resident = stage.bin, stage.cast.resident
    first, second = own.drop(resident, 1_250), own.drop(resident, 800)
    answer = yield own.post_one(first, CREDITED)
    again = duplicate(answer.outcomes[0].coins)
    yield own.post_one(first, again)
    answer = yield own.post([first, second, second], [again, CREDITED, duplicate(None)])
    yield own.post([second, first], [duplicate(answer.outcomes[1].coins), again])
    heavier = first.copy()
    heavier["data"] = {**first["data"], "weight_grams": 9_250}
    yield own.post_one(heavier, CONFLICT)


def reordered(stage: Stage) -> Script:
    """Events overtake each other on their way; each box weighs what it should."""
    own, resident = stage.bin, stage.cast.resident
    drops = [own.drop(resident, 600 + 100 * number) for number in range(5)]
    yield own.post_one(drops[0], CREDITED)
    yield own.post_one(drops[3], CREDITED)
    yield own.seen(gaps_open=1)
    yield own.post_one(drops[4], CREDITED)
    yield own.post_one(drops[2], CREDITED)
    yield own.post_one(drops[1], CREDITED)
    yield own.seen(gaps_open=0)


def offline_burst(stage: Stage) -> Script:
    """Three days without a network, then all at once, the newest first: in one second more than a bin takes in days,
    and yet none of its hours had too many."""
    own, cast = stage.bin, stage.cast
    begins = stage.now - timedelta(days=BURST_DAYS)
    people = (cast.resident, cast.neighbour)
    events, outcomes = [], []
    for number in range(timedelta(days=BURST_DAYS) // BURST_EVERY):
        shown = None if number % BURST_CARD_EVERY else people[number // BURST_CARD_EVERY % len(people)]
        events.append(own.drop(shown, BURST_GRAMS, at=begins + number * BURST_EVERY, weighs_box=False))
        outcomes.append(UNCLAIMED if shown is None else BURST_CREDITED)
    yield own.post_one(events[0], outcomes[0])
    later = len(events) - BATCH_EVENTS_MAX
    yield own.post(events[later:], outcomes[later:])
    yield own.seen(gaps_open=1)
    yield own.post(events[1:later][::-1], outcomes[1:later][::-1])
    yield own.seen(gaps_open=0)
