"""What the template writes is what the reader reads."""

import csv
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from service.indicator.importing.amounts import UNITS
from service.indicator.importing.columns import COLUMNS
from service.indicator.importing.reading import read_sheet
from service.indicator.importing.template import NOTES, template_csv, template_xlsx
from service.indicator.kinds import KINDS, POINTS
from service.sheets.cells import Names
from tests.indicator.importing.sheets import errors_of, rows_of

AREAS = {"nankai": ("南开区", "Nankai"), "c1": ("风荷里",), "c2": ("风荷里",), "c3": ()}
MATERIALS = {"paper": ("纸类", "Paper")}
NAMESPACE = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


def part(path: Path, name: str) -> ElementTree.Element:
    with zipfile.ZipFile(path) as file:
        return ElementTree.fromstring(file.read(name))  # noqa: S314  # our own


@pytest.mark.parametrize("unit", [unit.name for unit in UNITS])
def test_the_header_of_either_template_is_read_in_every_unit(tmp_path: Path, unit: str) -> None:
    template_xlsx(tmp_path / "a.xlsx", areas=AREAS, materials=MATERIALS, unit=unit)
    template_csv(tmp_path / "a.csv", unit=unit)
    for name in ("a.xlsx", "a.csv"):
        sheet = read_sheet(tmp_path / name)
        assert sheet.header.unit.name == unit
        assert list(sheet.header.places) == [column.id for column in COLUMNS]
        assert [error.code for error in errors_of(tmp_path / name)] == ["no_rows"]


def test_the_workbook_has_a_sheet_to_fill_in_notes_and_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    template_xlsx(path, areas=AREAS, materials=MATERIALS)
    assert read_sheet(path).read_as == "填报 Inputs"
    names = [sheet.attrib["name"] for sheet in part(path, "xl/workbook.xml").iterfind("m:sheets/m:sheet", NAMESPACE)]
    assert names == ["填报 Inputs", "说明 Notes", "列表 Lists"]
    rules = part(path, "xl/worksheets/sheet1.xml").findall(".//m:dataValidation", NAMESPACE)
    lists = {
        rule.attrib["sqref"]: rule.findtext("m:formula1", None, NAMESPACE)
        for rule in rules
        if rule.get("type") == "list"
    }
    assert lists == {
        "A2:A5001": "'列表 Lists'!$A$1:$A$4",
        "C2:C5001": f"'列表 Lists'!$B$1:$B${sum(kind.recorded and kind.unit == 'grams' for kind in KINDS.values())}",
        "E2:E5001": "'列表 Lists'!$C$1:$C$1",
    }


def test_every_choice_of_the_lists_is_read_as_one_id(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    template_xlsx(path, areas=AREAS, materials=MATERIALS)
    shared = ["".join(text.itertext()) for text in part(path, "xl/sharedStrings.xml")]
    columns: dict[str, list[str]] = {"A": [], "B": [], "C": []}
    for cell in part(path, "xl/worksheets/sheet3.xml").iterfind(".//m:c", NAMESPACE):
        columns[cell.attrib["r"][0]].append(shared[int(cell.findtext("m:v", "", NAMESPACE))])
    assert [Names(AREAS).find(choice) for choice in columns["A"]] == [[each] for each in AREAS]
    assert [Names(MATERIALS).find(choice) for choice in columns["C"]] == [["paper"]]
    kinds = Names({kind.id: (kind.name_zh,) for kind in KINDS.values()})
    recorded = [[kind.id] for kind in KINDS.values() if kind.recorded and kind.unit == "grams"]
    assert [kinds.find(choice) for choice in columns["B"]] == recorded


def test_the_notes_tell_of_every_column_and_every_kind_that_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    template_xlsx(path, areas=AREAS, materials=MATERIALS)
    shared = ["".join(text.itertext()) for text in part(path, "xl/sharedStrings.xml")]
    cells = part(path, "xl/worksheets/sheet2.xml").iterfind(".//m:c", NAMESPACE)
    told = [shared[int(cell.findtext("m:v", "", NAMESPACE))] for cell in cells]
    for kind in KINDS.values():
        assert (kind.id in told) == kind.recorded
        assert (kind.definition_zh in told) == kind.recorded
        if kind.recorded and kind.point is not None:
            assert " ".join(POINTS[kind.point]) in told
    assert all(column.zh in "".join(told) for column in COLUMNS)


def test_the_example_of_the_notes_is_a_row_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    template_csv(path)
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow([NOTES[column.id][2] for column in COLUMNS])
    (found,) = rows_of(path)
    assert (found.area, str(found.period), found.kind, found.amount) == ("nankai", "2025-03", "cleared", 12_345_678_000)


def test_excel_knows_the_encoding_of_the_csv_template(tmp_path: Path) -> None:
    template_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbf")
