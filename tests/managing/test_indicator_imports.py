"""The commands for sheets of inputs, as a clerk types them."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.errors import Forbidden, TokenInvalid, ValidationFailed
from service.indicator.importing import imports
from service.settings import Settings
from tests.indicator.importing.sheets import csv_file, row
from tests.managing.conftest import Tanbi
from tests.managing.test_adjustments import in_database, make_keys


def refused(*arguments: str) -> str:
    """What a command that ends with 1 has said."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, SystemExit), done.exception
    return " ".join(done.output.split())


@pytest.fixture
def keys(tanbi: Tanbi, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, str]:
    """Of an operator, who acts; of an admin, and of an auditor."""
    found = in_database(settings, make_keys)
    monkeypatch.setenv("TANBI_OPERATOR_KEY", found[0])
    return found


@pytest.mark.usefixtures("keys")
def test_a_sheet_is_tried_and_imported_once(tanbi: Tanbi, tmp_path: Path) -> None:
    path = csv_file(tmp_path / "三月.csv", [row(area="c"), row(area="c", kind="厨余垃圾处理量", amount="0.5")])
    tried = tanbi("indicator", "import", str(path), "--dry-run")
    for told in ("2 │ 新增 new", "12.500 t", "kitchen_treated", "2 rows: 2 新增 new", "nothing was recorded"):
        assert told in tried
    assert "12.500" not in tanbi("indicator", "inputs")
    done = tanbi("indicator", "import", str(path))
    assert "已导入 Imported: " in done
    assert "李工" in tanbi("indicator", "inputs", "--kind", "cleared")
    again = tanbi("indicator", "import", str(path))
    assert "It is not imported again" in again
    assert "李工" in again
    listed = tanbi("indicator", "imports")
    assert "三月.csv" in listed
    assert hashlib.sha256(path.read_bytes()).hexdigest() in listed
    corrected = csv_file(
        tmp_path / "更正.csv", [row(area="c", amount="13"), row(area="c", kind="厨余垃圾处理量", amount="撤回")]
    )
    tried = tanbi("indicator", "import", str(corrected), "--dry-run")
    assert "更正 correction │ c │ 2025-03 │ cleared │ 区城管委 │ │ 12.500 t │ 13.000 t" in tried
    assert "撤回 withdrawal │ c │ 2025-03 │ kitchen_treated │ 区城管委 │ │ 0.500 t │ –" in tried


@pytest.mark.usefixtures("keys")
def test_a_dry_run_names_who_owes_which_months(tanbi: Tanbi, tmp_path: Path) -> None:
    months = [row(area="c", period=f"2024-{month:02}") for month in range(1, 13)]
    tanbi("indicator", "import", str(csv_file(tmp_path / "a.csv", months)))
    second = csv_file(tmp_path / "b.csv", [row(area="c", period="2024-03", source="河道办")])
    tried = " ".join(tanbi("indicator", "import", str(second), "--dry-run").split())
    assert "c “河道办” 还应上报生活垃圾清运量 C：2024-01、2024-02、2024-04、" in tried
    assert "c “河道办” owes cleared of 2024-01, 2024-02, 2024-04, " in tried


