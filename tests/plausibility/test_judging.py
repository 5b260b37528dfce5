"""Guards, the strongest action, and what a bin's memory and a person's day learn."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.plausibility.bin_memory import BinMemory
from service.plausibility.drop import AccountDay, BinFacts, Drop, Finding
from service.plausibility.judging import judge
from service.plausibility.rule_book import RuleBook, RuleRow, RuleSet
from service.plausibility.standard import STANDARD_RULES

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 2, tzinfo=UTC).timestamp()
FACTS = BinFacts(10, 60_000, 30_000, float("inf"), float("-inf"))
NO_RULES = RuleSet()
STANDARD = RuleBook(
    RuleRow(n, code, LONG_AGO, action, parameters) for n, (code, action, parameters) in enumerate(STANDARD_RULES)
).at(NOW, came_at=NOW)


def a_drop(**changes: Any) -> Drop:
    usual = Drop(1, "paper", 1250, None, NOW - 60, 0, 125, True)
    return usual._replace(**changes)


def fresh() -> BinMemory:
    return BinMemory(0, None, None, None, {}, {})


def found(drop: Drop, memory: BinMemory | None = None, facts: BinFacts = FACTS, rules: RuleSet = NO_RULES) -> list[str]:
    return [each.code for each in judge(drop, NOW, facts, memory or fresh(), None, rules).findings]


def test_a_usual_drop_is_credited_and_counts_for_the_day() -> None:
    day = AccountDay("resident", 1, 900, 90)
    verdict = judge(a_drop(), NOW, FACTS, fresh(), day, STANDARD)
    assert (verdict.action, verdict.code, verdict.findings, verdict.epoch) == ("credit", None, (), 0)
    assert day == AccountDay("resident", 2, 2150, 215)


def test_a_drop_without_a_tariff_is_held_and_does_not_count_for_the_day() -> None:
    day = AccountDay("resident", 0, 0, 0)
    verdict = judge(a_drop(has_tariff=False, coins=0), NOW, FACTS, fresh(), day, NO_RULES)
    assert (verdict.action, verdict.code) == ("hold", "no_tariff")
    assert day == AccountDay("resident", 0, 0, 0)


@pytest.mark.parametrize(
    ("ahead", "skew", "codes"),
    [
        (3, 0, []),
        (4, 0, ["time_in_future"]),
        (203, -200, []),
        (204, -200, ["time_in_future"]),
        (4, 200, ["time_in_future"]),
        (4, None, ["time_in_future"]),
    ],
)
def test_a_drop_may_lie_as_far_in_the_future_as_its_signature(ahead: int, skew: int | None, codes: list[str]) -> None:
    assert found(a_drop(occurred_at=NOW + ahead, clock_skew_seconds=skew)) == codes


@pytest.mark.parametrize(
    ("before", "skew", "codes"),
    [
        (3, 0, []),
        (4, 0, ["time_before_visit"]),
        (203, 200, []),
        (204, 200, ["time_before_visit"]),
        (4, -200, ["time_before_visit"]),
    ],
)
def test_a_drop_may_lie_before_the_last_visit_only_as_far_as_its_signature(
    before: int, skew: int, codes: list[str]
) -> None:
    visited = FACTS._replace(serviced_at=NOW - 1000)
    assert found(a_drop(occurred_at=NOW - 1000 - before, clock_skew_seconds=skew), facts=visited) == codes


def test_a_wrong_clock_is_told_before_what_follows_from_it() -> None:
    """In 1970 there was no tariff."""
    visited = FACTS._replace(serviced_at=NOW - 1000)
    assert found(a_drop(occurred_at=0.0, has_tariff=False), facts=visited) == ["time_before_visit", "no_tariff"]


def test_a_wrong_clock_is_not_remembered() -> None:
    memory = fresh()
    judge(a_drop(occurred_at=NOW + 1e6, weight_grams=70_000), NOW, FACTS, memory, None, STANDARD)
    columns = memory.as_columns()
    assert (columns.sequence, columns.sequence_at, columns.hours) == (1, None, {})
    assert found(a_drop(sequence=2), memory) == []
    assert memory.as_columns().sequence_at == NOW - 60


def test_a_number_that_was_used_is_held() -> None:
    memory = fresh()
    assert found(a_drop(sequence=7), memory) == []
    assert found(a_drop(sequence=7), memory) == ["sequence_reused"]


def test_the_strongest_action_decides_and_the_first_of_it_gives_the_code() -> None:
    drop = a_drop(weight_grams=50, has_tariff=False)
    verdict = judge(drop, NOW, FACTS, fresh(), None, STANDARD)
    assert [(each.code, each.action) for each in verdict.findings] == [
        ("no_tariff", "hold"),
        ("below_smallest_load", "reject"),
    ]
    assert (verdict.action, verdict.code) == ("reject", "below_smallest_load")


def test_a_rule_that_credits_only_notes_what_it_found() -> None:
    rules = RuleBook([RuleRow(1, "heavy_drop", LONG_AGO, "credit", {"grams_max": 1000})]).at(NOW, came_at=NOW)
    day = AccountDay("resident", 0, 0, 0)
    verdict = judge(a_drop(), NOW, FACTS, fresh(), day, rules)
    assert (verdict.action, verdict.code, day.drops) == ("credit", "heavy_drop", 1)


def test_a_clock_that_others_doubt_says_nothing_either() -> None:
    """Of 1970 at a bin that was never serviced: counter and clock were lost together."""
    memory = fresh()
    assert found(a_drop(sequence=7), memory) == []
    too_old = Finding("time_too_old", "hold", {})
    verdict = judge(a_drop(occurred_at=60.0), NOW, FACTS, memory, None, STANDARD, doubt=too_old)
    assert verdict == ("hold", (too_old,), 1)
    assert memory.as_columns().sequence_at == NOW - 60


def test_only_what_is_credited_counts_for_the_hour() -> None:
    """One wrong reading makes nobody else's drop improbable."""
    rules = RuleBook(
        [
            RuleRow(1, "improbable_rate", LONG_AGO, "hold", {"drops_max": 2, "grams_max": 100_000}),
            RuleRow(2, "heavy_drop", LONG_AGO, "hold", {}),
        ]
    ).at(NOW, came_at=NOW)
    memory = fresh()
    verdicts = [
        judge(a_drop(sequence=number, weight_grams=grams), NOW, FACTS, memory, None, rules).code
        for number, grams in enumerate((99_000, 1250, 1250, 1250), 1)
    ]
    assert verdicts == ["heavy_drop", None, None, "improbable_rate"]


