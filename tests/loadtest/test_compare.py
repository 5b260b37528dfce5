import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.compare import ROUNDS_MIN, SUBJECTS, figure_of, ratio_of, subjects_of
from loadtest.generator import Load
from loadtest.result import LoadResult, Tally, result_of
from loadtest.rows import DONE, ROWS, Row, RowName
from loadtest.subject import Measure, Measures, doubts_of, notes_of

# The first of each name; the others of a name have the same bar.
ROW = {row.name: row for row in reversed(ROWS)}


def measure(value: float, *, limit: bool = False, notes: list[str] | None = None) -> Measure:
    return Measure(value, "events/s", 0.5 + value / 1000, limit, notes or [])


def round_of(row: Row, ratio: float) -> Measures:
    return {row.over: measure(10 * ratio), row.under: measure(10)}


@pytest.mark.parametrize(
    ("name", "ratio", "verdict"),
    [
        (RowName.BARE, 0.32, "missed"),
        (RowName.BARE, 0.33, "bar met"),
        (RowName.BARE, 0.50, "aim met"),
        (RowName.TRANSACTIONS, 2.79, "missed"),
        (RowName.TRANSACTIONS, 4.0, "aim met"),
        (RowName.BATCHES, 9.0, "bar met"),
        (RowName.COPY, 0.2, "aim met"),
        (RowName.LATENCY, 26, "missed"),
        (RowName.LATENCY, 25, "bar met"),
        (RowName.LATENCY, 9, "aim met"),
        (RowName.MEMORY, 1.31, "missed"),
        (RowName.MEMORY, 1.2, "bar met"),
        (RowName.MEMORY, 1.0, "aim met"),
        (RowName.REDEMPTION, 0.89, "missed"),
        (RowName.REDEMPTION, 0.9, "bar met"),
        (RowName.STATEMENT, 2.01, "missed"),
        (RowName.STATEMENT, 2, "bar met"),
        (RowName.GROUPCOMMIT, 0.1, None),
    ],
)
def test_a_ratio_is_judged_by_its_bar_and_its_aim(name: RowName, ratio: float, verdict: str | None) -> None:
    assert ROW[name].verdict(ratio) == verdict


def test_redemptions_are_held_to_the_bare_handler_and_to_a_spread_at_each_number_in_flight() -> None:
    rows = [row for row in ROWS if row.name is RowName.REDEMPTION]
    assert [(row.over, row.under, row.bar) for row in rows] == [
        ("one_16", "spread_16", 0.9),
        ("one_16", "bare_16", 0.15),
        ("one_64", "spread_64", 0.9),
        ("one_64", "bare_64", 0.15),
    ]


def test_the_median_of_the_rounds_counts_and_each_round_is_told() -> None:
    row = ROW[RowName.BARE]
    result = ratio_of(row, [round_of(row, ratio) for ratio in (0.6, 0.1, 0.4)], judged=True)
    assert result.ratios == pytest.approx([0.6, 0.1, 0.4])
    assert result.ratio == pytest.approx(0.4)
    assert result.verdict == "bar met"
    assert ratio_of(row, [round_of(row, 0.6)], judged=False).verdict is None
    assert ROUNDS_MIN >= 3


def test_a_figure_tells_its_busiest_round_and_every_doubt_once() -> None:
    notes = ["the generator was the limit"]
    rounds = [measure(300, limit=True, notes=notes), measure(100), measure(200, limit=True, notes=notes)]
    figure = figure_of("single", rounds)
    assert (figure.value, figure.values) == (200, [300, 100, 200])
    assert figure.generator_cpu_share == pytest.approx(0.8)
    assert (figure.generator_was_the_limit, figure.notes) == (2, notes)


def test_only_what_the_rows_need_is_measured_in_one_order() -> None:
    assert subjects_of(ROWS) == list(SUBJECTS)
    assert subjects_of([ROW[RowName.COPY]]) == ["batches", "copy"]
    assert subjects_of([ROW[RowName.MEMORY], ROW[RowName.LATENCY]]) == ["single", "memory"]


def loaded(tally: Tally) -> LoadResult:
    return result_of(tally, Load(0.1, 0.1), loop="closed", connections=1, due_per_second=None, seconds=1, repeated=0)


def test_a_run_that_did_not_go_as_it_should_says_so() -> None:
    tally = Tally(1)
    tally.answered(0.1, 200, b'{"outcomes":[{"outcome":"credited"}]}')
    assert notes_of(loaded(tally)) == []
    tally.answered(0.1, 200, b'{"outcomes":[{"outcome":"unclaimed"}]}')
    assert notes_of(loaded(tally)) == ["of 2 events, {'credited': 1, 'unclaimed': 1}"]
    tally.answered(0.1, 503, b"")
    tally.gave_up(1.0)
    assert len(notes_of(loaded(tally))) == 3
    busy = replace(loaded(Tally(1)), statuses={"200": 0}, outcomes={"credited": 0}, generator_was_the_limit=True)
    assert notes_of(busy) == ["the generator was the limit"]
    assert doubts_of(replace(busy, statuses={"201": 1}), "201") == ["the generator was the limit"]
    assert doubts_of(replace(busy, statuses={"201": 1, "409": 1}), "201")[0] == "answered with {'201': 1, '409': 1}"


def test_everything_is_measured_side_by_side(tmp_path: Path) -> None:
    output = tmp_path / "compare.json"
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "compare", "--quick", "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert [row["title"] for row in result["rows"]] == [row.title for row in ROWS]
    assert {row["verdict"] for row in result["rows"]} == {None}
    [measures] = result["rounds"]
    assert set(measures) == set(DONE) == {figure["name"] for figure in result["figures"]}
    for row in result["rows"]:
        names = next(each for each in ROWS if each.title == row["title"])
        assert row["ratio"] == pytest.approx(measures[names.over]["value"] / measures[names.under]["value"])
        assert row["ratio"] > 0
    for name in ("single", "single_16", "lone", "half_rate", "ed25519", "batches"):
        detail = measures[name]["detail"]
        assert detail["outcomes"] == {"credited": detail["events"]}, name
        assert measures[name]["service_cpu_share"] > 0
    for name in ("one", "spread", "bare", "grouped", "each"):
        for in_flight in (16, 64):
            [part] = measures[f"{name}_{in_flight}"]["detail"]["slices"]
            assert (part["connections"], list(part["statuses"])) == (in_flight, ["201"]), name
    for name in ("statement_short", "statement_long"):
        [part] = measures[name]["detail"]["slices"]
        assert (part["connections"], list(part["statuses"])) == (1, ["200"]), name
    assert measures["half_rate"]["detail"]["loop"] == "open"
    assert result["machine"]["cores"] >= 1
    assert result["postgres"].startswith("18.")
