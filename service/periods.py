"""The periods a rate is made for: months of one calendar year, one after the other."""

import calendar
import re
from dataclasses import dataclass
from datetime import date
from typing import Final

PERIOD = re.compile(r"([0-9]{4})(?:-([0-9]{2})|-Q([1-4]))?")
SPAN = re.compile(r"([0-9]{4})-([0-9]{2})/\1-([0-9]{2})")
QUARTER_MONTHS: Final = 3
YEAR_MONTHS: Final = 12
# What is asked for of a year that is not over, or of which not all is recorded yet.
TO_DATE: Final = "-ytd"


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """From the first to the last month, both of it. A year is written `2025`, a quarter `2025-Q1`, a month `2025-03`,
    and any other span `2025-01/2025-07`."""

    year: int
    first_month: int = 1
    last_month: int = YEAR_MONTHS

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Raises ValueError for what is no period."""
        found = PERIOD.fullmatch(text)
        span = SPAN.fullmatch(text)
        if found is not None:
            year, month, quarter = found.groups()
            if month is not None:
                period = cls.of_month(int(year), int(month))
            elif quarter is not None:
                period = cls.of_quarter(int(year), int(quarter))
            else:
                period = cls(int(year))
        elif span is not None:
            period = cls(*(int(each) for each in span.groups()))
        else:
            raise ValueError(f"{text!r} is not a period")
        if not (1 <= period.first_month <= period.last_month <= YEAR_MONTHS and period.year >= date.min.year):
            raise ValueError(f"{text!r} has no such months")
        return period

    @classmethod
    def of_month(cls, year: int, month: int) -> "Period":
        return cls(year, month, month)

    @classmethod
    def of_quarter(cls, year: int, quarter: int) -> "Period":
        """`quarter`: 1 to 4."""
        return cls(year, QUARTER_MONTHS * (quarter - 1) + 1, QUARTER_MONTHS * quarter)

    @classmethod
    def of_days(cls, first_day: date, last_day: date) -> "Period":
        """The period that goes from `first_day` to `last_day`. Raises ValueError where they are no whole months of one
        year."""
        period = cls(first_day.year, first_day.month, last_day.month)
        if (period.first_day, period.last_day) != (first_day, last_day):
            raise ValueError(f"{first_day} to {last_day} are no whole months of one year")
        return period

    def __str__(self) -> str:
        year = f"{self.year:04}"
        if self.is_year:
            return year
        if self.first_month == self.last_month:
            return f"{year}-{self.first_month:02}"
        quarter, rest = divmod(self.last_month, QUARTER_MONTHS)
        if rest == 0 and self.last_month - self.first_month + 1 == QUARTER_MONTHS:
            return f"{year}-Q{quarter}"
        return f"{year}-{self.first_month:02}/{year}-{self.last_month:02}"

    def __contains__(self, other: "Period") -> bool:
        return self.year == other.year and self.first_month <= other.first_month and other.last_month <= self.last_month

    @property
    def is_year(self) -> bool:
        return (self.first_month, self.last_month) == (1, YEAR_MONTHS)

    @property
    def months(self) -> tuple["Period", ...]:
        return tuple(Period.of_month(self.year, month) for month in range(self.first_month, self.last_month + 1))

    @property
    def first_day(self) -> date:
        return date(self.year, self.first_month, 1)

    @property
    def last_day(self) -> date:
        return date(self.year, self.last_month, calendar.monthrange(self.year, self.last_month)[1])

    def overlaps(self, other: "Period") -> bool:
        """Whether they share a month."""
        return self.year == other.year and self.first_month <= other.last_month and other.first_month <= self.last_month

    def of_year(self, year: int) -> "Period":
        """The same months of another year."""
        return Period(year, self.first_month, self.last_month)

    def is_over(self, today: date) -> bool:
        """Whether its last day is before `today`."""
        return self.last_day < today

    def begun(self, today: date) -> tuple["Period", ...]:
        """The months of it that have begun on `today`."""
        return tuple(month for month in self.months if month.first_day <= today)
