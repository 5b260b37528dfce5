"""What telemetry makes of what is known of a bin, without a database."""

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.fleet.alarms import AlarmKind, Thresholds
from service.fleet.telemetry_rules import NOTHING, Chronicle, Rules, Told, fill_percent_max, placed_at, rejection_of

RULES = Rules(Thresholds(60, 1, 20), history_seconds=300, verification_interval_grams=10, box_capacity_grams=30_000)
DAY = 86_400


def chronicle(**known: Any) -> Chronicle:
    """A bin that was never heard, or of which this is known."""
    nothing: dict[str, Any] = {
        "occurred_at": -inf,
        "kept_at": None,
        "clock_skew_seconds": None,
        "condition": NOTHING,
        "told_at": {},
        "alarms": {},
    }
    return Chronicle("NK-0001", RULES, **{**nothing, **known})


def told(occurred_at: float, **data: Any) -> Told:
    return Told("NK-0001", occurred_at, 0, data)  # type: ignore[arg-type]  # as the contract has it


def test_what_is_left_out_stays_as_it_was_told() -> None:
    bin_ = chronicle()
    boxes = [{"material": "paper", "fill_percent": 40}, {"material": "metal", "mass_grams": 27_000}]
    bin_.take([told(1000, firmware="2.4", door="open", boxes=boxes), told(1030, temperature_celsius=20.5), told(1060)])
    assert (bin_.occurred_at, bin_.condition.firmware, bin_.condition.door_open) == (1060, "2.4", True)
    assert (bin_.condition.temperature_celsius, bin_.condition.fill_percent_max) == (20.5, 90)
    bin_.take([told(1090, boxes=[], door="closed")])
    assert (bin_.condition.boxes, bin_.condition.fill_percent_max, bin_.condition.door_open) == ("[]", None, False)


@given(st.permutations(range(6)))
def test_the_newest_is_the_state_whatever_the_order(order: list[int]) -> None:
    bin_ = chronicle()
    bin_.take(told(1000 + 30 * number, battery_percent=90 - number) for number in order)
    assert (bin_.occurred_at, bin_.condition.battery_percent) == (1150, 85)


def test_what_comes_late_changes_nothing_of_which_something_newer_spoke_and_is_kept() -> None:
    bin_ = chronicle(
        occurred_at=10_000.0,
        kept_at=10_000.0,
        condition=NOTHING._replace(smoke=False, firmware="2.4"),
        told_at={"smoke": 9000.0, "firmware": 9000.0},
    )
    bin_.take([told(5000, temperature_celsius=30.0), told(5030, smoke=True)])
    assert (bin_.occurred_at, bin_.condition.smoke, bin_.opened) == (10_000, False, [])
    assert bin_.condition.temperature_celsius == 30.0
    [first, smoke] = bin_.kept
    # What else was told then, and nothing of today.
    assert (smoke.condition.smoke, smoke.condition.temperature_celsius, smoke.condition.firmware) == (True, 30.0, None)
    assert (first.always, smoke.always) == (False, True)


@given(st.permutations(range(5)), st.integers(0, 5))
def test_smoke_that_comes_late_is_an_alarm_unless_something_newer_spoke_of_smoke(order: list[int], cut: int) -> None:
    """Whatever arrives in which order, and in which batch: heartbeats of other things do not swallow an alarm."""
    events = [told(1000, smoke=False), told(1030, smoke=True, temperature_celsius=90.0)]
    events += [told(1060), told(1090, battery_percent=50), told(1120, temperature_celsius=95.0)]
    bin_ = chronicle()
    bin_.take(events[number] for number in order[:cut])
    bin_.take(events[number] for number in order[cut:])
    assert set(bin_.alarms) == {AlarmKind.SMOKE, AlarmKind.HEAT}
    assert (bin_.condition.smoke, bin_.condition.temperature_celsius) == (True, 95.0)
    assert bin_.told_at == {"smoke": 1030, "temperature_celsius": 1120, "battery_percent": 1090}


def test_an_alarm_ends_by_what_comes_late_too() -> None:
    bin_ = chronicle()
    bin_.take([told(1000, smoke=True), told(1060)])
    bin_.take([told(1030, smoke=False)])
    assert (bin_.alarms, bin_.condition.smoke) == ({}, False)


def test_a_sensor_that_flickers_does_not_fill_the_list() -> None:
    bin_ = chronicle()
    bin_.take(told(1000 + number, smoke=number % 2 == 0) for number in range(500))
    assert [(alarm.opened_at, alarm.closed_at) for alarm in bin_.opened] == [(1000, 1001), (1002, 1003), (1004, 1499)]
    bin_.take([told(2000, smoke=True)])
    assert bin_.alarms == {AlarmKind.SMOKE: 2000}


