from typing import Any

import pytest

from service.fleet.alarms import Thresholds, signs_of

E_GRAMS = 10
THRESHOLDS = Thresholds(heat_celsius=60, scale_zero_intervals=1, battery_percent=20)


@pytest.mark.parametrize(
    ("data", "signs"),
    [
        ({}, []),
        ({"smoke": True}, [("smoke", True, None)]),
        ({"smoke": False}, [("smoke", False, None)]),
        ({"temperature_celsius": 60.0}, []),
        ({"temperature_celsius": 60.1}, [("heat", True, 60.1)]),
        ({"temperature_celsius": 55.1}, []),
        ({"temperature_celsius": 55.0}, [("heat", False, 55.0)]),
        ({"scale_zero_grams": 10}, []),
        ({"scale_zero_grams": 11}, [("scale_zero", True, 11)]),
        ({"scale_zero_grams": -11}, [("scale_zero", True, -11)]),
        ({"scale_zero_grams": -6}, []),
        ({"scale_zero_grams": -5}, [("scale_zero", False, -5)]),
        ({"battery_percent": 19}, [("battery", True, 19)]),
        ({"battery_percent": 20}, []),
        ({"battery_percent": 24}, []),
        ({"battery_percent": 25}, [("battery", False, 25)]),
        ({"smoke": True, "temperature_celsius": 80.0}, [("smoke", True, None), ("heat", True, 80.0)]),
    ],
)
def test_an_alarm_opens_beyond_its_threshold_and_closes_some_way_below(data: Any, signs: Any) -> None:
    assert list(signs_of(data, E_GRAMS, THRESHOLDS)) == signs
