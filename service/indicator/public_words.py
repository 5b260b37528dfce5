"""Every word of the public page, in Chinese and in English, and how the two write numbers and times. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

Language = Literal["zh", "en"]
MONTHS_EN: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
GRAMS_PER_KG: Final = 1_000
GRAMS_PER_TONNE: Final = 1_000_000
_PERIOD: Final = re.compile(r"(\d{4})(?:-(?:(ytd|Q[1-4])|(0[1-9]|1[0-2])(?:/\1-(0[1-9]|1[0-2]))?))?")


@dataclass(frozen=True, slots=True)
class Named:
    """A name or sentence in both languages."""

    zh: str
    en: str

    def of(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Words:
    """The page's own texts in one language. What stands in braces is filled in, and is the same in both."""

    language: Language
    html_lang: str
    other_lang: str
    other_language: str
    other_query: str
    indicator: str
    skip: str
    sample: str
    language_choice: str
    nothing_published: str
    nothing_published_why: str
    published: str
    reached: str
    short: str
    restates: str
    publication: str
    published_on: str
    digest: str
    public_digest: str
    provisional: str
    so_far: str
    so_far_months: str
    no_rate: str
    target_of: str
    projected: str
    projected_how: str
    needed: str
    needed_nothing: str
    path: str
    path_intro: str
    path_title: str
    path_rates: str
    path_targets: str
    measured: str
    provisional_mark: str
    projected_mark: str
    target_mark: str
    axis_from: str
    figures_as_table: str
    year: str
    rate: str
    target: str
    volumes: str
    volumes_of: str
    volumes_what: str
    no_volumes: str
    by_material: str
    by_subdistrict: str
    material: str
    subdistrict: str
    mass: str
    total: str
    apart: str
    apart_why: str
    not_shown: str
    communities: str
    communities_why: str
    communities_of: str
    community: str
    months: str
    months_intro: str
    months_table: str
    month: str
    recovered: str
    kitchen: str
    cleared: str
    cleared_rest: str
    kitchen_in_cleared: str
    not_known: str
    method: str
    method_formula: str
    method_once: str
    method_exact: str
    method_closed: str
    coverage: str
    coverage_share: str
    coverage_whole: str
    coverage_missing: str
    history: str
    figure: str
    history_empty: str
    superseded: str
    data: str
    data_free: str
    license: str
    made_on: str
    separator: str
    stop: str


ZH: Final = Words(
    language="zh",
    html_lang="zh-CN",
    other_lang="en",
    other_language="English",
    other_query="?lang=en",
    indicator="城市生活垃圾回收利用率",
    skip="跳到正文",
    sample="演示：本页全部数据均为示例，不是{area}的实际数据。",
    language_choice="语言",
    nothing_published="尚未发布",
    nothing_published_why="第一个年度数据经审核发布后，将显示在这里。",
    published="{period}，已发布",
    reached="达到 {year} 年目标（{target}），高出 {points} 个百分点。",
    short="距 {year} 年目标（{target}）还差 {points} 个百分点。",
    restates="本数据更正第 {number} 号发布（原为 {percent}），相差 {points} 个百分点。",
    publication="发布编号",
    published_on="发布日期",
    digest="原始记录的数字指纹（SHA-256）",
    public_digest="公开记录的数字指纹（SHA-256）",
    provisional="暂算",
    so_far="{year} 年以来",
    so_far_months="按 {months}的数据暂算，未经审核，以后可能修订。",
    no_rate="暂无法计算",
    target_of="{year} 年目标",
    projected="全年预计",
    projected_how="按往年同期占全年的比例推算，不是承诺。",
    needed="要达到目标，全年还需回收",
    needed_nothing="已回收的量足以达到全年目标。",
    path="与目标相比",
    path_intro="实线为已发布的年度数据，虚线为规划目标；目标年之间按直线推算。",
    path_title="{area}{indicator}与规划目标",
    path_rates="回收利用率",
    path_targets="规划目标",
    measured="已发布",
    provisional_mark="今年以来（暂算）",
    projected_mark="全年预计",
    target_mark="规划目标",
    axis_from="纵轴从 {low}% 起。",
    figures_as_table="数据表：{title}",
    year="年份",
    rate="回收利用率",
    target="目标",
    volumes="智能回收箱回收量",
    volumes_of="{months}，合计 {mass}。",
    volumes_what="只含智能回收箱称重的可回收物。上门回收、废品回收站等渠道另计入回收利用率。",
    no_volumes="还没有可以公布的回收量：月份结束 {days} 天后才公布。",
    by_material="按品类",
    by_subdistrict="按街道",
    material="品类",
    subdistrict="街道",
    mass="重量",
    total="合计",
    apart="未单独列出",
    apart_why="“不单独列出”的，可能是投放不足 10 次、列出会看出某一户的情况，"
    "也可能是列出后别处不足 10 次的量可由相减得出，或者没有投放；已称的量都计入“未单独列出”或上一级的合计。",
    not_shown="不单独列出",
    communities="按社区",
    communities_why="点开街道，查看其中各社区。",
    communities_of="{area}各社区回收量，{months}",
    community="社区",
    months="各月的量",
    months_intro="计算所用的三个量，{months}。",
    months_table="各月的量（{unit}）",
    month="月份",
    recovered="可回收物回收量 R",
    kitchen="厨余垃圾处理量 K",
    cleared="生活垃圾清运量 C",
    cleared_rest="其余清运 C − K",
    kitchen_in_cleared="厨余垃圾 K 是清运量 C 的一部分，图中不重复计入。",
    not_known="未报送",
    method="怎么算的",
    method_formula="公式 {id}：{definition}",
    method_once="每一份垃圾只在一个环节计量一次：箱、门、站、场、厂，不重复计算。",
    method_exact="数据以整数克记录，精确计算，只在显示时四舍六入五成双。报送的每个数都有来源文件，智能回收箱的量由每次投放的称重加总，发布的数可以逐位重算。",
    method_closed="发布的数据不再改动。发现差错时另行发布更正，并指明更正了哪一个。",
    coverage="数据是否齐全",
    coverage_share="{months}应报送的数据已收到 {share}。",
    coverage_whole="没有缺项。",
    coverage_missing="还缺：",
    history="历次发布",
    figure="数值",
    history_empty="还没有发布过数据。",
    superseded="已被第 {number} 号更正",
    data="开放数据",
    data_free="可自由使用，注明来源即可：",
    license="知识共享署名 4.0 国际（CC BY 4.0）",
    made_on="本页生成于 {date}。",
    separator="；",
    stop="。",
)

