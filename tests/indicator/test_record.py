"""A frozen record: its digits follow again from the stored inputs, whatever they are, and from no others."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from service.indicator.code_version import DECIDING, SERVICE, code_version
from service.indicator.evidence import BINS, Evidence, Recorded
from service.indicator.figure import Figure, figure_of
from service.indicator.formulas import FORMULAS, PERCENT_DIGITS, RATE_DIGITS, decimal_text, exact_grams
from service.indicator.kinds import KINDS
from service.indicator.rate import formula_answer, quantity_answer
from service.indicator.record import Frozen, canonical, changes, difference_points, recomputation, record_of
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
    document |= {"not_counted": [], "coverage": {"kinds": []}, "target": None}
    return Frozen(canonical(record_of(document, code_version="test", restates=None, reason=None, salt="5a17")))


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
    assert all(step.is_equal for step in recomputation(record, record.columns(), by_id(stored)))
    assert record.recompute(by_id(stored)).rate == figure.rate == record.rate
    # Read and written again, it is the same text.
    assert canonical(json.loads(record.text)) == record.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(JSON)
def test_the_canonical_text_is_that_of_json_with_keys_in_order_and_no_blanks(value: Any) -> None:
    whole = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical(value) == whole


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
                replace(other[number], material="paper"),
                replace(other[number], period=Period(2024)),
                replace(other[number], kind="imported" if other[number].kind != "imported" else "exported"),
            ]
        )
    )
    wrong = [step.what for step in recomputation(record, record.columns(), other) if not step.is_equal]
    assert f"input {number}" in wrong


@given(figures())
def test_an_input_that_is_gone_leaves_no_digits(made: tuple[Figure, list[Recorded]]) -> None:
    figure, stored = made
    record = frozen(figure)
    kept = {number: each for number, each in by_id(stored).items() if number != min(record.input_ids())}
    steps = {step.what: step for step in recomputation(record, record.columns(), kept)}
    assert not steps[f"input {min(record.input_ids())}"].is_equal
    assert steps["rate"].recomputed == "–"


def test_a_formula_that_there_is_no_more_is_told_and_not_guessed() -> None:
    inputs = [
        Recorded(n, "d", YEAR, kind, "office", None, 1, 10, DOCUMENT)
        for n, kind in enumerate(("cleared", "kitchen_treated"), 1)
    ]
    figure = figure_of(Evidence(TREE, inputs), FORMULAS["cn.cleared_plus_recovered"], "d", YEAR, "origin")
    record = Frozen(frozen(figure).text.replace('"version":1', '"version":9', 1))
    steps = recomputation(record, record.columns(), by_id(inputs))
    assert not all(step.is_equal for step in steps)


@given(figures(), st.data())
def test_what_stands_beside_a_record_is_what_it_says(made: tuple[Figure, list[Recorded]], data: st.DataObject) -> None:
    figure, stored = made
    record = frozen(figure)
    columns = record.columns()
    name = data.draw(st.sampled_from(sorted(columns)))
    columns[name] = b"another" if name == "digest" else "another"
    wrong = [step.what for step in recomputation(record, columns, by_id(stored)) if not step.is_equal]
    assert wrong == [name if name == "digest" else f"column {name}"]


@given(figures(), st.data())
def test_an_input_that_is_listed_twice_is_named(made: tuple[Figure, list[Recorded]], data: st.DataObject) -> None:
    figure, stored = made
    forged = json.loads(frozen(figure).text)
    quantity = data.draw(st.sampled_from([each for each in forged["figure"]["quantities"] if each["inputs"]]))
    quantity["inputs"].append(data.draw(st.sampled_from(quantity["inputs"])))
    record = Frozen(canonical(forged))
    steps = recomputation(record, record.columns(), by_id(stored))
    [twice] = [step for step in steps if step.published == "2 times"]
    assert not twice.is_equal
    assert twice.what.startswith(f"{quantity['id']}: area ")


@given(figures(), st.sampled_from(["id", "version"]))
def test_another_formula_or_way_of_counting_makes_another_figure(
    made: tuple[Figure, list[Recorded]], name: str
) -> None:
    record = frozen(made[0])
    other_formula, other_way = json.loads(record.text), json.loads(record.text)
    other_formula["figure"]["formula"][name] = "another"
    other_way["figure"]["counted_at"] = "another"
    for other in (other_formula, other_way):
        assert Frozen(canonical(other)).basis() != record.basis()


@given(figures(), st.data())
def test_only_what_bins_weighed_is_believed_without_an_id(
    made: tuple[Figure, list[Recorded]], data: st.DataObject
) -> None:
    figure, stored = made
    forged = json.loads(frozen(figure).text)
    used = [each for quantity in forged["figure"]["quantities"] for each in quantity["inputs"]]
    one = data.draw(st.sampled_from([each for each in used if each["id"] is not None]))
    (data.draw(st.sampled_from([one, one["share"]])) if one["share"] else one)["id"] = None
    record = Frozen(canonical(forged))
    steps = recomputation(record, record.columns(), by_id(stored))
    assert "input without an id" in [step.what for step in steps if not step.is_equal]
    assert {step.what: step.recomputed for step in steps}["rate"] == "–"


@given(figures(), st.data())
def test_what_was_recorded_since_a_proposal_is_told_and_what_bins_weighed_is_not(
    made: tuple[Figure, list[Recorded]], data: st.DataObject
) -> None:
    figure, _ = made
    record = frozen(figure)
    later = json.loads(record.text)
    used = [(quantity, each) for quantity in later["figure"]["quantities"] for each in quantity["inputs"]]
    quantity, each = data.draw(st.sampled_from(used))
    before = sum(one["grams"] for one in quantity["inputs"] if one["kind"] == each["kind"])
    each["grams"] += 5
    if each["id"] is not None:
        each["id"] += 1000
    told = changes(record.figure, later["figure"])
    if each["kind"] == BINS:
        assert told == []
        # What is restated is compared with all of it.
        assert record.basis() != Frozen(canonical(later)).basis()
    else:
        [line] = told
        if each["share"] is None:
            old, new = (Decimal(grams).scaleb(-6).normalize() for grams in (before, before + 5))
            assert line.en == f"{KINDS[each['kind']].name_en} {old:f} t → {new:f} t"
            assert line.zh == f"{KINDS[each['kind']].name_zh} {old:f} t → {new:f} t"


def test_what_else_is_compared_with_a_proposal() -> None:
    inputs = [
        Recorded(n, "d", YEAR, kind, "office", None, 1, 10, DOCUMENT)
        for n, kind in enumerate(("cleared", "kitchen_treated"), 1)
    ]
    figure = figure_of(Evidence(TREE, inputs), FORMULAS["cn.cleared_plus_recovered"], "d", YEAR, "origin")
    record = frozen(figure)

    def told_after(**changed: Any) -> list[tuple[str, str]]:
        document = json.loads(record.text)
        document["figure"] |= changed
        return [(each.zh, each.en) for each in changes(record.figure, document["figure"])]

    assert told_after() == []
    assert told_after(coverage={"kinds": [], "bins": {"held_grams": 9}}) == []
    # The first drop of all comes after the proposal.
    quantities = json.loads(record.text)["figure"]["quantities"]
    quantities[0]["inputs"] = [{"id": None, "kind": BINS, "grams": 5, "share": None}]
    assert told_after(quantities=quantities) == []
    weighed = {"counting_point": "bin", "same_as": []}
    assert told_after(not_counted=[{"kind": BINS, "grams": 9} | weighed]) == []
    [line] = told_after(not_counted=[{"kind": "yard_recyclables", "grams": 9} | weighed])
    change = "0 t → 0.000009 t"
    assert line == (f"分拣场接收量（不计入） {change}", f"recyclables that the yard received, not counted {change}")
    [line] = told_after(coverage={"kinds": [{"kind": "cleared", "share": "0.500000"}]})
    change = "– → 0.500000"
    assert line == (f"生活垃圾清运量 C覆盖率 {change}", f"coverage of waste cleared (C) {change}")
    [line] = told_after(formula=json.loads(record.text)["figure"]["formula"] | {"version": 2})
    change = "cn.cleared_plus_recovered version 1 → cn.cleared_plus_recovered version 2"
    assert line == (f"公式 {change}", f"formula {change}")
    [line] = told_after(counted_at="yard")
    assert line == ("计量环节 origin → yard", "counted at origin → yard")
    [line] = told_after(target={"rate_percent": "38.50", "area": "d", "interpolated": False})
    assert line == ("目标 – → 38.50 % (d)", "target – → 38.50 % (d)")


def test_the_code_version_is_of_every_module_that_decides_what_is_frozen() -> None:
    indicator = SERVICE / "indicator"
    found, todo = set[str](), {"rate", "record"}
    while todo:
        name = todo.pop()
        found.add(name)
        imported = re.findall(
            r"^from service\.indicator(?:\.(\w+))? import (.*)", (indicator / f"{name}.py").read_text(), re.MULTILINE
        )
        names = {module or one for module, those in imported for one in ([module] if module else those.split(", "))}
        todo |= names - found
    # Who may record what, and why there is no rate: neither is in what is frozen.
    assert {f"indicator/{name}.py" for name in found - {"recording", "words"}} | {"periods.py"} == set(DECIDING)
    assert re.fullmatch(r"[0-9.]+\+[0-9a-f]{12}", code_version())


def test_a_difference_is_in_percentage_points_with_its_sign() -> None:
    pairs = [(Fraction(1, 3), Fraction(1, 4)), (Fraction(1, 4), Fraction(1, 3)), (Fraction(1), Fraction(1))]
    assert [difference_points(new, old) for new, old in pairs] == ["+8.3333", "-8.3333", "0.0000"]