@pytest.mark.usefixtures("keys")
def test_of_many_who_owe_months_it_is_told_how_many_are_shown_and_how_many_are_not(
    tanbi: Tanbi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tanbi("indicator", "import", str(csv_file(tmp_path / "a.csv", [row(area="c", period="2024")])))
    many = [row(area="c", period="2024-03", source=f"街道 {number:02}") for number in range(30)]
    path = str(csv_file(tmp_path / "b.csv", many))
    tried = " ".join(tanbi("indicator", "import", path, "--dry-run").split())
    assert tried.count(" owes cleared of ") == 20
    assert "And 10 more owe months. 其中前 10 项见 --json。The first 10 of those: --json." in tried
    monkeypatch.setattr(imports, "TOLD_MAX", 25)
    tried = " ".join(tanbi("indicator", "import", path, "--dry-run").split())
    assert "另有 10 项应补录。And 10 more owe months. 其中前 5 项见 --json。The first 5 of those: --json." in tried


@pytest.mark.usefixtures("keys")
def test_errors_are_shown_with_row_and_column_in_both_languages(tanbi: Tanbi, tmp_path: Path) -> None:
    path = csv_file(
        tmp_path / "a.csv", [row(area="c"), row(area="c", period="2025年13月"), row(area="火星", amount="x")]
    )
    for how in ((), ("--dry-run",)):
        said = refused("indicator", "import", str(path), *how)
        assert "3 │ B 期间 │ 第 3 行 B 列（期间）：" in said
        assert "Row 3, column B" in said
        assert "4 │ A 区域 │" in said
        assert "4 │ F 数量（吨） │" in said
        assert "othing was recorded" in said
    problem = json.loads(refused("indicator", "import", str(path), "--json"))
    assert (problem["code"], [each["pointer"] for each in problem["errors"]]) == (
        "import_refused",
        ["/rows/3/period", "/rows/4/area", "/rows/4/amount"],
    )
    assert "cleared" not in tanbi("indicator", "inputs")


@pytest.mark.usefixtures("keys")
def test_only_as_much_is_shown_as_a_person_reads(tanbi: Tanbi, tmp_path: Path) -> None:
    months = [f"20{year}-{month:02}" for year in range(10, 14) for month in range(1, 13)]
    path = csv_file(tmp_path / "a.csv", [row(area="c", period=month) for month in months])
    assert "… and 8 more changes." in tanbi("indicator", "import", str(path), "--dry-run")
    answer = json.loads(tanbi("indicator", "import", str(path), "--json"))
    assert len(answer["effects"]) == 48
    path = csv_file(tmp_path / "b.csv", [row(area="c", period=month, amount="?") for month in months])
    assert "… and 8 more errors." in refused("indicator", "import", str(path))


@pytest.mark.usefixtures("keys")
def test_a_file_of_100_megabytes_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    assert "104,857,600 bytes; at most 20,971,520" in refused("indicator", "import", str(path))


@pytest.mark.usefixtures("keys")
def test_what_a_file_says_is_shown_as_it_is(tanbi: Tanbi, tmp_path: Path) -> None:
    """And not taken for colours."""
    path = csv_file(tmp_path / "a.csv", [row(area="c", source="[red]区[/red]")])
    assert "[red]区[/red]" in tanbi("indicator", "import", str(path), "--dry-run")


def test_who_may_not_record_imports_nothing(
    tanbi: Tanbi, keys: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = csv_file(tmp_path / "a.csv", [row(area="c")])
    monkeypatch.setenv("TANBI_OPERATOR_KEY", keys[2])
    with pytest.raises(Forbidden):
        tanbi("indicator", "import", str(path))
    monkeypatch.delenv("TANBI_OPERATOR_KEY")
    with pytest.raises(TokenInvalid):
        tanbi("indicator", "import", str(path))


def test_the_template_is_written_once(tanbi: Tanbi, tmp_path: Path) -> None:
    path = tmp_path / "填报.xlsx"
    told = tanbi("indicator", "template", str(path), "--unit", "kg")
    assert told == f"请填写 fill in: {path}, 再试导入 then try it: `tanbi indicator import {path} --dry-run`."
    with zipfile.ZipFile(path) as package:
        assert "天津 c" in package.read("xl/sharedStrings.xml").decode()
    with pytest.raises(ValidationFailed, match="is there already") as error:
        tanbi("indicator", "template", str(path))
    assert error.value.detail_zh == f"文件“{path}”已存在，可能已填写。请换一个文件名。"
    tanbi("indicator", "template", str(tmp_path / "a.CSV"), "--unit", "%")
    assert "数量（%） amount (%)" in (tmp_path / "a.CSV").read_text("utf-8-sig")
    with pytest.raises(ValidationFailed, match=r"ends in \.xlsx or \.csv") as error:
        tanbi("indicator", "template", str(tmp_path / "a.ods"))
    assert error.value.detail_zh == f"“{tmp_path / 'a.ods'}”不是表格的文件名，请以 .xlsx 或 .csv 结尾。"
    with pytest.raises(ValidationFailed, match="unit") as error:
        tanbi("indicator", "template", str(tmp_path / "b.csv"), "--unit", "stone")
    assert error.value.detail_zh == "填写有误：unit 应为 g、kg、t、万t、% 或 ‰。"
