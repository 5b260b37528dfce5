"""Which tariff was in force when."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from service.tariffs import Tariffs


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


PAPER = [(at(100), 10), (at(200), 20), (at(300), 30)]


def test_a_tariff_is_in_force_from_its_moment_until_the_next() -> None:
    tariffs = Tariffs({"paper": PAPER})
    moments = (100.0, 199.999999, 200.0, 299.999999, 300.0, 9e9)
    assert [tariffs.coins_per_kg("paper", moment) for moment in moments] == [10, 10, 20, 20, 30, 30]


def test_before_the_first_tariff_there_is_none() -> None:
    assert Tariffs({"paper": PAPER}).coins_per_kg("paper", 99.999999) is None
    assert Tariffs({"glass": []}).coins_per_kg("glass", 9e9) is None


def test_a_material_is_known_though_it_has_no_tariff() -> None:
    tariffs = Tariffs({"glass": []})
    assert tariffs.knows("glass")
    assert not tariffs.knows("paper")


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500)), unique_by=lambda row: row[0], max_size=8),
    st.integers(0, 60),
)
def test_the_latest_that_has_begun_is_in_force_whatever_the_order_of_the_rows(
    rows: list[tuple[int, int]], moment: int
) -> None:
    begun = [row for row in rows if row[0] <= moment]
    expected = max(begun)[1] if begun else None
    assert Tariffs({"paper": [(at(begin), coins) for begin, coins in rows]}).coins_per_kg("paper", moment) == expected
