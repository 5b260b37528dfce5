"""CSV as the programs of a district office write it."""

from pathlib import Path

import pytest

from service.indicator.importing.reading import read_sheet
from tests.indicator.importing.sheets import (
    ROW,
    TITLES,
    csv_file,
    csv_text,
    errors_of,
    places,
    refusal,
    row,
    rows_of,
)

# 𠮷 and 㐂 are outside of GBK; € and ‰ are in it.
RARE = "𠮷野家㐂站（€‰）"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-32"])
def test_every_usual_encoding_is_read_with_rare_characters(tmp_path: Path, encoding: str) -> None:
    path = csv_file(tmp_path / "a.csv", [row(source=RARE)], encoding)
    assert rows_of(path)[0].source == RARE
    assert read_sheet(path).read_as == encoding


def test_utf_16_without_a_mark_is_refused_in_clear_words(tmp_path: Path) -> None:
    (error,) = refusal(csv_file(tmp_path / "a.csv", [ROW], "utf-16-le"))
    assert error.code == "nul_bytes"
    assert "UTF-16" in error.zh


def test_a_file_of_no_known_encoding_is_refused_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(csv_text([row(source="好")] * 3).encode("gb18030").replace(b"\xba\xc3", b"\xff\xff", 1))
    (error,) = refusal(path)
    assert error.code == "encoding_unknown"
    assert "2" in error.zh


def test_a_file_that_is_not_what_its_mark_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + csv_text([ROW]).encode("gb18030"))
    assert [error.code for error in refusal(path)] == ["encoding_broken"]
    path.write_bytes(csv_text([ROW]).encode("utf-16") + b"x")
    assert [error.code for error in refusal(path)] == ["encoding_broken"]


def test_an_encoding_error_far_into_the_file_is_seen_before_any_row_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(csv_text([ROW] * 5000).encode() + b"\xff")
    assert [error.code for error in refusal(path)] == ["encoding_unknown"]


@pytest.mark.parametrize("content", [b"\x80\x81\xff\x00" * 50, b"\xff\xfe\x00\xd8\x00\xd8", b"a\xff\n" * 9])
def test_what_is_no_text_and_is_called_a_workbook_is_told_to_be_a_damaged_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sheet"
    path.write_bytes(content)
    for name in ("三月.xlsx", "a.XLSM"):
        (error,) = refusal(path, file_name=name)
        assert error.code == "workbook_broken"
    assert refusal(path, file_name="三月.csv")[0].code != "workbook_broken"


def test_nul_bytes_are_refused_with_their_line(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [ROW, row(source="a\0b")])
    (error,) = refusal(path)
    assert error.code == "nul_bytes"
    assert "3" in error.en


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_header_tells_the_separator(tmp_path: Path, separator: str) -> None:
    path = csv_file(tmp_path / "a.csv", [row(amount="1,234.5", source="a;b,c")], separator=separator)
    (found,) = rows_of(path)
    assert (found.amount, found.source) == (1_234_500_000, "a;b,c")


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_every_line_ending_is_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(csv_text([ROW, ROW]).replace("\r\n", ending).encode())
    assert [found.number for found in rows_of(path)] == [2, 3]


def test_rows_are_numbered_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = csv_text([row(source="两\r\n行"), ROW]).replace("\r\n2", "\r\n2")
    head, *rest = text.splitlines(keepends=True)
    path.write_text(f"{head}\r\n,,,,,,,,\r\n{''.join(rest)}\r\n\r\n", encoding="utf-8", newline="")
    found = rows_of(path)
    assert [each.number for each in found] == [4, 5]
    assert found[0].source == "两 行"


@pytest.mark.parametrize("broken", ['nankai,"2025\n', 'nankai,"2025"x,cleared\n', '"nankai\n'])
def test_quotation_marks_that_do_not_match_are_told_with_the_row_where_they_begin(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text([ROW]) + broken + csv_text([ROW]), encoding="utf-8")
    assert places(errors_of(path)) == [(3, None, "quotes_unbalanced")]


def test_a_row_with_too_few_or_too_many_cells_is_told(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [ROW[:4], [*ROW, "x"], [*ROW, ""], ROW])
    assert places(errors_of(path)) == [(2, "E", "cells_missing"), (3, "J", "cell_outside")]


def test_a_line_without_an_end_is_refused_and_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text([ROW]) + "x" * 300_000, encoding="utf-8")
    assert places(errors_of(path)) == [(3, None, "line_too_long")]
    path.write_text(csv_text([ROW]) + '"' + "x\n" * 300_000, encoding="utf-8")
    assert places(errors_of(path)) == [(3, None, "quotes_unbalanced")]


