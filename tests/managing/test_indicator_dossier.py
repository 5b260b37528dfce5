"""The command that writes the dossier, as an operator types it."""

from pathlib import Path

import pytest

from service.errors import AreaUnknown, ValidationFailed
from service.indicator.dossier_files import file_name
from service.indicator.dossier_workbook import SHEETS
from tests.managing.conftest import Tanbi
from tests.workbooks import read_book


def test_one_command_writes_the_workbook_and_the_page(tanbi: Tanbi, tmp_path: Path) -> None:
    output = tmp_path / "new" / "dossiers"
    for _ in range(2):
        said = tanbi("indicator", "dossier", "--area", "c", "--year", "2025", "--output", str(output))
        for ending in ("xlsx", "html"):
            assert str(output / f"c-2025.{ending}") in said
        # Nobody watches what is piped.
        assert said.split() == [str(output / f"c-2025.{ending}") for ending in ("xlsx", "html")]
    assert sorted(path.name for path in output.iterdir()) == ["c-2025.html", "c-2025.xlsx"]
    assert tuple(read_book(output / "c-2025.xlsx")) == SHEETS
    assert "天津 2025 年城市生活垃圾回收利用率档案" in (output / "c-2025.html").read_text("utf-8")


def test_of_an_area_or_a_year_that_there_is_not_nothing_is_written(tanbi: Tanbi, tmp_path: Path) -> None:
    for area, year, error in (
        ("x", "2025", AreaUnknown),
        ("c", "2100", ValidationFailed),
        ("c", "20", ValidationFailed),
    ):
        with pytest.raises(error):
            tanbi("indicator", "dossier", "--area", area, "--year", year, "--output", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_of_a_year_to_come_it_is_told_in_both_languages(tanbi: Tanbi, tmp_path: Path) -> None:
    with pytest.raises(ValidationFailed, match="2099 has not begun") as error:
        tanbi("indicator", "dossier", "--area", "c", "--year", "2099", "--output", str(tmp_path))
    assert error.value.detail_zh == "2099 年尚未开始，档案没有可写的内容。请填写今年或以前的年份。"


def test_a_file_has_no_signs_in_its_name_that_a_directory_has() -> None:
    assert file_name("a/../b", 2025, "xlsx") == "a_.._b-2025.xlsx"
