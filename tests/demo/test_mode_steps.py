"""How an answer is told, and held against what was designed."""

from typing import Any

import pytest

from service.demo.demo_file import DemoResident
from service.demo.modes.report import in_runs
from service.demo.modes.stage import cast_of, left_to_play
from service.demo.modes.steps import CREDITED, UNCLAIMED, Answer, Step, difference, duplicate, held, told

RESIDENTS = tuple(DemoResident(id=number, card=f"{number:014}", token="t") for number in range(1, 11))


def answered(*outcomes: dict[str, Any]) -> Answer:
    return Answer(200, {"outcomes": list(outcomes)})


def posted(*outcomes: Any) -> Step:
    return Step("POST", "/v1/weigh-events", outcomes=outcomes)


def test_an_answer_as_designed_has_no_difference() -> None:
    answer = answered({"outcome": "credited", "coins": 125}, {"outcome": "held", "code": "heavy_drop", "coins": 0})
    assert difference(posted(CREDITED, held("heavy_drop")), answer) is None
    assert told(posted(CREDITED, held("heavy_drop")), answer) == "credited, held heavy_drop"


@pytest.mark.parametrize(
    ("step", "answer", "says"),
    [
        (posted(CREDITED), answered({"outcome": "held", "code": "heavy_drop"}), "held heavy_drop answered"),
        (posted(held("day_drops")), answered({"outcome": "held", "code": "day_grams"}), "held day_drops expected"),
        (posted(duplicate(125)), answered({"outcome": "duplicate", "coins": 0}), "duplicate 125 coins expected"),
        (posted(CREDITED, CREDITED), answered({"outcome": "credited"}), "2 outcomes expected, 1 answered"),
        (posted(CREDITED), Answer(401, {"code": "key_unknown"}), "200 expected, 401 key_unknown answered"),
        (Step("GET", "/", status=401, code="key_unknown"), Answer(200, {}), "401 key_unknown expected, 200 answered"),
        (
            Step("GET", "/", status=401, code="key_unknown"),
            Answer(401, {"code": "signature_wrong"}),
            "401 signature_wrong answered",
        ),
        (Step("GET", "/", fields={"gaps_open": 0}), Answer(200, {"gaps_open": 1}), "gaps_open: 0 expected, 1 answered"),
        (Step("GET", "/", fields={"a.#": 1}), Answer(200, {"a": []}), "a.#: 1 expected, 0 answered"),
        (Step("GET", "/", fields={"a.0.b": "c"}), Answer(200, {"a": []}), "a.0.b: c expected, None answered"),
    ],
)
def test_an_answer_that_is_another_is_told_with_what_was_designed(step: Step, answer: Answer, says: str) -> None:
    assert says in (difference(step, answer) or "")


def test_one_of_several_outcomes_is_as_designed() -> None:
    for outcome in ({"outcome": "credited", "coins": 1}, {"outcome": "held", "code": "day_drops"}):
        assert difference(posted((*CREDITED, *held("day_drops"))), answered(outcome)) is None


def test_what_is_read_is_told_by_the_last_word_of_where_it_stands() -> None:
    step = Step("GET", "/", fields={"sequence.epoch": 1, "reviews.0.codes.0": "x", "reviews.#": 1, "alarms": []})
    answer = Answer(200, {"sequence": {"epoch": 1}, "reviews": [{"codes": ["x"]}], "alarms": []})
    assert difference(step, answer) is None
    assert told(step, answer) == "epoch 1, codes x, reviews 1, alarms none"
    assert told(Step("DELETE", "/", status=204), Answer(204, None)) == "204"


def test_the_same_again_is_told_once_with_how_often() -> None:
    assert list(in_runs(["credited", "credited", "held x", "credited"])) == ["2 × credited", "held x", "credited"]
    many = answered(*[{"outcome": "unclaimed"}] * 3, {"outcome": "credited"})
    assert told(posted(*[UNCLAIMED] * 3, CREDITED), many) == "3 × unclaimed, credited"


def test_nobody_is_of_the_cast_and_played_too() -> None:
    cast = cast_of(RESIDENTS)
    assert cast is not None
    in_modes = {cast.resident.id, cast.neighbour.id, cast.trader.id}
    assert len(in_modes) == 3
    assert {each.id for each in left_to_play(RESIDENTS)} == {each.id for each in RESIDENTS[1:]} - in_modes


def test_a_small_demo_plays_whom_it_has() -> None:
    assert cast_of(RESIDENTS[:2]) is None
    for few in (1, 2, 3, 4):
        assert left_to_play(RESIDENTS[:few])
