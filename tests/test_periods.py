from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.periods import Period

periods = st.builds(Period, st.integers(2000, 2100), st.none() | st.integers(1, 12))


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
    "text", ["", "25", "2025-13", "2025-00", "2025-1", "2025-01-01", " 2025", "2025\n", "２０２５", "2025-Q1"]
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Period.parse(text)


def test_other_spans_of_days_are_no_period() -> None:
    with pytest.raises(ValueError, match="neither"):
        Period.of_days(date(2025, 1, 1), date(2025, 2, 28))
