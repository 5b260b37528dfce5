"""Which limit on spending was in force when."""

from datetime import UTC, datetime
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from service.limits import LimitKind, LimitRow, Limits


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def row(begins: float, coins: int | None, *, merchant_id: str | None = None) -> LimitRow:
    return LimitRow("redemption", merchant_id, at(begins), coins)


def test_a_limit_is_in_force_from_its_moment_until_the_next() -> None:
    limits = Limits([row(100, 10), row(200, None), row(300, 30)])
    moments = (99.999999, 100, 199.999999, 200, 299.999999, 300, 9e9)
    found = [limits.coins_max("redemption", "M1", at(moment)) for moment in moments]
    assert found == [None, 10, 10, None, None, 30, 30]


def test_a_merchants_own_limit_stands_before_the_general_one_from_its_moment_on() -> None:
    limits = Limits([row(100, 10), row(200, 50, merchant_id="M1")])
    assert [limits.coins_max("redemption", "M1", at(moment)) for moment in (150, 200)] == [10, 50]
    assert limits.coins_max("redemption", "M2", at(200)) == 10


def test_a_merchant_can_be_without_a_limit_where_others_have_one() -> None:
    limits = Limits([row(100, 10), row(200, None, merchant_id="M1")])
    assert limits.coins_max("redemption", "M1", at(200)) is None
    assert limits.coins_max("redemption", "M2", at(200)) == 10


def test_of_two_that_begin_at_one_moment_the_later_written_holds() -> None:
    assert Limits([row(100, 99), row(100, 9)]).coins_max("redemption", "M1", at(100)) == 9


def test_a_limit_of_one_kind_says_nothing_of_another() -> None:
    limits = Limits([row(100, 10)])
    assert limits.coins_max("merchant_day", "M1", at(100)) is None
    assert [limits.any_of(kind) for kind in get_args(LimitKind)] == [True, False, False]


rows = st.builds(
    LimitRow,
    st.sampled_from(get_args(LimitKind)),
    st.sampled_from([None, "M1", "M2"]),
    st.integers(0, 30).map(at),
    st.one_of(st.none(), st.integers(0, 500)),
)


@given(st.lists(rows, max_size=12), st.sampled_from(get_args(LimitKind)), st.integers(0, 40).map(at))
def test_what_is_in_force_is_the_last_that_has_begun_and_does_not_depend_on_what_takes_effect_later(
    written: list[LimitRow], kind: LimitKind, moment: datetime
) -> None:
    begun = [each for each in written if each.effective_from <= moment]
    of_kind = [each for each in begun if each.kind == kind]
    expected = None
    for merchant_id in (None, "M1"):
        own = sorted(
            (each for each in of_kind if each.merchant_id == merchant_id), key=lambda each: each.effective_from
        )
        expected = own[-1].coins if own else expected
    assert Limits(written).coins_max(kind, "M1", moment) == expected
    assert Limits(begun).coins_max(kind, "M1", moment) == expected
