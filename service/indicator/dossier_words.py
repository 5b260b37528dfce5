"""What the dossier says, in Chinese and English, the same in the workbook and on the page. Pure."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from service.indicator.dossier_figures import OWN, Agreement, AreaRow, Dossier, FigureRow, Goal, Status
from service.indicator.formulas import GRAMS_DIGITS, PERCENT_DIGITS, QUANTITIES, Quotient, decimal_text, exact_grams
from service.indicator.kinds import KINDS, WAYS_OF_COUNTING, Kind
from service.moments import on_paper
from service.periods import Period

TONNE_GRAMS: Final = 10**6
# A tonne to the gram, times a share of six digits.
TONNE_DIGITS: Final = 6
POINTS_DIGITS: Final = 4
SHORT_DIGITS: Final = 3
UNKNOWN: Final = "–"

WAYS: Final = MappingProxyType(
    {
        "origin": ("源头计量（回收箱、上门、废品回收站收购、其他渠道）", "where they arise"),
        "station": ("站点计量（回收站接收、废品回收站收购、其他渠道）", "as they reach stations"),
        "yard": ("分拣场计量", "as they reach the yard"),
        "plant": ("再生利用工序计量", "as they enter the recycling operation"),
    }
)
STATUSES: Final[MappingProxyType[Status, tuple[str, str]]] = MappingProxyType(
    {
        "counted": ("计入", "counted"),
        "superseded": ("已被代替", "superseded"),
        "withdrawn": ("已撤回", "withdrawn"),
        "not_counted": ("未计入", "not counted"),
    }
)
AGREEMENTS: Final[MappingProxyType[Agreement, tuple[str, str]]] = MappingProxyType(
    {
        "same": ("是", "yes"),
        "same_digits": (
            "数值相同，但公布后所依据的数据有变更，需评估是否重述",
            "the same digits, from other inputs than were published",
        ),
        "other_digits": (
            "否：公布后录入的数据、迟到的称重或程序有变更，需评估是否重述",
            "no: inputs, late drops or the code have changed since",
        ),
    }
)
SITES_ZH: Final = "（智能回收箱称重；不属应上报数据，不计入覆盖率）"
SITES_EN: Final = "weighed by bins, which report by themselves: no part of the coverage"
QUARTERS_ZH: Final = ("一季度", "二季度", "三季度", "四季度")
MISSING_ZH: Final = "缺数不以零代替，不估算；只有季度或年度合计的数不分摊到月。"
MISSING_EN: Final = "Never taken for 0 nor estimated; what is known for a quarter or a year is not spread over months."
ROUNDING_ZH: Final = (
    "各量以克为单位精确相加，比率为精确分数；仅显示时修约：比率六位小数，百分比两位小数，"
    "四舍六入五成双（恰为五时修约到偶数）。"
)
ROUNDING_EN: Final = (
    "Masses add up exactly, in grams, and a rate is an exact fraction; only what is shown is rounded, half to even:"
    " rates to six digits, per cent to two."
)


@dataclass(frozen=True, slots=True)
class Said:
    """One line of the summary or of the method; `value_en` where the value is in words."""

    zh: str
    en: str
    value: str
    value_en: str = ""

    @property
    def label(self) -> str:
        return f"{self.zh} {self.en}"

    @property
    def in_both(self) -> str:
        return f"{self.value} {self.value_en}".strip()


def tonnes(grams: Fraction) -> str:
    """Exact: six digits after the point, and more only where a share makes them; in groups of three."""
    text = decimal_text(grams / TONNE_GRAMS, TONNE_DIGITS + GRAMS_DIGITS)
    whole, _, rest = text.partition(".")
    return f"{int(whole):,}.{rest.rstrip('0').ljust(TONNE_DIGITS, '0')}"


def short_tonnes(grams: Fraction | None) -> str:
    """To the kilogram, half to even; a dash for what is not known."""
    if grams is None:
        return UNKNOWN
    whole, _, rest = decimal_text(grams / TONNE_GRAMS, SHORT_DIGITS).partition(".")
    return f"{int(whole):,}.{rest}"


def percent(rate: Fraction | None) -> str:
    return UNKNOWN if rate is None else f"{decimal_text(rate * 100, PERCENT_DIGITS)}%"


def quotient_text(quotient: Quotient | None) -> str:
    """Exact, in grams: 191000/601000."""
    if quotient is None:
        return ""
    return f"{exact_grams(quotient.numerator_grams)}/{exact_grams(quotient.denominator_grams)}"


def points(value: Fraction) -> tuple[str, str]:
    """Percentage points from the target, in words: a sign would make a formula of it in a spreadsheet."""
    text = decimal_text(abs(value), POINTS_DIGITS)
    return (f"高 {text}", "above") if value >= 0 else (f"低 {text}", "below")


def period_zh(period: Period) -> str:
    """A span of one year's months."""
    if period.is_year:
        return "全年"
    if period.first_month == period.last_month:
        return f"{period.first_month} 月"
    name = str(period)
    if "Q" in name:
        return QUARTERS_ZH[int(name[-1]) - 1]
    return f"{period.first_month}–{period.last_month} 月"


