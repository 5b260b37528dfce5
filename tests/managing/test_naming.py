"""What people type for areas, kinds, materials and periods: ids and names, as sheets take them."""

import pytest

from service.errors import AreaUnknown, MaterialUnknown, ValidationFailed
from service.indicator.kinds import KINDS
from service.managing.naming import Known, day_text, fixed_period_text, period_text

COMMUNITIES = {f"c{number}": (f"第{number}社区", f"Community {number}") for number in range(20)}
KNOWN = Known(
    {
        "nankai": ("南开区", "Nankai District"),
        "xuefu": ("学府街道", "Xuefu Subdistrict"),
        "one": ("一社区", "First"),
        "two": ("一社区", "Second"),
        **COMMUNITIES,
    },
    {"paper": ("纸类", "Paper"), "metal": ("金属", "Metal")},
)


@pytest.mark.parametrize("text", ["xuefu", "学府街道", " 学府街道 xuefu", "XUEFU", "ｘｕｅｆｕ", "Xuefu subdistrict"])
def test_an_area_is_typed_by_its_id_or_any_of_its_names(text: str) -> None:
    assert KNOWN.area(text) == "xuefu"


@pytest.mark.parametrize(
    "text", ["cleared", "生活垃圾清运量 C", "生活垃圾清运量", "清运量", "waste cleared", "C", "c", "Ｃ"]
)
def test_a_kind_is_typed_by_its_id_or_any_of_its_names(text: str) -> None:
    assert KNOWN.kind(text) == "cleared"


def test_each_kind_that_is_recorded_is_meant_by_all_its_names() -> None:
    for kind in KINDS.values():
        if kind.recorded:
            assert {KNOWN.kind(name) for name in (kind.id, kind.name_zh, kind.name_en)} == {kind.id}


def test_a_kind_is_typed_by_the_letter_that_stands_behind_its_name() -> None:
    letters = {"C": "cleared", "K": "kitchen_treated", "G": "generated", "D": "disposed", "X": "exported"}
    for letter, kind_id in {**letters, "M": "imported"}.items():
        assert KNOWN.kind(letter) == kind_id
        assert letter in KINDS[kind_id].name_zh


def test_of_the_letter_that_several_kinds_make_up_recyclables_are_told() -> None:
    with pytest.raises(
        ValidationFailed, match=r"The nearest: recyclables picked up at the door \(pickup_recyclables\)"
    ):
        KNOWN.kind("R")


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ("xufu", "最接近的：学府街道（xuefu）。", "The nearest: Xuefu Subdistrict (xuefu)."),
        # Too short to be alike, but a part of it.
        ("x", "最接近的：学府街道（xuefu）。", "The nearest: Xuefu Subdistrict (xuefu)."),
        ("学府", "最接近的：学府街道（xuefu）。", "The nearest: Xuefu Subdistrict (xuefu)."),
        ("@@@", "所有区域见 `tanbi area list`。", "All areas: `tanbi area list`."),
    ],
)
def test_of_an_area_that_there_is_not_the_nearest_are_told(text: str, zh: str, en: str) -> None:
    with pytest.raises(AreaUnknown) as error:
        KNOWN.area(text)
    assert error.value.detail_zh == f"没有区域“{text}”。{zh}"
    assert str(error.value) == f"There is no area {text}. {en}"


def test_of_what_may_be_meant_at_most_five_are_told() -> None:
    with pytest.raises(AreaUnknown) as error:
        KNOWN.area("社区")
    assert str(error.value).count("Community") + str(error.value).count("(one)") + str(error.value).count("(two)") == 5


def test_a_name_that_several_have_is_told_with_their_ids() -> None:
    with pytest.raises(ValidationFailed) as error:
        KNOWN.area("一社区")
    assert error.value.detail_zh == "“一社区”不止一个：一社区（one）、一社区（two）。请填写编号。"
    assert str(error.value) == "“一社区” may be any of: First (one), Second (two). Write the id."


def test_of_few_materials_all_are_told() -> None:
    assert KNOWN.material("纸类") == "paper"
    with pytest.raises(MaterialUnknown) as error:
        KNOWN.material("废纸")
    assert error.value.detail_zh == "没有材料“废纸”。现有：纸类（paper）、金属（metal）。"
    assert str(error.value) == "There is no material 废纸. There are: Paper (paper), Metal (metal)."


@pytest.mark.parametrize("text", ["bin_recyclables", "智能回收箱回收量"])
def test_what_bins_weigh_is_said_to_be_counted_by_the_system(text: str) -> None:
    with pytest.raises(ValidationFailed, match="added up by the system from what bins weighed") as error:
        KNOWN.kind(text)
    assert error.value.detail_zh == "“智能回收箱回收量”由系统根据称重自动累计，不能录入。"


def test_a_kind_that_there_is_not_is_told_with_the_nearest() -> None:
    with pytest.raises(ValidationFailed) as error:
        KNOWN.kind("burnt")
    assert "焚烧处理量（burned）" in str(error.value.detail_zh)
    assert "waste burned (burned)" in str(error.value)


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("2026年3月", "2026-03"),
        ("2025年", "2025"),
        ("2025年第一季度", "2025-Q1"),
        ("2025-03", "2025-03"),
        ("2026-ytd", "2026-ytd"),
    ],
)
def test_a_period_is_typed_as_sheets_take_it(text: str, period: str) -> None:
    assert period_text(text) == period


@pytest.mark.parametrize(
    ("text", "zh", "en"), [("2025-13", "不是期间", "is not a period"), ("2025-03-01", "是某一天，不是期间", "is a day")]
)
def test_what_is_no_period_is_told_in_both_languages(text: str, zh: str, en: str) -> None:
    with pytest.raises(ValidationFailed, match=en) as error:
        period_text(text)
    assert zh in str(error.value.detail_zh)


def test_a_year_to_date_is_no_period_to_record_or_publish() -> None:
    assert fixed_period_text("2026年3月") == "2026-03"
    with pytest.raises(ValidationFailed, match="is a year to date") as error:
        fixed_period_text("2026-ytd")
    assert "“2026-ytd”是年初至今，每月不同，只能用于查询。" in str(error.value.detail_zh)


def test_a_day_is_typed_as_sheets_take_it() -> None:
    assert day_text("2026年1月15日") == day_text("2026-01-15") == "2026-01-15"
    with pytest.raises(ValidationFailed, match="is not a date") as error:
        day_text("tomorrow")
    assert "不是日期" in str(error.value.detail_zh)
