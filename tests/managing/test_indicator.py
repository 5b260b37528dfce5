"""The commands for the rate, as operators type them."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from service.business_days import business_today
from service.errors import (
    AlreadyPublished,
    AreaUnknown,
    Forbidden,
    InputOverlaps,
    NothingToWithdraw,
    OwnPublication,
    PeriodNotOver,
    PublicationDecided,
    PublicationUnknown,
    RateNotKnown,
    RestatementRefused,
    TanbiError,
    TokenInvalid,
    ValidationFailed,
)
from service.settings import Settings
from tests.managing.conftest import Tanbi
from tests.managing.test_adjustments import in_database, make_keys

FROM = ("--source", "区城管委", "--document-date", "2026-01-15")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "清运量 2025.pdf"
    path.write_bytes(b"a report")
    return path


@pytest.fixture
def record(tanbi: Tanbi, settings: Settings, report: Path, monkeypatch: pytest.MonkeyPatch) -> Tanbi:
    """Records by the first operator's key."""
    li, *_ = in_database(settings, make_keys)
    monkeypatch.setenv("TANBI_OPERATOR_KEY", li)

    def run(*arguments: str) -> str:
        return tanbi("indicator", "record", *arguments, *FROM, "--document", str(report))

    return run


def test_a_rate_is_recorded_and_read(tanbi: Tanbi, record: Tanbi, report: Path) -> None:
    assert "650.000 t, version 1" in record("c", "2025", "cleared", "650t")
    assert "125,000.000 t, version 1" in record("c", "2024", "cleared", "12.5万t")
    record("c", "2025", "kitchen_treated", "90000 kg")
    record("c", "2025", "pickup_recyclables", "160000000g")
    shown = tanbi("indicator", "rate", "c", "2025")
    for told in ("30.86 %", "160.000", "250000000 g ÷ 810000000 g = 0.308642", "100.0 % is recorded"):
        assert told in shown
    assert "provisional" not in shown
    assert "暂计" in tanbi("indicator", "rate", "c", f"{business_today('Asia/Shanghai').year}-ytd")
    answer = json.loads(tanbi("indicator", "rate", "c", "2025", "--json"))
    [cleared] = answer["quantities"][2]["inputs"]
    digest = hashlib.sha256(b"a report").hexdigest()
    assert cleared["document"] == {"name": report.name, "date": "2026-01-15", "sha256": digest}
    listed = tanbi("indicator", "inputs", "--kind", "cleared", "--period", "2025")
    assert "650.000 t" in listed
    assert "李工" in listed
    assert "125,000.000" not in listed


def test_a_correction_and_a_withdrawal_are_versions(tanbi: Tanbi, record: Tanbi) -> None:
    assert "c 2025 residue_share: 新增 new: 12.5000 %, version 1." in record("c", "2025", "residue_share", "12.5%")
    assert "更正 correction: 12.5000 % → 12.6000 %, version 2." in record("c", "2025", "residue_share", "12.6%")
    assert "不变 unchanged: 12.6000 %, version 2." in record("c", "2025", "residue_share", "12.6%")
    withdrawn = record("c", "2025", "residue_share", "withdraw")
    assert "撤回 withdrawal: 12.6000 % → 已撤回 withdrawn, version 3." in withdrawn
    assert "新增 new: 12.7000 %, version 4." in record("c", "2025", "residue_share", "12.7%")
    record("c", "2025", "cleared", "1250t")
    assert "1,250.000 t → 5.000 t, version 2." in record("c", "2025", "cleared", "5t")
    assert tanbi("indicator", "inputs", "--kind", "residue_share").count("superseded") == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("c", "2025", "cleared", "650"), "no amount with its unit"),
        (("c", "2025", "cleared", "650 stone"), "no amount with its unit"),
        (("c", "2025", "cleared", "50%"), "recorded in grams"),
        (("c", "2025", "residue_share", "5t"), "recorded in ppm"),
        (("c", "2025", "cleared", "0.0000001t"), "gram"),
        (("c", "2025-13", "cleared", "5t"), "period"),
        (("c", "2025", "burnt", "5t"), "kind"),
    ],
)
def test_what_is_typed_wrongly_is_told(record: Tanbi, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValidationFailed, match=told):
        record(*arguments)


