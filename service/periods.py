"""The periods that figures are made for: a year or a month. Pure."""

import calendar
import re
from dataclasses import dataclass
from datetime import date

PERIOD = re.compile(r"([0-9]{4})(?:-([0-9]{2}))?")


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar year, or one month of it; written `2025` or `2025-03`."""

    year: int
    month: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Period":
        """Raises ValueError for what is neither a year nor a month."""
        found = PERIOD.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not a period")
        period = cls(int(found[1]), None if found[2] is None else int(found[2]))
        if period.month is not None and not 1 <= period.month <= 12:
            raise ValueError(f"{text!r} has no such month")
        return period

    @classmethod
    def of_days(cls, first_day: date, last_day: date) -> "Period":
        """The period that goes from `first_day` to `last_day`. Raises ValueError where that is no year or month."""
        for period in (cls(first_day.year, first_day.month), cls(first_day.year)):
            if (period.first_day, period.last_day) == (first_day, last_day):
                return period
        raise ValueError(f"{first_day} to {last_day} is neither a year nor a month")

    def __str__(self) -> str:
        return f"{self.year:04}" if self.month is None else f"{self.year:04}-{self.month:02}"

    @property
    def months(self) -> tuple[int, ...]:
        return tuple(range(1, 13)) if self.month is None else (self.month,)

    @property
    def first_day(self) -> date:
        return date(self.year, self.months[0], 1)

    @property
    def last_day(self) -> date:
        return last_day_of(self.year, self.months[-1])


def last_day_of(year: int, month: int) -> date:
    return date(year, month, calendar.monthrange(year, month)[1])
