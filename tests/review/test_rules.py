"""What may be decided, when, and by whom."""

from datetime import UTC, datetime, timedelta

import pytest

from service.review.rules import (
    Decision,
    Refusal,
    State,
    coins_per_kg_of,
    may_appeal,
    refusal_of_time,
    state_after,
)

NOW = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
RECEIVED = NOW - timedelta(hours=2)
OCCURRED = NOW - timedelta(hours=3)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("decision", "appealed", "state"),
    [
        ("released", False, "released"),
        ("released", True, "released"),
        ("rejected", False, "rejected"),
        ("rejected", True, "upheld"),
    ],
)
def test_a_rejection_stays_once_the_appeal_was_heard(decision: Decision, appealed: bool, state: State) -> None:
    assert state_after(decision, appealed=appealed) == state


def test_a_drop_is_appealed_once_and_never_after_its_release() -> None:
    assert [
        state for state in ("open", "released", "rejected", "appealed", "upheld") if may_appeal(state, appealed=False)
    ] == [
        "open",
        "rejected",
    ]
    assert not may_appeal("rejected", appealed=True)


def code_of(refusal: Refusal | int | None) -> str | None:
    return refusal.code if isinstance(refusal, Refusal) else None


def test_a_drop_is_weighed_before_it_is_told() -> None:
    def refused(wanted: datetime | None, occurred_at: datetime = OCCURRED, *, coins_only: bool = False) -> str | None:
        return code_of(refusal_of_time(wanted, occurred_at, RECEIVED, NOW, coins_only=coins_only))

    assert refused(None) is None
    assert refused(None, NOW) is None
    assert refused(None, NOW + SECOND) == "time_in_future"
    assert refused(RECEIVED, NOW + SECOND) is None
    assert refused(RECEIVED + SECOND) == "after_arrival"
    assert refused(datetime(1970, 1, 1, tzinfo=UTC)) is None


def test_a_drop_whose_coins_alone_waited_stays_where_its_volume_counts() -> None:
    assert code_of(refusal_of_time(OCCURRED, OCCURRED, RECEIVED, NOW, coins_only=True)) == "coins_only"
    assert refusal_of_time(None, OCCURRED, RECEIVED, NOW, coins_only=True) is None


def test_an_operator_sets_a_price_only_where_there_was_none() -> None:
    assert coins_per_kg_of(None, 100) == 100
    assert coins_per_kg_of(0, None) == 0
    assert code_of(coins_per_kg_of(90, 100)) == "tariff_in_force"
    assert code_of(coins_per_kg_of(0, 0)) == "tariff_in_force"
    assert code_of(coins_per_kg_of(None, None)) == "no_tariff"
