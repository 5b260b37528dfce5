"""The commands that show bins, as an operator types them."""

import asyncio
import json
import time

import pytest

from schemas.telemetry import TelemetryData
from service.db import Writers
from service.errors import ValidationFailed
from service.fleet.alarms import Thresholds
from service.fleet.telemetry_recording import Recording
from service.fleet.telemetry_rules import Told
from service.settings import Settings
from tests.managing.conftest import Tanbi


def tell(settings: Settings, bin_id: str, data: TelemetryData) -> None:
    """As if the bin had told it now."""

    async def record() -> None:
        writers = Writers(settings)
        await Recording(writers, Thresholds(60, 1, 20), 300).commit([Told(bin_id, time.time(), 0, data)])
        writers.close()

    asyncio.run(record())


def test_bins_are_shown_as_they_told_and_their_alarms_with_the_site(tanbi: Tanbi, settings: Settings) -> None:
    for bin_id in ("NK-0001", "NK-0002"):
        tanbi("bin", "add", bin_id, "--site", "s1")
    boxes = [{"material": "paper", "fill_percent": 85, "mass_grams": 20_310}]
    tell(settings, "NK-0002", {"boxes": boxes, "temperature_celsius": 61.5, "firmware": "2.4.1"})  # type: ignore[typeddict-item]
    assert "│ NK-0001 │ s1 │ active, offline │" in tanbi("bin", "list", "--offline")
    listed = tanbi("bin", "list", "--online", "--wants-emptying", "--alarm", "heat", "--area", "c", "--site", "s1")
    assert "│ NK-0002 │ s1 │ active, wants emptying │ heat │ 20" in listed
    assert "│ 85 │ 20310 │ 61.5 │ │ 2.4.1 │ 0 │ 0 │ │" in listed
    assert "NK-0001" not in listed
    assert [alarm["kind"] for alarm in json.loads(tanbi("bin", "show", "NK-0002"))["open_alarms"]] == ["heat"]
    assert "│ heat │ NK-0002 │ s1 │ 61.5 │ 20" in tanbi("alarm", "list", "--area", "c")
    assert "NK-0002" not in tanbi("alarm", "list", "--over") + tanbi("alarm", "list", "--kind", "smoke")
    with pytest.raises(ValidationFailed):
        tanbi("bin", "list", "--cursor", "no cursor")
