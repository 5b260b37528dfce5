"""Moments as people type and read them, by the clock on the wall, and as programs read them. Pure."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def by_the_clock(at: datetime, zone: str) -> str:
    """To the second and with the offset, such as 2027-01-01T08:00:00+08:00. `at` has an offset."""
    return at.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def on_paper(at: datetime, zone: str) -> str:
    """To the second and without the offset, as a document for people shows it: 2027-01-01 08:00:00."""
    return at.astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S")


def in_utc(at: datetime) -> str:
    """As in every answer of the API, such as 2027-01-01T00:00:00Z. `at` has an offset."""
    return at.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def whole_second(at: datetime) -> datetime:
    """The first whole second from `at` on: what begins there can be told to the second, and typed again."""
    return at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)
