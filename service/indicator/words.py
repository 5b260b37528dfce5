"""Why there is no rate, in words for people, Chinese and English."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from service.indicator.formulas import Quotient
from service.periods import Period

# Of areas and months, as many as a person reads.
NAMED_MAX = 5
NAMES = {
    "cleared": ("生活垃圾清运量 C", "waste cleared (C)"),
    "kitchen_treated": ("厨余垃圾处理量 K", "kitchen waste treated (K)"),
}


@dataclass(frozen=True, slots=True)
class Gap:
    """A kind of input that is not recorded for all of a period; `months_missing` as they are written, `2025-03`."""

    kind: str
    area_id: str
    areas_missing: Sequence[str]
    months_present: Sequence[str]
    months_missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the rate is null; `code` is stable."""

    code: Literal["input_missing", "contradictory", "nothing_arose"]
    zh: str
    en: str


def missing_reason(period: Period, gaps: Sequence[Gap]) -> Reason:
    """What has to be recorded before there is a rate."""
    return Reason(
        "input_missing",
        f"{period} 无法计算：" + "；".join(_gap_zh(gap) for gap in gaps) + "。补录后即可计算，缺数不以零代替。",
        f"No rate for {period}: "
        + "; ".join(_gap_en(gap) for gap in gaps)
        + ". Record it with POST /v1/indicator/inputs; what is not recorded is not taken for 0.",
    )


def contradiction_reason(period: Period, quotient: Quotient) -> Reason:
    """The masses cannot all be right, or there are none."""
    if quotient.denominator_grams == 0:
        return Reason(
            "nothing_arose",
            f"{period} 清运量与回收量均为零，比率无意义。",
            f"Nothing was cleared or recovered in {period}: there is nothing a rate could be a share of.",
        )
    return Reason(
        "contradictory",
        f"{period} 数据矛盾：分子 {quotient.numerator_grams} 克大于分母 {quotient.denominator_grams} 克，"
        "请核对 K 与 C。",
        f"The inputs of {period} contradict each other: {quotient.numerator_grams} g recycled of"
        f" {quotient.denominator_grams} g that arose. Check K against C.",
    )


def _gap_zh(gap: Gap) -> str:
    name = NAMES[gap.kind][0]
    if list(gap.areas_missing) != [gap.area_id]:
        return f"{name}缺以下区域：{_some(gap.areas_missing, '、', '等')}"
    if gap.months_present and gap.months_missing:
        return f"{name}缺以下月份：{_some(gap.months_missing, '、', '等')}"
    return f"区域 {gap.area_id} 未录入该期间的{name}"


def _gap_en(gap: Gap) -> str:
    name = NAMES[gap.kind][1]
    if list(gap.areas_missing) != [gap.area_id]:
        return f"{name} is not recorded for {_some(gap.areas_missing, ', ', ' and others')}, parts of {gap.area_id}"
    if gap.months_present and gap.months_missing:
        return f"{name} is missing for {_some(gap.months_missing, ', ', ' and others')}"
    return f"no {name} is recorded for {gap.area_id} in just this period"


def _some(names: Sequence[str], separator: str, more: str) -> str:
    return separator.join(names[:NAMED_MAX]) + (more if len(names) > NAMED_MAX else "")