def test_an_alarm_opens_once_and_closes_when_the_bin_says_otherwise() -> None:
    bin_ = chronicle()
    bin_.take([told(1000, smoke=True), told(1030, smoke=True), told(1060), told(1090, smoke=False), told(1120)])
    [alarm] = bin_.opened
    assert (alarm.kind, alarm.opened_at, alarm.closed_at, bin_.alarms) == (AlarmKind.SMOKE, 1000, 1090, {})
    bin_.take([told(1150, smoke=True)])
    assert [(alarm.opened_at, alarm.closed_at) for alarm in bin_.opened] == [(1000, 1090), (1150, None)]


def test_an_alarm_that_was_open_before_is_closed_once() -> None:
    bin_ = chronicle(occurred_at=900.0, alarms={AlarmKind.HEAT: 900.0})
    events = [told(1000, temperature_celsius=70.0), told(1030, temperature_celsius=40.0)]
    bin_.take(events)
    assert (bin_.opened, [closed[1:] for closed in bin_.closed]) == ([], [(AlarmKind.HEAT, 1030)])


def test_of_two_events_from_the_same_second_that_of_the_alarm_counts() -> None:
    for events in (
        [told(1000, smoke=True), told(1000, smoke=False)],
        [told(1000, smoke=False), told(1000, smoke=True)],
    ):
        bin_ = chronicle()
        bin_.take(events)
        assert bin_.alarms == {AlarmKind.SMOKE: 1000}


def test_taking_a_batch_again_changes_nothing() -> None:
    bin_ = chronicle()
    events = [told(1000, smoke=True), told(1030, smoke=False), told(1060, battery_percent=5)]
    bin_.take(events)
    again = chronicle(
        occurred_at=bin_.occurred_at,
        kept_at=bin_.kept_at,
        condition=bin_.condition,
        told_at=dict(bin_.told_at),
        alarms=dict(bin_.alarms),
    )
    again.take(events)
    assert (again.occurred_at, again.condition, again.alarms) == (bin_.occurred_at, bin_.condition, bin_.alarms)
    assert (again.opened, again.closed) == ([], [])


def test_three_days_of_a_bin_that_was_offline_are_thinned_and_keep_every_change_of_an_alarm() -> None:
    bin_ = chronicle()
    # Where a span of this bin begins.
    start = chronicle()._span(1.77e9)
    events = [told(start + 30 * number, temperature_celsius=20.0) for number in range(3 * DAY // 30)]
    events[777] = told(events[777].occurred_at, temperature_celsius=75.0)
    bin_.take(events)
    assert len(bin_.kept) == 3 * DAY // 300 + 2
    assert sum(kept.always for kept in bin_.kept) == 2


def test_a_heartbeat_of_a_bin_that_never_said_anything_has_no_history() -> None:
    bin_ = chronicle()
    bin_.take([told(1000), told(2000)])
    assert (bin_.kept, bin_.occurred_at) == ([], 2000)


@pytest.mark.parametrize(
    ("boxes", "percent"),
    [
        ([], None),
        ([{"material": "paper"}], None),
        ([{"material": "paper", "fill_percent": 0}, {"material": "glass", "fill_percent": 81}], 81),
        ([{"material": "paper", "fill_percent": 20, "mass_grams": 30_000}], 20),
        ([{"material": "paper", "mass_grams": 24_000}], 80),
        ([{"material": "paper", "mass_grams": -40}], 0),
        ([{"material": "paper", "mass_grams": 1_000_000_000}], 1000),
    ],
)
def test_the_fullest_box_counts_by_its_mass_where_it_tells_no_more(boxes: Any, percent: int | None) -> None:
    assert fill_percent_max(boxes, 30_000) == percent


@pytest.mark.parametrize(
    ("occurred_at", "skew", "placed"),
    [
        (1000.25, 0, 1000.25),
        (1000.25, 10, 1000.25),
        (1000.25, -10, 1000.25),
        # A clock that is far behind, or ahead, is corrected.
        (1000.0, 200, 1200.0),
        (2200.0, -250, 1950.0),
        (1995.0, 11, 2000.0),
        # Nothing is later than now.
        (2009.0, 0, 2000.0),
    ],
)
def test_an_event_is_placed_by_the_services_clock(occurred_at: float, skew: int, placed: float) -> None:
    assert placed_at(occurred_at, skew, now=2000.0) == placed


def test_what_is_not_yet_or_too_long_ago_is_rejected() -> None:
    def code(occurred_at: float) -> str | None:
        return rejection_of(occurred_at, now=100.0 * DAY, future_seconds_max=300, age_days_max=30)

    assert code(100.0 * DAY + 301) == "time_in_future"
    assert code(70.0 * DAY - 1) == "time_too_old"
    assert (code(100.0 * DAY + 300), code(70.0 * DAY)) == (None, None)
