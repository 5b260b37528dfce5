"""The commands for scrap stations, as an operator types them."""

import json

import pytest

from service.errors import AreaUnknown, StationExists, StationUnknown, ValidationFailed
from tests.managing.conftest import Tanbi

ADD = ("station", "add", "S1", "--area", "c", "--name", "废品站", "--name-en", "Scrap", "--from")


def test_a_station_is_added_given_a_key_listed_and_closed(tanbi: Tanbi) -> None:
    assert "reports from 2025-11 on" in tanbi(*ADD, "2025-11")
    made = tanbi("key", "create", "--role", "station", "--station", "S1", "--name", "王老板")
    assert json.loads(made.partition("}")[0] + "}")["role"] == "station"
    assert "station │ 王老板 │ S1" in tanbi("key", "list")
    assert "2025-11, 2025-12" in tanbi("station", "list")
    assert tanbi("station", "close", "S1", "--until", "2025-12") == "Station S1 reports up to 2025-12."
    assert "S1 │ 废品站 Scrap │ c │ 2025-11 │ 2025-12 │ 0 of 2 │ 2025-11, 2025-12" in tanbi("station", "list")


def test_mistakes_are_told(tanbi: Tanbi) -> None:
    with pytest.raises(ValidationFailed, match="reports_from"):
        tanbi(*ADD, "2025")
    tanbi(*ADD, "2025-11")
    with pytest.raises(StationExists):
        tanbi(*ADD, "2025-11")
    with pytest.raises(AreaUnknown):
        tanbi("station", "add", "S2", "--area", "x", "--name", "站", "--name-en", "S", "--from", "2025-11")
    with pytest.raises(ValidationFailed, match="from 2025-11 on"):
        tanbi("station", "close", "S1", "--until", "2025-10")
    with pytest.raises(StationUnknown):
        tanbi("station", "close", "S9", "--until", "2025-12")
    with pytest.raises(StationUnknown):
        tanbi("key", "create", "--role", "station", "--station", "S9", "--name", "x")
    for wrong in (("--role", "station"), ("--role", "viewer", "--station", "S1")):
        with pytest.raises(ValidationFailed, match="names its station"):
            tanbi("key", "create", *wrong, "--name", "x")
