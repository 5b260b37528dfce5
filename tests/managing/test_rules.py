"""The commands for rules of plausibility, as an operator types them."""

import pytest

from service.errors import RuleInThePast, RuleUnknown, ValidationFailed
from service.plausibility.rules import RULES
from tests.managing.conftest import Tanbi

AT = ("--from", "2099-01-01")
BEGINS = "2099-01-01T00:00:00+08:00"


def test_rules_are_set_adopted_and_all_of_them_listed(tanbi: Tanbi) -> None:
    said = tanbi("rules", "set", "heavy_drop", "credit", "grams_max=20000", 'material_grams_max={"glass": 25000}', *AT)
    parameters = 'grams_max=20000 material_grams_max={"glass":25000}'
    assert said == f"heavy_drop: credit {parameters} from {BEGINS}."
    adopted = tanbi("rules", "adopt", *AT)
    assert f"above_capacity: hold from {BEGINS}." in adopted
    assert "As they were set: heavy_drop." in adopted
    assert "trader=none" in tanbi("rules", "set", "day_drops", "hold", "trader=none", *AT)
    listed = tanbi("rules", "list")
    assert f"heavy_drop │ {BEGINS} │ credit │ {parameters} │ to come" in listed
    assert f"day_drops │ {BEGINS} │ hold │ resident=10 trader=50 │ replaced" in listed
    assert tanbi("rules", "adopt", "--replace", *AT).count(BEGINS) == 2
    assert tanbi("rules", "adopt", *AT) == "Every rule is as it is shipped."


def test_a_mistake_is_told_in_one_sentence(tanbi: Tanbi) -> None:
    for parameter, sentence in (
        ("20000", "20000 names no value"),
        ("grams_max=many", "grams_max: many is no number"),
        ("grams_max=none", "grams_max: Must be a whole number"),
        ("grams=1", "grams: "),
    ):
        with pytest.raises(ValidationFailed, match=sentence):
            tanbi("rules", "set", "heavy_drop", "hold", parameter)
    with pytest.raises(RuleInThePast):
        tanbi("rules", "set", "heavy_drop", "off", "--from", "2026-01-01")
    for arguments in (("set", "moon_phase", "hold"), ("explain", "moon_phase")):
        with pytest.raises(RuleUnknown, match="There is no rule moon_phase"):
            tanbi("rules", *arguments)


def test_every_rule_is_explained_in_both_languages(tanbi: Tanbi) -> None:
    table = tanbi("rules", "explain")
    for code in RULES:
        assert code in table
        said = tanbi("rules", "explain", code)
        assert "As shipped: " in said
        assert all(name in said for name in RULES[code].parameters.model_fields)
    heavy = tanbi("rules", "explain", "heavy_drop")
    assert "Heavy for one drop · 单次投放过重 grams_max: The most that one drop weighs" in heavy
    assert "As shipped: hold grams_max=15000" in heavy
    assert "{grams_over:,} g more than" in heavy
    assert "The resident is told: 这次投放比平常重很多，我们会先看一下。" in heavy
