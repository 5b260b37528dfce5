import statistics
from collections import Counter
from datetime import UTC, datetime
from random import Random
from typing import Any

import pydantic_core

from schemas.weigh_events import weigh_event_adapter
from service.demo.drops import BOX_GRAMS_MAX, SHARE_BY_MATERIAL, WEIGHT_GRAMS_MAX, WEIGHT_GRAMS_MIN, Drops
from service.demo.sample import draw_cards

CARDS = draw_cards(1, 200)
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
COUNT = 5000


def taken(seed: int = 1) -> list[Any]:
    drops = Drops(CARDS, Random(seed))  # noqa: S311
    return [drops.drop("NK-0001", sequence, NOW) for sequence in range(COUNT)]


def card_of(event: Any) -> str | None:
    credential = event["data"].get("credential")
    return None if credential is None else credential["value"]


def test_a_drop_is_an_event_of_the_contract() -> None:
    for event in taken()[:200]:
        weigh_event_adapter.validate_json(pydantic_core.to_json(event))


def test_a_drop_weighs_about_two_kilograms() -> None:
    grams = [event["data"]["weight_grams"] for event in taken()]
    assert 1900 < statistics.mean(grams) < 2300
    assert WEIGHT_GRAMS_MIN <= min(grams) <= max(grams) <= WEIGHT_GRAMS_MAX


def test_all_six_materials_are_brought() -> None:
    assert {event["data"]["material"] for event in taken()} == SHARE_BY_MATERIAL.keys()


def test_some_residents_bring_much_more_often_than_others() -> None:
    counts = Counter(card_of(event) for event in taken())
    assert counts[CARDS[0]] > 5 * counts[CARDS[50]] > 0


def test_now_and_then_there_is_no_card_or_one_that_nobody_has() -> None:
    counts = Counter("none" if card is None else card in CARDS for card in map(card_of, taken()))
    assert 0.03 < counts["none"] / COUNT < 0.1
    assert 0.005 < counts[False] / COUNT < 0.04


def test_a_box_holds_what_was_dropped_since_it_was_emptied() -> None:
    boxes: dict[str, int] = {}
    emptied = 0
    for event in taken():
        data = event["data"]
        full = boxes.get(data["material"], 0) + data["weight_grams"]
        assert data["box_weight_grams"] in (full, data["weight_grams"])
        assert data["box_weight_grams"] <= BOX_GRAMS_MAX
        emptied += data["box_weight_grams"] != full
        boxes[data["material"]] = data["box_weight_grams"]
    assert emptied > 100


def test_a_second_run_from_the_same_seed_repeats_no_event() -> None:
    first, second = taken(), taken()
    assert [event["data"] for event in first] == [event["data"] for event in second]
    assert {event["id"] for event in first}.isdisjoint(event["id"] for event in second)