def test_what_a_sheet_takes_is_typed_too(tanbi: Tanbi, report: Path, record: Tanbi) -> None:
    by = ("--source", "区城管委", "--document", str(report), "--document-date", "2026年4月2日")
    told = tanbi("indicator", "record", "天津", "2026年3月", "清运量", "１，２５０ 吨", *by)
    assert "c 2026-03 cleared: 新增 new: 1,250.000 t" in told
    assert "1,250.000 t → 已撤回 withdrawn" in tanbi("indicator", "record", "天津", "2026年3月", "清运量", "撤回", *by)
    tanbi("indicator", "record", "天津", "2026年3月", "清运量", "5吨", *by)
    assert "Tianjin · 2026-03" in tanbi("indicator", "rate", "天津", "2026年3月")
    assert json.loads(tanbi("indicator", "outlook", "天津", "2026", "--json"))["area"] == "c"
    assert "5.000 t" in tanbi("indicator", "inputs", "--area", "天津", "--period", "2026年", "--kind", "清运量")
    assert "c 2030 目标" in tanbi("indicator", "target", "set", "天津", "2030", "40")
    assert "40.0 %" in tanbi("indicator", "target", "list", "--area", "Tianjin")
    assert tanbi("indicator", "publications", "--area", "天津", "--period", "2026年3月")


@pytest.mark.parametrize("amount", ["-3t", "-1,250.5kg", "-5%", "-3 万吨"])
def test_a_negative_amount_is_told_to_be_one(record: Tanbi, amount: str) -> None:
    with pytest.raises(ValidationFailed, match="is negative") as error:
        record("c", "2025", "residue_share" if "%" in amount else "cleared", amount)
    assert "是负数" in str(error.value.detail_zh)


def test_what_is_refused_is_told_in_both_languages(record: Tanbi) -> None:
    record("c", "2025", "cleared", "5t")
    for arguments, zh in (
        (("c", "2025-03", "cleared", "5t"), "已录入天津 2025 年 生活垃圾清运量 C"),
        (("c", "2025", "kitchen_treated", "withdraw"), "无可撤回"),
        (("d", "2025", "cleared", "5t"), "没有区域“d”。现有：天津（c）。"),
        (("c", "2025", "cleared", "5"), "不是带单位的数量"),
        (("c", "2025", "cleared", "5%"), "是重量：以克录入"),
        (("c", "2025", "residue_share", "5t"), "是份额"),
        (("c", "2099", "cleared", "5t"), "2099 尚未开始"),
        (("c", "2025-ytd", "cleared", "5t"), "“2025-ytd”是年初至今"),
    ):
        with pytest.raises(TanbiError) as error:
            record(*arguments)
        assert zh in str(error.value.detail_zh)


def test_a_document_of_the_future_is_refused(tanbi: Tanbi, record: Tanbi, report: Path) -> None:
    record("c", "2025", "cleared", "5t")
    of_tomorrow = ("--source", "区城管委", "--document", str(report), "--document-date", "2099-01-01")
    with pytest.raises(ValidationFailed, match="2099-01-01, is after today"):
        tanbi("indicator", "record", "c", "2025", "cleared", "6t", *of_tomorrow)


def test_what_stands_twice_and_what_is_not_there_is_refused(tanbi: Tanbi, record: Tanbi) -> None:
    record("c", "2025", "cleared", "5t")
    with pytest.raises(InputOverlaps, match="cleared c 2025"):
        record("c", "2025-03", "cleared", "5t")
    with pytest.raises(AreaUnknown):
        record("d", "2025", "cleared", "5t")
    with pytest.raises(AreaUnknown):
        tanbi("indicator", "rate", "d", "2025")


def test_who_owes_months_from_now_on_is_told(tanbi: Tanbi, record: Tanbi, report: Path) -> None:
    for month in range(1, 13):
        assert "owes" not in record("c", f"2024-{month:02}", "cleared", "5t")
    by_another = ("--source", "河道办", "--document", str(report), "--document-date", "2026-01-15")
    told = " ".join(tanbi("indicator", "record", "c", "2024-03", "cleared", "6t", *by_another).split())
    assert "c “河道办” owes cleared of 2024-01, 2024-02, 2024-04, " in told


def test_a_further_source_of_waste_is_told(tanbi: Tanbi, record: Tanbi, report: Path) -> None:
    by_another = ("--source", "河道办", "--document", str(report), "--document-date", "2026-01-15")
    assert "sources" not in record("c", "2025-Q1", "cleared", "5t")
    told = tanbi("indicator", "record", "c", "2025-03", "cleared", "6t", *by_another)
    assert "cleared of c in 2025-03 is now the sum of 2 sources: “区城管委” (c), “河道办” (c)." in told
    for period, kind in (("2025-03", "cleared"), ("2025-04", "cleared"), ("2025-03", "kitchen_treated")):
        assert "sources" not in tanbi("indicator", "record", "c", period, kind, "7t", *by_another)
    record("c", "2025-03", "pickup_recyclables", "5t")
    assert "sources" not in tanbi("indicator", "record", "c", "2025-03", "pickup_recyclables", "7t", *by_another)


