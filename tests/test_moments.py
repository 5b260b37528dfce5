from datetime import UTC, datetime, timedelta, timezone

from service.moments import by_the_clock, in_utc, whole_second

AT = datetime(2026, 12, 31, 16, 0, 0, 250_000, UTC)


def test_a_moment_is_told_by_the_clock_on_the_wall_and_to_programs_in_utc() -> None:
    assert by_the_clock(AT, "Asia/Shanghai") == "2027-01-01T00:00:00+08:00"
    assert in_utc(AT) == "2026-12-31T16:00:00.250000Z"
    assert in_utc(datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))) == "2027-01-01T00:00:00Z"


def test_a_whole_second_is_told_in_full() -> None:
    assert whole_second(AT) == datetime(2026, 12, 31, 16, 0, 1, tzinfo=UTC)
    assert whole_second(whole_second(AT)) == whole_second(AT)
