import json
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator import Load
from loadtest.result import BUSY_SHARE_MAX, Spread, Tally, result_of, spread_of, was_the_limit


def spread(p99: float) -> Spread:
    return Spread(p50=0.1, p90=0.2, p99=p99, p99_9=p99, max=p99, mean=0.1)


def test_percentiles_are_in_milliseconds() -> None:
    found = spread_of(array("d", [number / 1000 for number in range(1, 1001)]))
    assert found is not None
    assert found.p50 == pytest.approx(500, rel=0.002)
    assert found.p90 == pytest.approx(900, rel=0.002)
    assert found.p99 == pytest.approx(990, rel=0.002)
    assert found.p99_9 == pytest.approx(999, rel=0.002)
    assert found.max == pytest.approx(1000)
    assert found.mean == pytest.approx(500.5)


def test_nothing_measured_has_no_spread() -> None:
    assert spread_of(array("d")) is None


@given(st.lists(st.floats(0, 10_000, allow_nan=False), min_size=1, max_size=50))
def test_any_times_have_a_rising_spread(seconds: list[float]) -> None:
    found = spread_of(array("d", seconds))
    assert found is not None
    assert found.p50 <= found.p90 <= found.p99 <= found.p99_9
    assert found.max == max(seconds) * 1000


def test_outcomes_of_a_mixed_answer_are_counted() -> None:
    tally = Tally(4)
    said = ["credited", "duplicate", "credited", "rejected"]
    tally.answered(0.1, 200, json.dumps({"outcomes": [{"id": "1", "outcome": name} for name in said]}).encode())
    result = result_of(tally, Load(0.1, None), loop="closed", connections=1, due_per_second=None, seconds=2, repeated=0)
    assert result.outcomes == {"credited": 2, "duplicate": 1, "rejected": 1}
    assert (result.requests, result.events, result.events_per_second) == (1, 4, 2.0)


def test_each_request_is_counted_in_one_place() -> None:
    tally = Tally(1)
    tally.answered(0.1, 200, b'"credited"')
    tally.answered(0.1, 503, b"")
    tally.gave_up(0.2)
    tally.unanswered([1.0, 2.0], 3.0)
    result = result_of(tally, Load(0.1, 0.2), loop="open", connections=1, due_per_second=5, seconds=1, repeated=2)
    assert result.requests == 5 == sum(result.statuses.values()) + result.failed + result.unanswered
    assert sorted(tally.latencies) == [0.1, 0.1, 0.2, 1.0, 2.0]
    assert json.loads(json.dumps(result.as_json()))["statuses"] == {"200": 1, "503": 1}


def test_a_generator_that_fills_its_core_was_the_limit() -> None:
    assert was_the_limit(Load(BUSY_SHARE_MAX + 0.01, None), spread(1.0), None)
    assert not was_the_limit(Load(BUSY_SHARE_MAX - 0.01, None), spread(1.0), None)
    assert not was_the_limit(Load(BUSY_SHARE_MAX - 0.2, 0.1), spread(1.0), None)


def test_a_generator_that_never_rests_was_the_limit_though_others_had_its_core() -> None:
    assert was_the_limit(Load(0.5, BUSY_SHARE_MAX - 0.4), spread(1.0), None)


@pytest.mark.parametrize(
    ("latency_p99", "lateness_p99", "limit"),
    [(2.0, 0.9, False), (2.0, 1.1, True), (100.0, 20.0, False), (100.0, 26.0, True)],
)
def test_a_generator_that_sends_late_was_the_limit(latency_p99: float, lateness_p99: float, limit: bool) -> None:
    assert was_the_limit(Load(0.1, 0.1), spread(latency_p99), spread(lateness_p99)) is limit
