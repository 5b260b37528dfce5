"""How commands print amounts, and what became of one: new, corrected, unchanged or withdrawn, from what to what."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from service.indicator.formulas import decimal_text
from service.indicator.kinds import KINDS
from service.indicator.recording import EffectKind

TONNE: Final = 10**6
EFFECTS: Final[Mapping[EffectKind, str]] = {
    "new": "新增 new",
    "correction": "更正 correction",
    "unchanged": "不变 unchanged",
    "withdrawal": "撤回 withdrawal",
}
WITHDRAWN: Final = "已撤回 withdrawn"


def tonnes(grams: str) -> str:
    """Exact grams as tonnes to the kilogram, with groups of three."""
    whole, _, rest = decimal_text(Fraction(grams) / TONNE, 3).partition(".")
    return f"{int(whole):,}.{rest}"


def amount_text(kind: str, amount: int) -> str:
    """Grams of a mass in tonnes, parts per million of a share in per cent."""
    if KINDS[kind].unit == "ppm":
        return f"{decimal_text(Fraction(amount, 10_000), 4)} %"
    return f"{tonnes(str(amount))} t"


def effect_text(effect: EffectKind, before: str | None, after: str | None, version: int) -> str:
    """Such as `更正 correction: 1,250.000 t → 5.000 t, version 6`; the amounts as they are printed, None where nothing
    counts."""
    now = WITHDRAWN if after is None else after
    changed = now if before is None or effect == "unchanged" else f"{before} → {now}"
    return f"{EFFECTS[effect]}: {changed}, version {version}"