def test_every_wrong_cell_of_a_row_is_told_in_the_order_of_the_columns(tmp_path: Path) -> None:
    bad = ["", "2025-13", "dirt", "x\x01", "paper", "-1", "", "2025-02-30", "ab"]
    errors = errors_of(csv_file(tmp_path / "a.csv", [ROW, bad]))
    assert places(errors) == [
        (3, "A", "cell_empty"),
        (3, "B", "period_wrong"),
        (3, "C", "kind_unknown"),
        (3, "D", "characters_forbidden"),
        (3, "F", "amount_negative"),
        (3, "H", "date_wrong"),
        (3, "I", "sha256_wrong"),
    ]
    assert errors[0].zh.startswith("第 3 行 A 列（区域）：")
    assert errors[0].en.startswith("Row 3, column A (区域): ")
    assert {error.column_name for error in errors} <= set(TITLES)


def test_a_mass_has_no_share_as_its_unit_and_a_share_no_mass(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [row(kind="residue_share", amount="8")])
    assert places(errors_of(path)) == [(2, "F", "share_in_mass_unit")]
    titles = [title.replace("吨", "%") for title in TITLES]
    path = csv_file(tmp_path / "a.csv", [ROW, row(kind="residue_share", amount="8.5")], titles=titles)
    assert places(errors_of(path)) == [(2, "F", "mass_in_share_unit")]
    shares = csv_file(tmp_path / "b.csv", [row(kind="residue_share", amount="8.5")], titles=titles)
    assert rows_of(shares)[0].amount == 85_000


@pytest.mark.parametrize(
    "kind", ["cleared", "CLEARED", "生活垃圾清运量 C", "生活垃圾清运量", "waste cleared (C)", "Waste  cleared"]
)
def test_a_kind_is_known_by_its_id_or_either_name(tmp_path: Path, kind: str) -> None:
    assert rows_of(csv_file(tmp_path / "a.csv", [row(kind=kind)]))[0].kind == "cleared"


def test_what_bins_weighed_is_not_imported(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [row(kind="bin_recyclables")])
    assert places(errors_of(path)) == [(2, "C", "kind_not_recorded")]


def test_only_recyclables_have_a_material(tmp_path: Path) -> None:
    rows = [row(kind="pickup_recyclables", material="paper"), row(material="paper")]
    path = csv_file(tmp_path / "a.csv", rows)
    assert places(errors_of(path)) == [(3, "E", "material_not_taken")]


def test_areas_and_materials_are_found_by_id_or_name_where_they_are_known(tmp_path: Path) -> None:
    areas = {"nankai": ("南开区", "Nankai"), "c1": ("风荷里",), "c2": ("风荷里",)}
    materials = {"paper": ("纸类", "Paper")}
    good = [
        row(area=area, kind="pickup_recyclables", material=material)
        for area, material in (("南开区", "纸类"), ("NANKAI", "paper"), ("南开区 nankai", "纸类 paper"), ("c2", ""))
    ]
    path = csv_file(tmp_path / "a.csv", good)
    found = rows_of(path, areas=areas, materials=materials)
    assert [each.area for each in found] == ["nankai", "nankai", "nankai", "c2"]
    assert [each.material for each in found] == ["paper", "paper", "paper", None]
    bad = csv_file(
        tmp_path / "b.csv", [row(area="河西区"), row(area="风荷里"), row(kind="pickup_recyclables", material="木")]
    )
    errors = errors_of(bad, areas=areas, materials=materials)
    assert places(errors) == [(2, "A", "area_unknown"), (3, "A", "name_ambiguous"), (4, "E", "material_unknown")]
    assert "c1、c2" in errors[1].zh


def test_a_row_without_a_document_is_documented_by_the_file(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [row(document="", document_sha256=""), row(document_sha256="")])
    sheet = read_sheet(path, file_name="三月\n台账.csv")
    first, second = sheet
    assert (first.document_name, first.document_sha256) == ("三月 台账.csv", sheet.sha256)  # type: ignore[union-attr]
    assert (second.document_name, second.document_sha256) == ("三月台账", None)  # type: ignore[union-attr]


def test_a_digest_belongs_to_a_document(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [row(document="")])
    assert places(errors_of(path)) == [(2, "I", "document_missing")]


def test_space_and_characters_nobody_sees_are_no_part_of_a_value(tmp_path: Path) -> None:
    unseen = {
        "area": "\u200bnankai\ufeff",
        "source": "\u3000区\xa0 城管委\t",
        "amount": " 12.5\u200b",
        "kind": "cleared\u2060",
    }
    (found,) = rows_of(csv_file(tmp_path / "a.csv", [row(**unseen)]))
    assert (found.area, found.source, found.kind) == ("nankai", "区 城管委", "cleared")
    assert (found.amount, found.entered) == (12_500_000, "12.5 t")


def test_a_withdrawal_has_no_amount(tmp_path: Path) -> None:
    (found,) = rows_of(csv_file(tmp_path / "a.csv", [row(amount="撤回")]))
    assert (found.amount, found.entered) == (None, "撤回")


def test_no_error_quotes_what_could_change_the_lines_around_it(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [row(period="\u202e\u2028" + "长" * 500)])
    (error,) = errors_of(path)
    assert "\u202e" not in error.zh
    assert "\u2028" not in error.zh
    assert len(error.zh) < 200