def row_zh(row: FigureRow) -> str:
    """What a row of the figures is of."""
    suffix = "（未结束）" if row.is_running else {"longer": "（仅有合计）", "to_date": "累计"}.get(row.kind, "")
    return period_zh(row.period) + suffix


def note_zh(row: FigureRow) -> str:
    """Why it has no rate, and of which of its masses more is known for a longer period only."""
    if row.kind == "longer":
        return "只报合计，不分摊到月"
    if row.rate is not None and is_partial(row):
        return "不含只报合计的部分"
    return row.why_zh


def is_partial(row: FigureRow) -> bool:
    """Whether something of it is not there, or only in a row of a longer period."""
    return any(each.grams is not None and not each.is_whole for each in row.amounts)


def area_zh(row: AreaRow, own: str) -> str:
    return f"{own}本级上报" if row.place.id == OWN else row.place.name


def coverage_percent(share: str | None) -> str:
    return UNKNOWN if share is None else f"{decimal_text(Fraction(share) * 100, PERCENT_DIGITS)}%"


def summary(dossier: Dossier, zone: str) -> list[Said]:
    """What stands at the head."""
    facts, figure = dossier.facts, dossier.facts.figure
    quotient = figure.quotient
    draft, draft_en = ("", "") if dossier.is_over else ("（年度未结束，草稿，数据还会变化）", "not over: a draft")
    return [
        Said("区域", "Area", f"{facts.place.name}（{facts.place.id}）", facts.place.name_en),
        Said("年度", "Year", f"{facts.year}{draft}", draft_en),
        *_published(dossier, zone),
        Said("按现有数据重算", "As computed now", percent(figure.rate)),
        *_to_date(dossier.to_date),
        Said("分子（克）", "Numerator, g", UNKNOWN if quotient is None else exact_grams(quotient.numerator_grams)),
        Said("分母（克）", "Denominator, g", UNKNOWN if quotient is None else exact_grams(quotient.denominator_grams)),
        *(
            [Said("无法计算的原因", "Why there is no rate", figure.reason.zh, figure.reason.en)]
            if figure.reason is not None
            else []
        ),
        *([] if dossier.agreement is None else [_agreement(dossier.agreement)]),
        *_goal(dossier.goal),
        Said("数据覆盖率", "Coverage", coverage_percent(facts.coverage.share)),
        Said("有数据的投放点", "Sites with volume", f"{facts.sites_with_volume} / {facts.sites}{SITES_ZH}", SITES_EN),
        Said("导出时间", "Written at", on_paper(facts.made_at, zone)),
    ]


def _to_date(row: FigureRow | None) -> list[Said]:
    if row is None or row.rate is None:
        return []
    return [Said("本年累计", "Year to date", f"{percent(row.rate)}（{period_zh(row.period)}）", str(row.period))]


def _agreement(agreement: Agreement) -> Said:
    return Said("与公布值一致", "Equal to what is published", *AGREEMENTS[agreement])


