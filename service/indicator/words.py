"""Why there is no rate, in words for people, Chinese and English."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from schemas.indicator import ReasonCode
from service.indicator.evidence import Line, Tree
from service.indicator.formulas import Quotient, exact_grams
from service.indicator.kinds import KINDS
from service.periods import Period

Thing = TypeVar("Thing")
# Of areas, sources and months, as many as a person reads.
NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the rate is null; `code` is stable."""

    code: ReasonCode
    zh: str
    en: str


def missing_reason(period: Period, lines: Sequence[Line], tree: Tree) -> Reason:
    """What has to be recorded before there is a rate."""
    by_kind = [(kind, list(of_kind)) for kind, of_kind in groupby(lines, key=lambda line: line.kind)]
    zh = "；".join(
        f"{KINDS[kind].name_zh}缺 {_some(of_kind, lambda line: _line_zh(line, period, tree), '、', '等')}"
        for kind, of_kind in by_kind
    )
    en = "; ".join(
        f"{KINDS[kind].name_en} is not recorded for"
        f" {_some(of_kind, lambda line: _line_en(line, period, tree), ', ', ' and others')}"
        for kind, of_kind in by_kind
    )
    return Reason(
        "input_missing",
        f"{period} 无法计算：{zh}。补录后即可计算，缺数不以零代替；确实没有的，录入 0。",
        f"No rate for {period}: {en}. What is not recorded is not taken for 0: record it, and 0 where there was none.",
    )


def contradiction_reason(period: Period, quotient: Quotient) -> Reason:
    """The masses cannot all be right, or there are none."""
    numerator, denominator = exact_grams(quotient.numerator_grams), exact_grams(quotient.denominator_grams)
    if quotient.numerator_grams == 0 and quotient.denominator_grams == 0:
        return Reason(
            "nothing_arose",
            f"{period} 产生量为零，比率无意义。",
            f"Nothing arose in {period}: there is nothing a rate could be a share of.",
        )
    return Reason(
        "contradictory",
        f"{period} 数据矛盾：分子 {numerator} 克，分母 {denominator} 克，分子应在零与分母之间，请核对录入数据。",
        f"The inputs of {period} contradict each other: {numerator} g recycled of {denominator} g that arose. Check the"
        " inputs.",
    )


def not_begun_reason(period: Period) -> Reason:
    """Nothing can be recorded of it yet."""
    return Reason(
        "not_begun",
        f"{period} 尚未开始，还没有数据。",
        f"{period} has not begun: there is nothing to record of it yet.",
    )


def not_over_reason(period: Period, missing: Reason, *, months_to_come: bool) -> Reason:
    """What is missing of a period that runs may not be there yet."""
    zh, en = f"{missing.zh}{period} 尚未结束", f"{missing.en} {period} is not over"
    if not months_to_come:
        return Reason(missing.code, f"{zh}。", f"{en}.")
    return Reason(
        missing.code, f"{zh}，未到的月份届时才能录入。", f"{en}: a month to come is recorded when it has begun."
    )


def invalid_year_reason(formula_id: str, valid_from: int, period: Period) -> Reason:
    """The formula is not defined for so early a year."""
    return Reason(
        "not_valid",
        f"公式 {formula_id} 自 {valid_from} 年起适用，不适用于 {period}。",
        f"The formula {formula_id} is defined from {valid_from} on, and not for {period}.",
    )


@dataclass(frozen=True, slots=True)
class Words:
    """A sentence in both languages."""

    zh: str
    en: str


def how_projected(period: Period, past_years: Sequence[int], by_months: Sequence[Line], tree: Tree) -> Words:
    """How the whole year follows from a part of it; `past_years` are none where all of it is known. `by_months`: lines
    that no past year can be compared with."""
    if not past_years:
        return Words("全年数据已齐，无需推算。", "All of the year is recorded: nothing is projected.")
    years = [str(year) for year in past_years]
    words = Words(
        f"按 {'、'.join(years)} 年同期占全年的比例逐项推算：本年 {period} 合计 × 往年全年合计 ÷ 往年同期合计，"
        "再按公式计算。",
        f"As in {', '.join(years)}, line by line: what was reported of {period} × the whole of those years ÷ the same"
        " months of those years; the rate follows by the formula.",
    )
    if not by_months:
        return words
    zh = _some(by_months, lambda line: f"{KINDS[line.kind].name_zh} {line_zh(line, tree)}", "；", "等")
    en = _some(by_months, lambda line: f"{KINDS[line.kind].name_en} of {line_en(line, tree)}", "; ", " and others")
    return Words(
        f"{words.zh}往年无可比数据的按已报月份平均推算：{zh}。",
        f"{words.en} What no past year can be compared with goes on as in its months so far: {en}.",
    )


def why_not_projected(period: Period, *, contradictory: bool) -> Words:
    """The year so far has a rate, but what comes of it has none, or there is nothing to compare it with."""
    if contradictory:
        return Words(
            f"无法推算全年：按往年推算的各项量互相矛盾（{period} 之后回收量超过产生量）。",
            f"The whole year cannot be projected: as in past years, more would be recycled after {period} than arises.",
        )
    return Words(
        f"无法推算全年：往年没有全年及 {period} 同期均完整且可比的数据。",
        f"The whole year cannot be projected: of no past year are the whole and the same months as {period} recorded,"
        " so that they can be compared.",
    )


def line_zh(line: Line, tree: Tree) -> str:
    """The area, and who reports."""
    name = tree.name_of(line.area_id)[0]
    who = "，".join(each for each in (line.source, line.material) if each is not None)
    return f"{name}（{who}）" if who else name


def line_en(line: Line, tree: Tree) -> str:
    name = tree.name_of(line.area_id)[1]
    of = "" if line.material is None else f" ({line.material})"
    return name if line.source is None else f"{name} by “{line.source}”{of}"


def _line_zh(line: Line, period: Period, tree: Tree) -> str:
    where = line_zh(line, tree)
    if line.coarser:
        return f"{where}：仅有 {'、'.join(map(str, line.coarser))} 的合计"
    return f"{where} {_some(_months(line, period), str, '、', '等')}" if line.months_present else where


def _line_en(line: Line, period: Period, tree: Tree) -> str:
    where = line_en(line, tree)
    if line.coarser:
        return f"{where} but for {', '.join(map(str, line.coarser))} as a whole"
    return f"{where} in {_some(_months(line, period), str, ', ', ' and others')}" if line.months_present else where


def _months(line: Line, period: Period) -> list[Period]:
    return [month for month in period.months if month not in line.months_present]


def _some(things: Sequence[Thing], told: Callable[[Thing], str], separator: str, more: str) -> str:
    return separator.join(told(each) for each in things[:NAMED_MAX]) + more * (len(things) > NAMED_MAX)
