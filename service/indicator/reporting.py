"""What a scrap station is to report, and its report as the document of what it says. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from service.indicator.evidence import Document
from service.indicator.record import canonical, digest_of
from service.periods import YEAR_MONTHS, Period

FORMAT: Final = "tanbi.station-report.v1"


@dataclass(frozen=True, slots=True)
class Duty:
    """From its first month on; up to the last day, where the station has closed."""

    first_day: date
    last_day: date | None

    def refusal(self, month: Period, today: date) -> str | None:
        """Why the month cannot be reported, Chinese and English; None where it can."""
        if month.first_day < self.first_day:
            first = Period.of_month(self.first_day.year, self.first_day.month)
            return f"从 {first} 起填报。This station reports from {first} on."
        if self.last_day is not None and month.last_day > self.last_day:
            last = Period.of_month(self.last_day.year, self.last_day.month)
            return f"填报到 {last} 为止。This station reports up to {last}."
        if month.last_day >= today:
            return f"{month} 尚未结束，结束后再填报。{month} is not over yet: report it from the day after on."
        return None

    def months(self, today: date) -> Iterator[Period]:
        """All that can be reported, newest first."""
        for year in range(today.year, self.first_day.year - 1, -1):
            for number in range(YEAR_MONTHS, 0, -1):
                month = Period.of_month(year, number)
                if self.refusal(month, today) is None:
                    yield month


def report_text(station_id: str, month: Period, grams: Mapping[str, int]) -> str:
    """The one text of a report: the same weights in any order are the same report."""
    weights = [{"material": material, "grams": grams[material]} for material in sorted(grams)]
    return canonical({"format": FORMAT, "station": station_id, "month": str(month), "weights": weights})


def report_document(name: str, month: Period, text: str, today: date) -> Document:
    return Document(f"{name} {month} 月报", today, digest_of(text).hex())
