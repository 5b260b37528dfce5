"""What is judged of a district's year; the run itself is tried by hand, it takes minutes."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtest import volumes
from loadtest.volumes import Asked, Compared, Effort, Loaded, NoRoom, Result, queries_of, run_volumes

EFFORT = Effort(events=20_000_000, few=200_000, repeats=5, seed=1, keep=False)


def compared(few_ms: list[float], many_ms: list[float]) -> Compared:
    return Compared(Asked("year", few_ms, few_ms), Asked("year", many_ms, many_ms))


def result(*measured: Compared) -> Result:
    loaded = Loaded(1, 1.0, 1.0, [])
    return Result(EFFORT, loaded, loaded, [], list(measured), None)


@pytest.mark.parametrize(
    ("few_ms", "many_ms", "passed"),
    [
        ([10.0, 20.0, 90.0], [10.0, 29.9, 90.0], True),
        ([10.0, 29.0, 90.0], [10.0, 30.0, 90.0], False),
        ([10.0], [15.0], True),
        ([10.0], [15.1], False),
    ],
)
def test_medians_are_judged_by_the_bars(few_ms: list[float], many_ms: list[float], *, passed: bool) -> None:
    judged = result(compared(few_ms, many_ms))
    assert judged.passed is passed
    assert json.loads(json.dumps(judged.as_json()))["passed"] is passed


def test_one_query_that_misses_a_bar_is_enough() -> None:
    good = compared([10.0], [10.0])
    assert result(good, good).passed
    assert not result(good, compared([2.0], [4.0])).passed
    assert not result(compared([40.0], [40.0]), good).passed


def test_the_p95_leaves_out_the_slowest_twentieth() -> None:
    assert Asked("year", [float(n) for n in range(1, 101)], []).p95_ms == 95.0
    assert Asked("year", [7.0], []).p95_ms == 7.0


def test_the_year_and_a_month_of_it_are_asked_for() -> None:
    periods = {query.split("period=")[1].split("&")[0] for _, _, query in queries_of(2025)}
    assert periods == {"2025", "2025-11"}


def test_too_small_a_disk_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    small = SimpleNamespace(free=2**30)
    monkeypatch.setattr(volumes, "shutil", SimpleNamespace(disk_usage=lambda _: small))
    with pytest.raises(NoRoom, match="It needs about 23 GiB; 1 are free"):
        run_volumes(Path("nowhere"), EFFORT, told=print, copied=print)
