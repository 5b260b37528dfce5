"""What an account may be credited for on one business day, asked of a drop that is credited after it came. Pure."""

import math
from typing import Final

from service.plausibility.drop import AccountDay, BinFacts, Drop, Finding
from service.plausibility.rule_book import RuleSet
from service.plausibility.rules import Case

DAY_RULES: Final = frozenset({"day_drops", "day_grams", "day_coins"})
# Rules of a day do not look at the bin.
NO_BIN: Final = BinFacts(1, 1, 1, math.inf, -math.inf)


def beyond_the_day(
    material_id: str, weight_grams: int, coins: int, counts_at: float, day: AccountDay, rules: RuleSet
) -> list[Finding]:
    """The rules that would not let the account have this drop too, by what it was credited for on its day; none where
    it may. `rules` are those in force at `counts_at`, in Unix seconds."""
    drop = Drop(0, material_id, weight_grams, None, counts_at, None, coins, has_tariff=True)
    case = Case(drop, NO_BIN, day, None, None)
    found = ((rule, rule.check(case, rule.parameters)) for rule in rules.of_drops if rule.code in DAY_RULES)
    return [
        Finding(rule.code, rule.action, figures)
        for rule, figures in found
        if figures is not None and rule.action != "credit"
    ]
