from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.carbon.rules import FactorLine, SetNames, Span, digest_of, last_day_of, mistakes_in, spans_of

NAMES = SetNames("a", "甲", "A", "somebody", None)
PAPER, GLASS = FactorLine("paper", 220_000, "mixed paper"), FactorLine("glass", 580_000, "glass")
DAY = date(2026, 3, 1)


def test_a_set_is_the_same_in_any_order_of_its_rows() -> None:
    assert digest_of(NAMES, [PAPER, GLASS]) == digest_of(NAMES, [GLASS, PAPER])


def test_whatever_is_changed_of_a_set_makes_it_another() -> None:
    others = [digest_of(NAMES._replace(**{field: "b"}), [PAPER, GLASS]) for field in NAMES._fields] + [
        digest_of(NAMES, [PAPER]),
        digest_of(NAMES, [PAPER, GLASS._replace(milligrams_co2e_per_kg=580_001)]),
        digest_of(NAMES, [PAPER, GLASS._replace(stands_for="glasses")]),
        digest_of(NAMES, [PAPER, GLASS._replace(material_id="metal")]),
    ]
    assert len({digest_of(NAMES, [PAPER, GLASS]), *others}) == 1 + len(others)


def test_every_mistake_is_named_and_not_only_the_first() -> None:
    found = mistakes_in(["paper", "gold", "paper", "gold"], {"paper", "glass"})
    assert [(each.position, each.code) for each in found] == [
        (1, "material_unknown"),
        (2, "repeated"),
        (3, "material_unknown"),
    ]
    assert "There are: glass, paper." in found[0].detail
    assert mistakes_in(["paper", "glass"], {"paper", "glass"}) == []
    assert "none yet" in mistakes_in(["paper"], set())[0].detail


def test_a_set_is_in_force_until_the_next_one_begins() -> None:
    spans = spans_of([(date.min, "a"), (DAY, "b"), (DAY, "c"), (DAY + timedelta(days=9), "c")])
    assert spans == [Span("a", date.min, DAY), Span("c", DAY, None)]
    assert [last_day_of(span) for span in spans] == [date(2026, 2, 28), None]
    assert spans_of([]) == []


@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from("abc")), max_size=8).map(
        lambda drawn: sorted(drawn, key=lambda each: each[0])
    )
)
def test_each_day_has_the_set_that_was_chosen_last_for_it(drawn: list[tuple[int, str]]) -> None:
    choices = [(DAY + timedelta(days=days), set_id) for days, set_id in drawn]
    spans = spans_of(choices)
    for offset in range(-1, 23):
        day = DAY + timedelta(days=offset)
        chosen = [set_id for begins, set_id in choices if begins <= day]
        held = [
            span.set_id for span in spans if span.first_day <= day and (span.next_day is None or day < span.next_day)
        ]
        assert held == chosen[-1:]
