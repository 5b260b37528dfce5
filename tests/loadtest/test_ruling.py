"""The rules that load is judged by."""

from loadtest.ruling import LENIENT
from service.plausibility.rule_book import read_parameters
from service.plausibility.rules import RULES


def test_load_is_judged_by_every_rule_there_is() -> None:
    assert set(LENIENT) == set(RULES)
    for code, parameters in LENIENT.items():
        read_parameters(code, parameters)
