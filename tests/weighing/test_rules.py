"""Pure decisions about weigh events."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import WeighEvent, weigh_event_adapter
from service.tariffs import Tariffs
from service.weighing.rules import Bounds, coins_for, content_digest, doubt_of
from tests.world import weigh_event

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
BOUNDS = Bounds(age_days_max=400, weight_grams_max=150_000)
TARIFFS = Tariffs({"paper": [(NOW - timedelta(days=1), 100), (NOW, 120)], "glass": []})
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)

# To the microsecond, from this century and the next.
Times = st.integers(0, 200 * 365 * 86_400 * 10**6).map(
    lambda number: datetime(2000, 1, 1, tzinfo=UTC) + number * MICROSECOND
)


def event(**changes: Any) -> WeighEvent:
    time: datetime = changes.pop("time", NOW)
    changed = {"sequence": 7, **changes}
    return weigh_event_adapter.validate_python(weigh_event("NK-0001", id="a", time=time.isoformat(), **changed))


def code_of(**changes: Any) -> OutcomeCode | None:
    """What is wrong with an event whatever the rules say."""
    changed = event(**changes)
    return doubt_of(changed["data"], changed["time"].timestamp(), NOW.timestamp(), BOUNDS, TARIFFS)


# -- coins ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight_grams", "coins_per_kg", "coins"),
    [(1250, 100, 125), (1, 100, 0), (9, 100, 0), (10, 100, 1), (1999, 100, 199), (1250, 0, 0), (150_000, 250, 37_500)],
)
def test_coins_are_whole_and_rounded_down(weight_grams: int, coins_per_kg: int, coins: int) -> None:
    assert coins_for(weight_grams, coins_per_kg) == coins


@given(st.integers(1, 150_000), st.integers(0, 10_000))
def test_coins_are_at_most_the_exact_share_and_less_than_one_below_it(weight_grams: int, coins_per_kg: int) -> None:
    exact_thousandths = weight_grams * coins_per_kg
    assert 0 <= exact_thousandths - 1000 * coins_for(weight_grams, coins_per_kg) < 1000


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=9), st.integers(0, 1000))
def test_a_drop_in_pieces_never_earns_more_than_whole(pieces: list[int], coins_per_kg: int) -> None:
    assert sum(coins_for(piece, coins_per_kg) for piece in pieces) <= coins_for(sum(pieces), coins_per_kg)


# -- what is doubted whatever the rules say ---------------------------------------------------------------------------


def test_a_plausible_event_is_not_doubted() -> None:
    assert code_of() is None


def test_an_unknown_material_is_doubted() -> None:
    assert code_of(material="uranium") == OutcomeCode.UNKNOWN_MATERIAL


def test_a_known_material_without_a_tariff_is_not_doubted_here() -> None:
    assert code_of(material="glass") is None


def test_more_than_any_scale_weighs_is_doubted() -> None:
    assert code_of(weight_grams=150_000) is None
    assert code_of(weight_grams=150_001) == OutcomeCode.WEIGHT_OUT_OF_RANGE


def test_weeks_old_is_taken_and_older_than_the_bound_is_doubted() -> None:
    assert code_of(time=NOW - timedelta(weeks=6)) is None
    assert code_of(time=NOW - timedelta(days=400)) is None
    assert code_of(time=NOW - timedelta(days=400) - SECOND) == OutcomeCode.TIME_TOO_OLD


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
def test_what_cannot_be_a_time_of_this_system_is_told_apart(text: str) -> None:
    assert code_of(time=datetime.fromisoformat(text)) == OutcomeCode.TIME_OUT_OF_RANGE


def test_a_clock_that_begins_with_1970_is_only_old_and_one_that_is_ahead_is_for_the_guards() -> None:
    assert code_of(time=datetime(1970, 1, 1, tzinfo=UTC)) == OutcomeCode.TIME_TOO_OLD
    assert code_of(time=NOW + timedelta(days=365 * 100)) is None


# -- the content's digest -------------------------------------------------------------------------------------------


def digest(credential: bytes | None = None, **changes: Any) -> bytes:
    changed = event(**changes)
    return content_digest(changed, changed["time"].timestamp(), credential)


def test_a_digest_is_of_what_is_said_not_of_how() -> None:
    in_china = NOW.astimezone(timezone(timedelta(hours=8)))
    assert digest(time=in_china) == digest(time=NOW)
    assert len(digest()) == 32


def test_the_envelope_is_not_content() -> None:
    assert digest(datacontenttype="application/json", subject="x") == digest()


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 2},
        {"material": "plastic"},
        {"weight_grams": 1251},
        {"box_weight_grams": 0},
        {"box_weight_grams": 20_310},
        {"time": NOW + MICROSECOND},
        {"credential": b"another"},
    ],
    ids=str,
)
def test_any_other_content_has_another_digest(changes: dict[str, Any]) -> None:
    other = dict(changes)
    credential = other.pop("credential", None)
    assert digest(credential, **other) != digest()


Contents = st.tuples(
    Times,
    st.integers(0, 2**53 - 1),
    st.integers(1, 10**9),
    st.none() | st.integers(0, 10**9),
    st.none() | st.binary(min_size=32, max_size=32),
)


@given(Contents, Contents)
def test_two_contents_share_a_digest_only_if_they_are_the_same(first: Any, second: Any) -> None:
    assume(first != second)

    def of(content: Any) -> bytes:
        time, sequence, weight_grams, box_weight_grams, credential = content
        changes = {"sequence": sequence, "weight_grams": weight_grams, "time": time}
        if box_weight_grams is not None:
            changes["box_weight_grams"] = box_weight_grams
        return digest(credential, **changes)

    assert of(first) != of(second)
    assert of(first) == of(first)
