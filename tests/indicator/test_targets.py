from fractions import Fraction

from service.indicator.targets import target_rate


def test_targets_between_two_years_lie_on_the_line() -> None:
    plan = {2025: 350, 2027: 385, 2035: 500}
    assert target_rate(plan, 2025) == Fraction(35, 100)
    assert target_rate(plan, 2026) == Fraction(3675, 10000)
    assert target_rate(plan, 2031) == Fraction(385 + 500, 2000)
    assert target_rate(plan, 2028) == Fraction(385, 1000) + Fraction(115, 8000)
    assert target_rate(plan, 2024) is None
    assert target_rate(plan, 2036) is None
    assert target_rate({}, 2025) is None
