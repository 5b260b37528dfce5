"""A frozen record: its digits follow again from the stored inputs, whatever they are, and from no others."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from service.indicator.evidence import BINS, Evidence, Recorded
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import FORMULAS, PERCENT_DIGITS, RATE_DIGITS, decimal_text, exact_grams
from service.indicator.kinds import KINDS
from service.indicator.rate import formula_answer, quantity_answer
from service.indicator.record import FORMAT, Frozen, canonical, difference_points, digest_of, recomputation
from service.periods import Period
from tests.indicator.test_evidence import DOCUMENT, TREE

YEAR = Period(2025)


def frozen(figure: Figure) -> Frozen:
    """As publishing writes it, of what computing needs."""
    assert figure.quotient is not None
    assert figure.rate is not None
    answers = [quantity_answer(each).model_dump(mode="json") for each in figure.sums]
    document: dict[str, Any] = {
        "area": figure.area_id,
        "period": str(figure.period),
        "formula": formula_answer(figure.formula).model_dump(mode="json"),
        "counted_at": figure.counted_at,
        "quantities": answers,
        "numerator_grams": exact_grams(figure.quotient.numerator_grams),
        "denominator_grams": exact_grams(figure.quotient.denominator_grams),
        "rate": decimal_text(figure.rate, RATE_DIGITS),
        "rate_percent": decimal_text(figure.rate * 100, PERCENT_DIGITS),
    }
    return Frozen(canonical({"format": FORMAT, "code_version": "test", "figure": document}))


@st.composite
def figures(draw: st.DrawFn) -> tuple[Figure, list[Recorded]]:
    """A figure that has a rate, by any formula and way of counting, and the inputs it was made of."""
    formula = draw(st.sampled_from(sorted(FORMULAS)))
    way = draw(st.sampled_from(FORMULAS[formula].ways))
    stored: list[Recorded] = []
    for kind in KINDS.values():
        for area in draw(st.sampled_from([["d"], ["s1", "s2"]])) if kind.unit == "grams" else ["d"]:
            # What arises is more than what is recycled, or few figures would have a rate.
            least, most = (10**10, 10**12) if kind.id in {"cleared", "generated", "disposed"} else (0, 10**9)
            amount = draw(st.integers(least, most) if kind.unit == "grams" else st.integers(0, 10**6))
            number = None if kind.id == BINS else len(stored) + 1
            stored.append(Recorded(number, area, YEAR, kind.id, "office", None, 1, amount, DOCUMENT))
    found = figure_of(Evidence(TREE, stored), FORMULAS[formula], "d", YEAR, way)
    assume(found.rate is not None)
    return found, stored


def by_id(stored: list[Recorded]) -> dict[int, Recorded]:
    return {each.id: each for each in stored if each.id is not None}


@given(figures())
def test_what_is_computed_again_is_what_was_published(made: tuple[Figure, list[Recorded]]) -> None:
    figure, stored = made
    record = frozen(figure)
    assert all(step.is_equal for step in recomputation(record, digest_of(record.text), by_id(stored)))
    assert record.recompute(by_id(stored)).rate == figure.rate == record.rate
    # Read and written again, it is the same text.
    assert canonical(json.loads(record.text)) == record.text


@given(figures(), st.data())
def test_an_input_that_is_another_one_is_named(made: tuple[Figure, list[Recorded]], data: st.DataObject) -> None:
    figure, stored = made
    record = frozen(figure)
    number = data.draw(st.sampled_from(sorted(record.input_ids())))
    other = by_id(stored)
    other[number] = data.draw(
        st.sampled_from(
            [
                replace(other[number], amount=other[number].amount + 1),
                replace(other[number], version=2),
                replace(other[number], area_id="c3"),
                replace(other[number], kind="imported" if other[number].kind != "imported" else "exported"),
            ]
        )
    )
    wrong = [step.what for step in recomputation(record, digest_of(record.text), other) if not step.is_equal]
    assert f"input {number}" in wrong


@given(figures())
def test_an_input_that_is_gone_leaves_no_digits(made: tuple[Figure, list[Recorded]]) -> None:
    figure, stored = made
    record = frozen(figure)
    kept = {number: each for number, each in by_id(stored).items() if number != min(record.input_ids())}
    steps = {step.what: step for step in recomputation(record, digest_of(record.text), kept)}
    assert not steps[f"input {min(record.input_ids())}"].is_equal
    assert steps["rate"].recomputed == "–"


def test_a_formula_that_there_is_no_more_is_told_and_not_guessed() -> None:
    inputs = [
        Recorded(n, "d", YEAR, kind, "office", None, 1, 10, DOCUMENT)
        for n, kind in enumerate(("cleared", "kitchen_treated"), 1)
    ]
    figure = figure_of(Evidence(TREE, inputs), FORMULAS["cn.cleared_plus_recovered"], "d", YEAR, "origin")
    record = Frozen(frozen(figure).text.replace('"version":1', '"version":9', 1))
    steps = recomputation(record, digest_of(record.text), by_id(inputs))
    assert not all(step.is_equal for step in steps)


def test_a_difference_is_in_percentage_points_with_its_sign() -> None:
    pairs = [(Fraction(1, 3), Fraction(1, 4)), (Fraction(1, 4), Fraction(1, 3)), (Fraction(1), Fraction(1))]
    assert [difference_points(new, old) for new, old in pairs] == ["+8.3333", "-8.3333", "0.0000"]
