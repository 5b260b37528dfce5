"""Business days: where one ends and the next begins, by the clock on the wall. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def business_day(at: datetime, zone: str) -> date:
    """The day that `at` falls on in `zone`, such as Asia/Shanghai. `at` has an offset."""
    return at.astimezone(ZoneInfo(zone)).date()


def business_today(zone: str) -> date:
    """The day that it is now in `zone`."""
    return business_day(datetime.now(UTC), zone)


def day_begins_at(day: date, zone: str) -> datetime:
    """The first moment of `day` in `zone`, in UTC."""
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)


def next_day_begins_at(at: datetime, zone: str) -> datetime:
    """The first moment of the day after the one that `at` falls on, in UTC."""
    return day_begins_at(business_day(at, zone) + timedelta(days=1), zone)