EN: Final = Words(
    language="en",
    html_lang="en",
    other_lang="zh-CN",
    other_language="中文",
    other_query="?lang=zh",
    indicator="Municipal waste recycling rate",
    skip="Skip to the content",
    sample="Demonstration: all figures of this page are samples, not those of {area}.",
    language_choice="Language",
    nothing_published="Not yet published",
    nothing_published_why="The first yearly figure is shown here once it is reviewed and published.",
    published="{period}, published",
    reached="The target for {year} ({target}) is met, with {points} percentage points to spare.",
    short="{points} percentage points short of the target for {year} ({target}).",
    restates="This figure corrects publication {number} (which said {percent}) by {points} percentage points.",
    publication="Publication",
    published_on="Published on",
    digest="Digest of the record (SHA-256)",
    public_digest="Digest of the public record (SHA-256)",
    provisional="provisional",
    so_far="{year} so far",
    so_far_months="Computed from {months}; not yet reviewed, and may be revised.",
    no_rate="Cannot be computed yet",
    target_of="Target for {year}",
    projected="Expected for the whole year",
    projected_how="Scaled by the share of the same months in past years; not a promise.",
    needed="Still to be recycled this year to reach the target",
    needed_nothing="What is recycled already suffices for the target of the year.",
    path="Against the target",
    path_intro="The solid line joins published yearly figures, the dashed line is the planned path; it is straight"
    " between"
    " the years that have a target.",
    path_title="{indicator} of {area}, against its targets",
    path_rates="Recycling rate",
    path_targets="Targets",
    measured="published",
    provisional_mark="year so far (provisional)",
    projected_mark="expected for the year",
    target_mark="target",
    axis_from="The vertical axis begins at {low}%.",
    figures_as_table="As a table: {title}",
    year="Year",
    rate="Rate",
    target="Target",
    volumes="Collected by smart bins",
    volumes_of="{months}, {mass} in all.",
    volumes_what="Only recyclables weighed by smart bins. Collection at the door, scrap stations and other ways count"
    " towards the rate besides.",
    no_volumes="There are no volumes to show yet: a month is shown {days} days after its end.",
    by_material="By material",
    by_subdistrict="By subdistrict",
    material="Material",
    subdistrict="Subdistrict",
    mass="Weight",
    total="Total",
    apart="Not shown separately",
    apart_why="What is not shown separately may be of fewer than 10 drops, in which a household could be made out; or"
    " fewer than 10 drops elsewhere would follow from it by subtraction; or there was nothing. What was weighed is"
    " among “not shown separately”, or in the total one level up.",
    not_shown="not shown separately",
    communities="By community",
    communities_why="Open a subdistrict to see its communities.",
    communities_of="Collected in the communities of {area}, {months}",
    community="Community",
    months="Month by month",
    months_intro="The three masses that the rate is computed from, {months}.",
    months_table="Month by month, in {unit}",
    month="Month",
    recovered="Recyclables recovered R",
    kitchen="Kitchen waste treated K",
    cleared="Waste cleared C",
    cleared_rest="Cleared besides C − K",
    kitchen_in_cleared="Kitchen waste K is part of what was cleared C; the chart shows it once.",
    not_known="not reported",
    method="How it is computed",
    method_formula="Formula {id}: {definition}",
    method_once="Each mass is counted once, at one point of its way: bin, door, station, yard or plant.",
    method_exact="Amounts are recorded in whole grams and computed exactly; only what is shown is rounded (half to"
    " even)."
    " Each amount that was reported has a document it comes from, what bins weighed is added up from every drop, and a"
    " published figure can be computed again to the last digit.",
    method_closed="A published figure never changes. A mistake is corrected by a further publication that names the"
    " one it"
    " corrects.",
    coverage="Is the data complete?",
    coverage_share="Of the data due for {months}, {share} has come in.",
    coverage_whole="Nothing is missing.",
    coverage_missing="Missing so far:",
    history="Publications",
    figure="Figure",
    history_empty="Nothing has been published yet.",
    superseded="corrected by publication {number}",
    data="Open data",
    data_free="Free to use if the source is named:",
    license="Creative Commons Attribution 4.0 International (CC BY 4.0)",
    made_on="This page was made on {date}.",
    separator="; ",
    stop=".",
)
WORDS: Final[dict[Language, Words]] = {"zh": ZH, "en": EN}


