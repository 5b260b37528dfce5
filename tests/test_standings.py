"""Which of the rows that supersede each other holds."""

from datetime import UTC, datetime, timedelta

from service.standings import standings

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def test_each_row_stands_somewhere_in_time() -> None:
    rows = [("redemption", at(begins)) for begins in (1, 2, 9, 9)]
    rows.append(("redemption at M1", at(5)))
    assert standings(rows, at(5)) == ["over", "in force", "replaced", "to come", "in force"]


def test_nothing_stands_nowhere() -> None:
    assert standings([], at(5)) == []