def test_what_is_missing_is_said_in_both_languages(tanbi: Tanbi, record: Tanbi) -> None:
    record("c", "2025-01", "cleared", "5t")
    shown = tanbi("indicator", "rate", "c", "2025")
    for told in (
        "missing",
        "厨余垃圾处理量 K缺 天津",
        "kitchen waste treated (K) is not recorded for Tianjin",
        "缺 生活垃圾清运量 C missing: cleared of c",
        "应报数据已录入 4.2 %。Of what is to be reported 4.2 % is recorded.",
    ):
        assert told in shown


def test_a_way_of_counting_that_a_formula_has_not_is_told_in_both_languages(tanbi: Tanbi) -> None:
    asked = ("indicator", "rate", "c", "2025", "--formula", "eu.2019_1004", "--counted-at", "origin")
    with pytest.raises(ValidationFailed, match="not at origin") as error:
        tanbi(*asked)
    assert error.value.detail_zh == "公式 eu.2019_1004 的回收量计量点为 plant 或 yard，不能是 origin。"


def test_one_proposes_another_publishes_and_anyone_computes_it_again(
    tanbi: Tanbi, record: Tanbi, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record("c", "2025", "cleared", "600t")
    record("c", "2025", "kitchen_treated", "200t")
    record("c", "2025", "generated", "800t")
    wang, auditor = tmp_path / "wang", tmp_path / "auditor"
    _, wangs, audits = in_database(settings, make_keys)
    wang.write_text(wangs)
    auditor.write_text(audits)

    def propose(*arguments: str) -> str:
        found = re.search(r"indicator publish (\S+)`", tanbi("indicator", "propose", "c", "2025", *arguments))
        assert found is not None
        return found[1]

    first = propose()
    twice = tanbi("indicator", "propose", "c", "2025")
    assert "c 2025: 已提出 proposed: 33.33 %. 由另一位操作员发布 another operator publishes it: `tanbi" in twice
    assert "同一数值另有提案待处理：33.33 %，李工，" in twice
    assert re.search(rf"waits: 33.33 % by 李工 at \S+\+08:00, {first}\.", twice)
    assert "waits" not in tanbi("indicator", "propose", "c", "2025", "--formula", "cn.generated")
    with pytest.raises(OwnPublication):
        tanbi("indicator", "publish", first)
    with pytest.raises(Forbidden):
        tanbi("indicator", "publish", first, "--key-file", str(auditor))
    published = tanbi("indicator", "publish", first, "--key-file", str(wang))
    assert "c 2025: 已发布 published: 33.33 %, 发布编号 as publication 1, 摘要 digest" in published
    for arguments, refusal, zh in (
        (("publish", first), PublicationDecided, "王工 已于 20"),
        (("propose", "c", "2025"), AlreadyPublished, "命令行 --restates 1 --reason …"),
        (("propose", "c", "2025", "--restates", "1", "--reason", "x"), RestatementRefused, "自发布 1 以来没有变化"),
        (("propose", "c", "2025", "--restates", "1"), ValidationFailed, "更正发布要写明"),
        (("propose", "c", "2025", "--restates", "7", "--reason", "x"), PublicationUnknown, "没有编号为 7 的发布"),
        (("propose", "c", "2024"), RateNotKnown, "2024 无法计算"),
        (("propose", "c", "2025-ytd"), ValidationFailed, "“2025-ytd”是年初至今"),
        (("propose", "c", "2099"), PeriodNotOver, "2099 到 2099-12-31 才结束"),
    ):
        with pytest.raises(refusal) as error:
            tanbi("indicator", *arguments)
        assert zh in str(error.value.detail_zh)
    again = tanbi("indicator", "recompute", "--publication", "1")
    assert "is reproduced to the last digit" in again
    assert "0.333333" in again
    record("c", "2025", "cleared", "500t")
    second = propose("--restates", "1", "--reason", "清运量更正")
    # What is decided does not wait.
    third = tanbi("indicator", "propose", "c", "2025", "--restates", "1", "--reason", "清运量更正")
    assert second in third
    assert first not in third
    restated = "33.33 % → 40.00 %, +6.6667 个百分点 percentage points, 更正发布 1 restates publication 1"
    assert f"已提出 proposed: {restated}. " in third
    id_ = re.search(r"indicator publish (\S+?)`", third)
    assert id_ is not None
    assert tanbi("indicator", "reject", id_[1], "--reason", "重复") == "c 2025: 已驳回 rejected: 40.00 %."
    tanbi("indicator", "publish", second, "--key-file", str(wang))
    listed = tanbi("indicator", "publications")
    for told in ("40.00 %", "1 (+6.6667): 清运量更正", "restated by 2", "李工", "王工"):
        assert told in listed
    told = tanbi("indicator", "target", "set", "c", "2025", "36")
    assert "仍用当时的目标，发布编号：2。" in told
    assert "keeps the target of its own time: publication 2." in told
    assert "own time" not in tanbi("indicator", "target", "set", "c", "2026", "36")
    assert "reproduced" in tanbi("indicator", "recompute", "--publication", "1", "--quiet")
    record_text = json.loads(tanbi("indicator", "show", "--publication", "2"))["record_text"]
    assert json.loads(record_text)["figure"]["rate"] == "0.400000"
    with pytest.raises(PublicationUnknown):
        tanbi("indicator", "recompute", "--publication", "3")


def test_without_a_key_nothing_is_recorded(tanbi: Tanbi, report: Path) -> None:
    with pytest.raises(TokenInvalid, match="TANBI_OPERATOR_KEY"):
        tanbi("indicator", "record", "c", "2025", "cleared", "5t", *FROM, "--document", str(report))


def test_who_sets_a_target_is_an_operator_who_may(
    tanbi: Tanbi, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TokenInvalid, match="TANBI_OPERATOR_KEY"):
        tanbi("indicator", "target", "set", "c", "2025", "33")
    *_, auditor = in_database(settings, make_keys)
    monkeypatch.setenv("TANBI_OPERATOR_KEY", auditor)
    with pytest.raises(Forbidden):
        tanbi("indicator", "target", "set", "c", "2025", "33")
    assert "33" not in tanbi("indicator", "target", "list", "--history")


def test_targets_are_set_and_corrected_and_the_way_there_is_told(tanbi: Tanbi, record: Tanbi) -> None:
    assert "c 2025 目标 target: 新增 new: 33.0 %, version 1." in tanbi("indicator", "target", "set", "c", "2025", "33")
    assert "38.5 %" in tanbi("indicator", "target", "set", "c", "2027", "38.5%")
    corrected = tanbi("indicator", "target", "set", "c", "2025", "34", "--reason", "区规划")
    assert corrected == "c 2025 目标 target: 更正 correction: 33.0 % → 34.0 %, version 2."
    for effect in ("correction: 34.0 % → 35.0 %", "unchanged: 35.0 %"):
        assert f"{effect}, version 3." in tanbi("indicator", "target", "set", "c", "2025", "35")
    assert re.search(r"c . 2025 . 35.0 % . 3 . 李工 . 20", tanbi("indicator", "target", "list"))
    assert "34.0 %" not in tanbi("indicator", "target", "list")
    history = tanbi("indicator", "target", "list", "--history")
    assert re.search(
        r"33.0 % . 1 superseded . 李工 .*34.0 % . 2 superseded . 李工 . 20\S+ . 区规划 .*35.0 % . 3 ", history
    )
    tanbi("indicator", "target", "set", "c", "2020", "35")
    assert "35.0 % → 已撤回 withdrawn" in tanbi("indicator", "target", "set", "c", "2020", "撤回")
    assert "2020" not in tanbi("indicator", "target", "list")
    with pytest.raises(NothingToWithdraw):
        tanbi("indicator", "target", "set", "c", "2020", "withdraw")
    with pytest.raises(AreaUnknown):
        tanbi("indicator", "target", "set", "d", "2025", "34")
    for wrong in ("35.55", "101", "much"):
        with pytest.raises(ValidationFailed, match="no target"):
            tanbi("indicator", "target", "set", "c", "2030", wrong)
    assert "38.5 %" in tanbi("indicator", "target", "list")
    record("c", "2025", "cleared", "100t")
    record("c", "2025", "kitchen_treated", "30t")
    shown = tanbi("indicator", "outlook", "c", "2025")
    for told in ("35.00 %", "30.00 %", "全年数据已齐", "5.000"):
        assert told in shown
    assert json.loads(tanbi("indicator", "outlook", "c", "2026", "--json"))["target"]["rate_percent"] == "36.75"


def test_the_registries_are_shown(tanbi: Tanbi) -> None:
    assert "eu.2019_1004" in tanbi("indicator", "formulas")
    kinds = tanbi("indicator", "kinds")
    for told in ("scrap_station_recyclables", "废品回收站收购量", "yard", "from bins"):
        assert told in kinds
