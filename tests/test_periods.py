from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.periods import Period

months = st.integers(1, 12)
periods = st.tuples(st.integers(2000, 2100), months, months).map(lambda found: Period(found[0], *sorted(found[1:])))


def test_a_year_goes_from_new_year_to_its_last_day() -> None:
    year = Period.parse("2025")
    assert (year.first_day, year.last_day, len(year.months)) == (date(2025, 1, 1), date(2025, 12, 31), 12)


def test_february_knows_leap_years() -> None:
    assert [Period.parse(text).last_day.day for text in ("2024-02", "2025-02", "2100-02")] == [29, 28, 28]


@given(periods)
def test_a_period_is_written_as_it_is_read(period: Period) -> None:
    assert Period.parse(str(period)) == period
    assert Period.of_days(period.first_day, period.last_day) == period


@pytest.mark.parametrize(
    "text",
    [
        "",
        "25",
        "2025-13",
        "2025-00",
        "2025-1",
        "2025-01-01",
        " 2025",
        "2025\n",
        "２０２５",
        "2025-Q0",
        "2025-Q5",
        "2025-ytd",
        "2025-01/2026-02",
        "2025-05/2025-04",
        "0000",
    ],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Period.parse(text)


def test_other_spans_of_days_are_no_period() -> None:
    for days in ((date(2025, 1, 1), date(2025, 2, 27)), (date(2025, 1, 2), date(2025, 1, 31))):
        with pytest.raises(ValueError, match="whole months"):
            Period.of_days(*days)
    with pytest.raises(ValueError, match="whole months"):
        Period.of_days(date(2025, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("2025", range(1, 13)),
        ("2025-Q1", range(1, 4)),
        ("2025-Q4", range(10, 13)),
        ("2025-03", range(3, 4)),
        ("2025-01/2025-07", range(1, 8)),
    ],
)
def test_every_kind_of_period_has_its_months(text: str, months: range) -> None:
    period = Period.parse(text)
    assert str(period) == text
    assert [month.first_month for month in period.months] == list(months)


def test_a_span_that_is_a_quarter_or_a_month_has_one_name() -> None:
    assert [str(Period.parse(text)) for text in ("2025-04/2025-06", "2025-05/2025-05", "2025-01/2025-12")] == [
        "2025-Q2",
        "2025-05",
        "2025",
    ]


@given(periods, periods)
def test_what_lies_in_a_period_and_what_overlaps_it_follow_from_its_months(one: Period, other: Period) -> None:
    assert (other in one) == (set(other.months) <= set(one.months))
    assert one.overlaps(other) == bool(set(one.months) & set(other.months))
