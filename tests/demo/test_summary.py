from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, RenderableType

from service.demo.meter import Rate, Reading
from service.demo.summary import Place, clock, line, panel

PLACE = Place("http://127.0.0.1:8080", Path("/srv/tanbi/demo.json"), Path("/srv/tanbi/demo.log"))
READING = Reading(
    outcomes={"credited": 123_456, "unclaimed": 7_890, "duplicate": 321, "held": 0},
    events_per_second=12.3,
    redemptions={"captured": 4_321, "insufficient_coins": 12, "pay_code_expired": 1},
    issued_coins=98_765_432,
    redeemed_coins=12_345_678,
    refunded_coins=123_456,
    outstanding_coins=86_543_210,
    reviews=1_234,
    alarms=3,
    gaps=17,
    fold_lag_seconds=0.42,
    rate=Rate("2026", Decimal("30.3732"), Decimal("36.75")),
)


def lines_of(shown: RenderableType) -> list[str]:
    console = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    console.print(shown)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


def line_with(shown: list[str], word: str) -> str:
    [found] = [each for each in shown if word in each]
    return found


def test_the_panel_fits_80_columns_with_a_figure_on_each_line() -> None:
    shown = lines_of(panel(PLACE, READING, timedelta(seconds=3725), 0))
    assert {cell_len(each) for each in shown} == {80}
    for word, value in {
        "weigh events": "131,667",
        "credited": "123,456",
        "issued": "98,765,432",
        "redeemed": "12,345,678",
        "refunded": "123,456",
        "outstanding": "86,543,210",
        "redemptions": "4,321",
        "declined": "未成 declined 13",
        "to review": "1,234  告警 alarms 3，缺号 gaps 17",
        "rate": "30.3732 %  南开 Nankai 2026，目标 target 36.75 %",
        "fold lag": "0.4 s",
        "接口文档": "http://127.0.0.1:8080/docs",
        "OpenAPI": "http://127.0.0.1:8080/openapi.json",
        "metrics": "http://127.0.0.1:8080/metrics",
        "keys": "/srv/tanbi/demo.json",
        "Ctrl-C": "1:02:05",
    }.items():
        assert value in line_with(shown, word)


def test_an_outcome_that_should_not_be_is_shown_where_it_is() -> None:
    assert not any("conflict" in each for each in lines_of(panel(PLACE, READING, timedelta(), 0)))
    reading = replace(READING, outcomes={**READING.outcomes, "conflict": 2})
    assert "冲突 conflict" in line_with(lines_of(panel(PLACE, reading, timedelta(), 0)), "conflict")


def test_a_rate_that_there_is_not_is_not_invented() -> None:
    for rate in (None, Rate("2026", None, None)):
        shown = line_with(lines_of(panel(PLACE, replace(READING, rate=rate), timedelta(), 0)), "rate")
        assert "–" in shown
        assert "0.0000" not in shown


def test_warnings_are_counted_and_their_file_named() -> None:
    shown = lines_of(panel(PLACE, READING, timedelta(), 3))
    assert "/srv/tanbi/demo.log" in line_with(shown, "3 条警告 warnings")


def test_a_service_that_does_not_answer_is_said_so() -> None:
    assert "does not answer" in line_with(lines_of(panel(PLACE, None, timedelta(), 0)), "service")
    assert "does not answer" in line(None)


def test_a_line_says_the_same() -> None:
    assert line(READING) == (
        "事件 events 131,667 (credited 123,456 unclaimed 7,890 duplicate 321) · 碳币 coins issued 98,765,432"
        " redeemed 12,345,678 refunded 123,456 outstanding 86,543,210"
        " · 兑换 redemptions 4,321 · 待审 to review 1,234 alarms 3 gaps 17 · 回收利用率 rate 30.3732 %"
    )


def test_coins_add_up_also_where_something_else_moved_some() -> None:
    assert READING.other_coins == 0
    assert not any("other" in each for each in lines_of(panel(PLACE, READING, timedelta(), 0)))
    corrected = replace(READING, outstanding_coins=READING.outstanding_coins - 1_070)
    assert "-1,070" in line_with(lines_of(panel(PLACE, corrected, timedelta(), 0)), "其他 other")
    assert "refunded 123,456 other -1,070 outstanding 86,542,140" in line(corrected)


def test_the_clock_counts_hours() -> None:
    assert [clock(timedelta(seconds=each)) for each in (0, 61, 90_000)] == ["0:00:00", "0:01:01", "25:00:00"]
