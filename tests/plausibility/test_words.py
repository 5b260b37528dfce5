"""Every finding is told in two languages, to operators with its figures."""

import re
from typing import get_args

import pytest

from schemas.outcome_codes import OutcomeCode
from service.plausibility.rules import RULES
from service.plausibility.words import WORDS, Language, for_operators, for_resident, named_figures
from tests.plausibility_page import PAGE, table_of, tables

GUARDS = {"no_tariff", "time_in_future", "time_before_visit", "time_too_old", "sequence_reused"}


def test_every_rule_and_guard_has_words_and_is_a_code_that_bins_are_told() -> None:
    assert WORDS.keys() == RULES.keys() | GUARDS
    assert WORDS.keys() <= {code.value for code in OutcomeCode}


@pytest.mark.parametrize("code", WORDS)
def test_both_languages_tell_the_same_figures_in_sentences(code: str) -> None:
    zh, en = WORDS[code]["zh"], WORDS[code]["en"]
    assert [named_figures(each) for each in zh.operators] == [named_figures(each) for each in en.operators]
    assert all(each.isascii() and each.endswith(".") for each in (*en.operators, en.resident or "."))
    assert all(re.search(r"[一-鿿]", each) and each.endswith("。") for each in (*zh.operators, zh.resident or "一。"))


@pytest.mark.parametrize("code", WORDS)
def test_residents_hear_of_drops_only_and_are_accused_of_nothing(code: str) -> None:
    for language in get_args(Language):
        said = for_resident(code, language)
        assert (said is None) == (code in RULES and RULES[code].of == "clearance")
        assert not re.search(r"fraud|cheat|suspic|作弊|欺诈|可疑", said or "")


def test_only_what_was_found_is_told() -> None:
    assert for_operators("above_capacity", {"weight_grams": 70_000, "capacity_grams": 60_000}, "en") == (
        "The drop weighed 70,000 g; the scale weighs 60,000 g at most."
    )
    both = {"weight_grams": 70_000, "capacity_grams": 60_000, "box_weight_grams": 31_000, "box_capacity_grams": 30_000}
    assert for_operators("above_capacity", both, "en").endswith("The box weighed 31,000 g; it holds 30,000 g at most.")


def test_what_was_found_without_figures_or_by_another_release_is_still_told() -> None:
    assert for_operators("heavy_drop", {}, "zh") == "单次投放过重"
    assert for_operators("heavy_drop", {}, "en") == "Heavy for one drop"
    assert for_operators("moon_phase", {"percent": 3}, "en") == "moon_phase"
    assert for_resident("moon_phase", "zh") is None


def test_the_page_tells_the_rules_as_they_are() -> None:
    for head, table in tables().items():
        assert table_of(PAGE.read_text(), head) == table, "`make rules` writes docs/plausibility.md"
