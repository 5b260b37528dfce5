"""Which rules were in force when."""

from datetime import UTC, datetime, timedelta

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.plausibility.rule_book import RuleBook, RuleRow, RuleSet, read_parameters

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def moment(day: int) -> datetime:
    return BEGIN + timedelta(days=day)


def heaviest(rules: RuleSet) -> tuple[str, int] | None:
    for rule in rules.of_drops:
        if rule.code == "heavy_drop":
            return rule.action, rule.parameters.model_dump()["grams_max"]
    return None


rows = st.lists(
    st.tuples(
        st.sampled_from(["heavy_drop", "above_capacity"]),
        st.integers(0, 5).map(moment),
        st.sampled_from(["off", "credit", "hold", "reject"]),
        st.integers(1, 20),
    ),
    max_size=8,
).map(
    lambda written: [
        RuleRow(number, code, begins, action, {"grams_max": grams} if code == "heavy_drop" else {})
        for number, (code, begins, action, grams) in enumerate(written)
    ]
)


@given(rows, st.lists(st.tuples(st.integers(-1, 6), st.integers(-1, 6)), min_size=1, max_size=6))
def test_in_force_is_what_was_written_last_of_what_began_last(
    written: list[RuleRow], days: list[tuple[int, int]]
) -> None:
    book = RuleBook(written)
    first = min((row.effective_from for row in written), default=moment(99))
    for day, came in days:
        # What came when rules had begun is not before them.
        latest = first if moment(day) < first <= moment(came) else moment(day)
        begun = [row for row in written if row.code == "heavy_drop" and row.effective_from <= latest]
        last = max(begun, key=lambda row: (row.effective_from, row.id), default=None)
        expected = None if last is None or last.action == "off" else (last.action, last.parameters["grams_max"])
        assert heaviest(book.at(moment(day).timestamp(), came_at=moment(came).timestamp())) == expected


def test_the_rules_of_a_period_are_put_together_once() -> None:
    book = RuleBook([RuleRow(1, "heavy_drop", moment(0), "hold", {}), RuleRow(2, "heavy_drop", moment(3), "off", {})])
    first, second = (moment(day).timestamp() for day in (1, 2))
    assert book.at(first, came_at=first) is book.at(second, came_at=second)


def test_without_rows_nothing_is_asked() -> None:
    assert RuleBook().at(moment(1).timestamp(), came_at=moment(2).timestamp()).of_drops == ()


def test_a_rule_of_another_release_is_passed_over_and_named() -> None:
    strange = [
        RuleRow(2, "moon_phase", moment(1), "hold", {}),
        RuleRow(3, "heavy_drop", moment(1), "hold", {"ounces_max": 3}),
        RuleRow(4, "heavy_drop", moment(1), "shrug", {}),
    ]
    book = RuleBook([RuleRow(1, "heavy_drop", moment(0), "hold", {"grams_max": 7}), *strange])
    assert book.unreadable == strange
    assert heaviest(book.at(moment(2).timestamp(), came_at=moment(2).timestamp())) == ("hold", 7)


@pytest.mark.parametrize(
    ("code", "parameters"),
    [
        ("heavy_drop", {"grams_max": 0}),
        ("heavy_drop", {"grams_max": 1.5}),
        ("heavy_drop", {"grams_max": "15000"}),
        ("heavy_drop", {"material_grams_max": {"Glass!": 1}}),
        ("day_drops", {"resident": 3}),
        ("day_drops", {"resident": 3, "trader": 4, "tourist": 5}),
        ("above_capacity", {"grams_max": 5}),
        ("box_mass_short", {"tolerance_grams": -1}),
        ("below_smallest_load", {"intervals_min": True}),
        ("heavy_drop", [15_000]),
    ],
)
def test_parameters_that_make_no_sense_are_refused(code: str, parameters: object) -> None:
    with pytest.raises(pydantic.ValidationError):
        read_parameters(code, parameters)
