"""Calendar months: what a statement closes. Pure."""

import re
from dataclasses import dataclass
from datetime import date, datetime

from service.business_days import day_begins_at

MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")


@dataclass(frozen=True, slots=True, order=True)
class Month:
    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> "Month":
        """`2026-11`. Raises ValueError for what is no month."""
        found = MONTH.fullmatch(text)
        if found is None or not 1 <= int(found[2]) <= 12 or int(found[1]) < 1:
            raise ValueError(f"{text!r} is no month; write it as 2026-11")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, day: date) -> "Month":
        return cls(day.year, day.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def next(self) -> "Month":
        return Month(self.year + 1, 1) if self.number == 12 else Month(self.year, self.number + 1)

    def begins_at(self, zone: str) -> datetime:
        """Its first moment in `zone`, in UTC."""
        return day_begins_at(self.first_day, zone)

    def ends_at(self, zone: str) -> datetime:
        """The first moment after it in `zone`, in UTC."""
        return self.next.begins_at(zone)
