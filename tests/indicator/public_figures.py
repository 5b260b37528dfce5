"""Figures for the public page, as long and as large as a district's, with names that try to be markup."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

from service.indicator.public_page import (
    AreaVolume,
    CoverageInWords,
    Download,
    MonthMasses,
    Publication,
    PublicFigures,
    RateSoFar,
    TargetStep,
    Volume,
    Volumes,
)
from service.indicator.public_words import Named

DEFINITION: Final = Named(
    "（可回收物回收量 R + 厨余垃圾处理量 K）÷（生活垃圾清运量 C + 可回收物回收量 R）",
    "(recyclables recovered R + kitchen waste treated K) ÷ (waste cleared C + recyclables recovered R)",
)
SUBDISTRICTS: Final = (
    Named("鼓楼街道", "Gulou Subdistrict"),
    Named("兴南街道", "Xingnan Subdistrict"),
    Named("广开街道", "Guangkai Subdistrict"),
    Named("长虹街道", "Changhong Subdistrict"),
    Named("向阳路街道", "Xiangyang Road Subdistrict"),
    Named("嘉陵道街道", "Jialing Road Subdistrict"),
    Named("万兴街道", "Wanxing Subdistrict"),
    Named("学府街道", "Xuefu Subdistrict"),
    Named("水上公园街道", "Water Park Subdistrict"),
    Named("王顶堤街道", "Wangdingdi Subdistrict"),
    Named("体育中心街道", "Sports Centre Subdistrict"),
    Named("华苑街道", "Huayuan Subdistrict"),
)
MATERIALS: Final = (
    (Named("纸类", "Paper"), 1_912_345_600),
    (Named("塑料", "Plastic"), 804_120_300),
    (Named("金属", "Metal"), 288_400_700),
    (Named("玻璃", "Glass"), 176_009_100),
    (Named("织物", "Textiles"), 95_310_000),
    (Named("电子产品", "Electronics"), None),
)
MONTHS: Final = tuple(f"2026-{month:02}" for month in range(1, 10))


def publication(number: str, period: str, percent: str, target: str | None, **more: object) -> Publication:
    each = Publication(
        number=number,
        period=period,
        percent=Decimal(percent),
        target_percent=None if target is None else Decimal(target),
        formula_id="cn.cleared_plus_recovered",
        definition=DEFINITION,
        digest="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        public_digest="60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        published_on=date(int(period[:4]) + 1, 3, 12),
    )
    if each.target_percent is not None:
        lead = each.percent - each.target_percent
        each = replace(each, is_met=lead >= 0, target_points=abs(lead))
    each = replace(each, **more)  # type: ignore[arg-type]
    if each.restated_percent is not None:
        each = replace(each, restated_points=each.percent - each.restated_percent)
    return each


def corrected(percent: str) -> Publication:
    """The year's second publication, of so much."""
    return publication(
        "5", "2025", percent, "35", restates="4", restated_percent=Decimal("36.42"), published_on=date(2026, 6, 2)
    )


HISTORY: Final = (
    corrected("36.74"),
    publication("4", "2025", "36.42", "35", superseded_by="5"),
    publication("2", "2024", "34.08", None),
    publication("1", "2023", "31.95", None),
)


def _communities(number: int) -> tuple[Volume, ...]:
    names = [(f"第{each}社区居民委员会", f"Community {each}") for each in range(1, 13 + number % 4)]
    return tuple(
        Volume(Named(*name), None if place % 5 == 3 else 1_000_000 * (place + 3) * (number + 2) + 123_456)
        for place, name in enumerate(names)
    )


def _subdistrict(number: int) -> AreaVolume:
    communities = _communities(number)
    grams = sum(each.grams or 0 for each in communities) + 7_300_000
    return AreaVolume(SUBDISTRICTS[number], None if number == 8 else grams, () if number == 8 else communities)


BY_SUBDISTRICT: Final = tuple(_subdistrict(number) for number in range(len(SUBDISTRICTS)))

FULL: Final = PublicFigures(
    area_id="nankai",
    area=Named("天津市南开区", "Nankai District, Tianjin"),
    made_on=date(2026, 11, 21),
    published=HISTORY[0],
    so_far=RateSoFar(
        year=2026,
        months=MONTHS,
        percent=Decimal("37.02"),
        reason=None,
        projected_percent=Decimal("37.35"),
        needed_grams=2_413_700_000,
    ),
    target_path=(
        TargetStep(2025, Decimal(35)),
        TargetStep(2027, Decimal("38.5")),
        TargetStep(2035, Decimal(50)),
    ),
    history=HISTORY,
    volumes=Volumes(
        months=MONTHS,
        grams=sum(each.grams or 0 for each in BY_SUBDISTRICT) + 4_100_000,
        by_material=tuple(Volume(*each) for each in MATERIALS),
        by_subdistrict=BY_SUBDISTRICT,
    ),
    months=tuple(
        MonthMasses(
            month,
            9_820_000_000 + 310_000_000 * (number % 4),
            None if number == 8 else 4_115_000_000 + 90_000_000 * (number % 3),
            24_730_000_000 + 520_000_000 * (number % 5),
        )
        for number, month in enumerate(MONTHS)
    ),
    coverage=CoverageInWords(
        MONTHS, Decimal("97.2"), (Named("2026 年 9 月的厨余垃圾处理量", "kitchen waste treated, September 2026"),)
    ),
    formula_id="cn.cleared_plus_recovered",
    formula=DEFINITION,
    quantities=("recovered", "kitchen_treated", "cleared"),
    volumes_after_days=35,
    sample=False,
    downloads=(
        Download(
            "/public/recycling-rate.json", Named("本页全部数据（JSON）", "All figures of this page (JSON)"), 48_211
        ),
        Download("/public/recycling-rate.csv", Named("各月回收量（CSV）", "Volumes by month (CSV)"), 1_204_882),
    ),
)
# Before anything is published, reported or settled.
EMPTY: Final = PublicFigures(
    area_id="nankai",
    area=FULL.area,
    made_on=FULL.made_on,
    published=None,
    so_far=None,
    target_path=(),
    history=(),
    volumes=None,
    months=(),
    coverage=None,
    formula_id=FULL.formula_id,
    formula=FULL.formula,
    quantities=FULL.quantities,
    volumes_after_days=35,
    sample=False,
    downloads=(),
)
# The first year: targets and bins, but the sanitation department has reported nothing yet.
FIRST_YEAR: Final = replace(
    FULL,
    published=None,
    history=(),
    so_far=RateSoFar(
        year=2026,
        months=("2026-01",),
        percent=None,
        reason=Named("2026 年 1 月未录入生活垃圾清运量 C。", "Waste cleared C is not recorded for January 2026."),
        projected_percent=None,
        needed_grams=None,
    ),
    months=(),
)
