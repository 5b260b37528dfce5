"""The commands for carbon factor sets, as an operator types them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.business_days import business_day
from service.errors import CarbonChoiceTooEarly, FactorSetDiffers, FactorSetUnknown, ValidationFailed
from tests.managing.conftest import Tanbi

NAMES = ("--name", "团体标准", "--name-en", "A group standard", "--source", "T/ACEF 161-2024, 表 3")
CONTENT = "品类,每千克毫克CO2e,对应条目\npaper,1475500,废纸\nglass,312001,废玻璃\n"


@pytest.fixture
def file(tanbi: Tanbi, tmp_path: Path) -> Path:
    for material, name in (("paper", "废纸"), ("glass", "玻璃")):
        tanbi("material", "add", material, "--name", name, "--name-en", material)
    path = tmp_path / "factors.csv"
    path.write_text(CONTENT)
    return path


def test_a_method_is_imported_without_code_shown_and_chosen(tanbi: Tanbi, file: Path) -> None:
    file.write_bytes(CONTENT.encode("gb18030"))
    imported = ("carbon", "import", str(file), "--id", "cn.t-acef.161-2024", *NAMES)
    said = tanbi(*imported, "--dry-run")
    assert "2 │ paper │ 1475500 │ 废纸 │ good" in said
    assert said.endswith("cn.t-acef.161-2024: 2 factors would be imported; nothing was changed.")
    assert "cn.t-acef" not in tanbi("carbon", "list")
    assert "2 factors are imported." in tanbi(*imported)
    assert "there already, with the very same content" in tanbi(*imported)
    shown = tanbi("carbon", "show", "cn.t-acef.161-2024")
    assert "团体标准 · A group standard Source: T/ACEF 161-2024, 表 3 In force: never chosen" in shown
    assert "glass │ 312001 │ 废玻璃" in shown
    assert tanbi("carbon", "choose", "cn.t-acef.161-2024").startswith(
        "cn.t-acef.161-2024 counts for all that was ever dropped"
    )
    assert "since ever │ cn.t-acef.161-2024 │ in force" in tanbi("carbon", "choices")


def test_sets_are_superseded_from_a_day_to_come(tanbi: Tanbi, file: Path) -> None:
    tanbi("carbon", "import", str(file), "--id", "a", *NAMES)
    tanbi("carbon", "import", str(file), "--id", "b", *NAMES, "--note", "the same")
    tanbi("carbon", "choose", "a")
    said = tanbi("carbon", "choose", "b", "--from", "2099-01-01")
    assert said == "b counts for what is dropped from 2099-01-01 on; what was dropped before counts as before."
    assert "since ever to 2098-12-31" in tanbi("carbon", "list")
    assert "2099-01-01 │ b │ to come" in tanbi("carbon", "choices")
    today = business_day(datetime.now(UTC), "Asia/Shanghai")
    with pytest.raises(CarbonChoiceTooEarly):
        tanbi("carbon", "choose", "b", "--from", str(today - timedelta(days=1)))
    with pytest.raises(FactorSetUnknown, match="There are: a, b"):
        tanbi("carbon", "choose", "c")
    with pytest.raises(SystemExit):
        tanbi("carbon", "choose", "b", "--from", "tomorrow")


def test_every_mistake_of_a_file_is_told_and_nothing_is_imported(tanbi: Tanbi, file: Path) -> None:
    file.write_text(CONTENT + "gold,1,x\n,2,x\npaper,3,x\nglass,-1,x\n")
    for dry_run in ([], ["--dry-run"]):
        with pytest.raises(ValidationFailed) as caught:
            tanbi("carbon", "import", str(file), "--id", "a", *NAMES, *dry_run)
        first, *told = str(caught.value).splitlines()
        assert first == "Nothing was imported; mistakes: 4."
        assert [line.split(":")[0] for line in told] == [
            "row 4, material",
            "row 5, material",
            "row 6, material",
            "row 7, milligrams_co2e_per_kg",
        ]
        head, *lines = str(caught.value.detail_zh).splitlines()
        assert head == "未导入任何数据，错误 4 处，请改正后重新导入："
        assert lines == [
            "第 4 行“品类”：没有品类“gold”。现有：glass、paper。",
            "第 5 行“品类”：没有填写；合并的单元格只有第一格有值，请逐行填写。",
            "第 6 行“品类”：“paper”出现了两次，每个品类只有一个因子，请只留一行。",
            "第 7 行“每千克毫克CO2e”：应为毫克整数，只写数字，不带单位、正负号、分隔符和小数："
            "每千克 0.22 千克 CO2e 写作 220000。",
        ]
    assert "cn" not in tanbi("carbon", "list")
    with pytest.raises(FactorSetUnknown, match="There are: none"):
        tanbi("carbon", "show", "a")


def test_another_content_under_the_same_id_is_refused_also_in_a_dry_run(tanbi: Tanbi, file: Path) -> None:
    tanbi("carbon", "import", str(file), "--id", "a", *NAMES)
    file.write_text(CONTENT.replace("312001", "312002"))
    for dry_run in ([], ["--dry-run"]):
        with pytest.raises(FactorSetDiffers, match="Give the other one an id of its own"):
            tanbi("carbon", "import", str(file), "--id", "a", *NAMES, *dry_run)
    with pytest.raises(ValidationFailed, match="id: Must be 1 to 63 small letters"):
        tanbi("carbon", "import", str(file), "--id", "T/ACEF", *NAMES)


def test_the_shipped_sets_are_adopted_once(tanbi: Tanbi) -> None:
    with pytest.raises(ValidationFailed, match="There is no material paper"):
        tanbi("carbon", "adopt")
    for material in ("paper", "plastic", "metal", "glass", "textile"):
        tanbi("material", "add", material, "--name", material, "--name-en", material)
    assert tanbi("carbon", "adopt").count("is added") == 2
    assert tanbi("carbon", "adopt").count("was there already") == 2