def _published(dossier: Dossier, zone: str) -> list[Said]:
    latest, waiting = dossier.facts.latest, dossier.facts.waiting
    asked = [] if waiting is None else [Said("待公布的提案", "Waiting proposal", _waiting(dossier, zone))]
    if latest is None:
        return [Said("公布值", "Published figure", "尚未发布", "not published"), *asked]
    found = latest.summary
    decided_by = "" if found.decided_by is None else found.decided_by.name
    restates = "" if found.restates is None else f"，代替第 {found.restates.number} 号"
    return [
        Said("公布值", "Published figure", f"{found.rate_percent}%"),
        Said("公布编号", "Publication", f"第 {found.number} 号{restates}"),
        Said("提案人", "Proposed by", f"{found.proposed_by.name}，{on_paper(found.proposed_at, zone)}"),
        Said("公布人", "Published by", f"{decided_by}，{_at(found.decided_at, zone)}"),
        Said("数据摘要（SHA-256）", "Digest", found.digest),
        *asked,
    ]


def _waiting(dossier: Dossier, zone: str) -> str:
    waiting = dossier.facts.waiting
    if waiting is None:
        return ""
    return f"{waiting.rate_percent}%，{waiting.proposed_by.name}，{on_paper(waiting.proposed_at, zone)}"


def _at(at: datetime | None, zone: str) -> str:
    return "" if at is None else on_paper(at, zone)


def _goal(goal: Goal | None) -> list[Said]:
    if goal is None:
        return [Said("目标", "Target", "未设目标", "none")]
    how = "（由前后两年目标线性内插）" if goal.interpolated else ""
    said = [Said("目标", "Target", f"{percent(goal.rate)}{how}")]
    if goal.points is None or goal.grams is None:
        return [*said, Said("达标", "Met", "无法判断，比率未知", "not known")]
    lacking = "产生量不变时还需回收" if goal.grams > 0 else "产生量不变时超出目标"
    return [
        *said,
        Said("达标", "Met", *(("达标", "met") if goal.is_met else ("未达标", "not met"))),
        Said("与目标之差（百分点）", "Rate less target, points", *points(goal.points)),
        Said(f"{lacking}（吨）", "Tonnes to the target, of as much waste", tonnes(Fraction(abs(goal.whole_grams)))),
    ]


def method(dossier: Dossier) -> list[Said]:
    """How the figure is made."""
    facts, formula = dossier.facts, dossier.facts.formula
    way_zh, way_en = WAYS[facts.counted_at]
    published = facts.latest
    return [
        Said("公式编号", "Formula", f"{formula.id}，第 {formula.version} 版"),
        Said("定义", "Definition", formula.definition_zh, formula.definition_en),
        Said("来源", "Source", formula.source),
        Said("口径性质", "Standing", formula.standing_zh, formula.standing_en),
        Said("回收物计量环节", "Recyclables are counted", way_zh, way_en),
        Said("修约规则", "Rounding", ROUNDING_ZH, ROUNDING_EN),
        Said("缺数处理", "What is missing", MISSING_ZH, MISSING_EN),
        Said("程序版本", "Code now", facts.code_version),
        *([] if published is None else [Said("公布时程序版本", "Code as published", published.summary.code_version)]),
    ]


def kinds_of_method(dossier: Dossier) -> list[tuple[Kind, str]]:
    """Each kind that the formula counts, or that weighs the same recyclables elsewhere, with what becomes of it."""
    facts = dossier.facts
    recyclables = WAYS_OF_COUNTING[facts.counted_at]
    others = [name for each in facts.figure.sums for name in (each.quantity.mass, each.quantity.share) if name]
    elsewhere = {each.kind: each for each in facts.not_counted}
    rows: list[tuple[Kind, str]] = []
    for kind in KINDS.values():
        if kind.id in recyclables or kind.id in others:
            rows.append((kind, "计入"))
        elif kind.streams:
            same = "、".join(KINDS[each].name_zh for each in recyclables if KINDS[each].streams & kind.streams)
            found = elsewhere.get(kind.id)
            weighed = "" if found is None else f"，本年 {tonnes(Fraction(found.grams))} 吨"
            rows.append((kind, f"不计：同一物流已计入{same}{weighed}"))
    return rows


def columns_zh(dossier: Dossier) -> list[str]:
    """The quantities as heads of columns."""
    return [
        f"{each.quantity.name_zh} {each.quantity.symbol}"
        + ("" if each.stands_in_for is None else f"（代替{QUANTITIES[each.stands_in_for].name_zh}）")
        for each in dossier.columns
    ]