def test_what_was_found_before_is_part_of_the_verdict_and_counts_for_no_hour() -> None:
    absurd = Finding("weight_out_of_range", "reject", {})
    memory = fresh()
    verdict = judge(a_drop(weight_grams=10**9), NOW, FACTS, memory, None, NO_RULES, doubt=absurd)
    assert (verdict.code, verdict.findings) == ("weight_out_of_range", (absurd,))
    assert memory.hour(NOW - 60) == [0, 0]
    # The number was used all the same.
    assert memory.as_columns()[:3] == (0, 1, NOW - 60)


def test_guards_tell_by_how_much() -> None:
    def figures(drop: Drop, facts: BinFacts = FACTS, memory: BinMemory | None = None) -> dict[str, int]:
        return judge(drop, NOW, facts, memory or fresh(), None, NO_RULES).findings[0].figures

    ahead = a_drop(occurred_at=NOW + 90, clock_skew_seconds=-20)
    assert figures(ahead) == {"seconds_ahead": 90, "skew_seconds": -20}
    before = a_drop(occurred_at=NOW - 190, clock_skew_seconds=20)
    assert figures(before, FACTS._replace(serviced_at=NOW - 100)) == {"seconds_before": 90, "skew_seconds": 20}
    memory = fresh()
    found(a_drop(sequence=7), memory)
    assert figures(a_drop(sequence=7), memory=memory) == {"sequence": 7, "highest": 7}


def test_rules_of_the_drops_own_time_are_asked() -> None:
    rows = [
        RuleRow(1, "heavy_drop", LONG_AGO, "hold", {"grams_max": 1000}),
        RuleRow(2, "heavy_drop", LONG_AGO + timedelta(days=10), "off", {}),
    ]
    book = RuleBook(rows)
    times = [(LONG_AGO + timedelta(days=day)).timestamp() for day in (-1, 0, 9, 10)]
    assert [len(book.at(at, came_at=at).of_drops) for at in times] == [0, 1, 1, 0]
    assert [len(book.at(at, came_at=NOW).of_drops) for at in times] == [1, 1, 1, 0]