def percent_text(percent: Decimal) -> str:
    """With the digits it has, at least none: 38.50 is `38.50%`, 35 is `35%`."""
    return f"{percent:f}%"


def unit_for(grams: int) -> int:
    """Tonnes, or kilograms for less than one: so many grams."""
    return GRAMS_PER_TONNE if grams >= GRAMS_PER_TONNE else GRAMS_PER_KG


def unit_text(unit_grams: int, language: Language) -> str:
    """The unit's name."""
    return {GRAMS_PER_TONNE: Named("吨", "t"), GRAMS_PER_KG: Named("千克", "kg")}[unit_grams].of(language)


def mass_text(grams: int, language: Language) -> str:
    """In its unit with one decimal, half to even, in groups."""
    unit_grams = unit_for(grams)
    return f"{number_text(grams, unit_grams)} {unit_text(unit_grams, language)}"


def number_text(grams: int, unit_grams: int) -> str:
    """Without the unit, for a column that names it above; one decimal, half to even, in groups."""
    return f"{Decimal(grams) / unit_grams:,.1f}"


def points_text(points: Decimal) -> str:
    """Percentage points with their sign, and a true minus."""
    return f"{points:+f}".replace("-", "−")


def size_text(size_bytes: int) -> str:
    """A file's size as it is usually said, in units of 1 000."""
    if size_bytes < 1_000:
        return f"{size_bytes} B"
    if size_bytes < 1_000_000:
        return f"{Decimal(size_bytes) / 1_000:.1f} kB"
    return f"{Decimal(size_bytes) / 1_000_000:.1f} MB"


def months_text(months: Sequence[str], language: Language) -> str:
    """From the first to the last of `2026-03`, …; months of one year."""
    first, last = months[0], months[-1]
    return period_text(first if first == last else f"{first}/{last}", language)


def period_text(period: str, language: Language) -> str:
    """`2025`, `2025-Q1`, `2025-03`, `2025-01/2025-06` or `2026-ytd` in words; as it is where it is none of these."""
    found = _PERIOD.fullmatch(period)
    if found is None:
        return period
    year, part, first, last = found.groups()
    zh = language == "zh"
    if part == "ytd":
        return f"{year} 年以来" if zh else f"{year} so far"
    if part is not None:
        return f"{year} 年第 {part[1]} 季度" if zh else f"{part} {year}"
    if first is None:
        return f"{year} 年" if zh else year
    if last is None:
        return f"{year} 年 {int(first)} 月" if zh else f"{MONTHS_EN[int(first) - 1]} {year}"
    if zh:
        return f"{year} 年 {int(first)}–{int(last)} 月"
    return f"{MONTHS_EN[int(first) - 1]} to {MONTHS_EN[int(last) - 1]} {year}"


def month_tick(month: str, language: Language) -> str:
    """Under an axis: `3月` or `Mar`."""
    number = int(month[5:])
    return f"{number}月" if language == "zh" else MONTHS_EN[number - 1][:3]
