"""The header: which columns there are, in what order, and in which unit."""

from pathlib import Path

import pytest

from service.indicator.importing.reading import read_sheet
from tests.indicator.importing.sheets import (
    ROW,
    TITLES,
    csv_file,
    csv_text,
    header_xml,
    packed,
    parts,
    places,
    refusal,
    row,
    row_xml,
    rows_of,
)

ENGLISH = ("Area", "period", "kind", "source", "material", "amount (t)", "document", "document date", "sha-256")
BOTH = (
    "区域 area",
    "期间 period",
    "类别 kind",
    "来源/source",
    "材料 material",
    "数量（吨） amount (t)",
    "文件 document",
    "文件日期\ndocument date",
    "SHA-256",
)


@pytest.mark.parametrize("titles", [TITLES, ENGLISH, BOTH, tuple(f"*{title}" for title in TITLES)])
def test_columns_are_known_by_either_name_or_both(tmp_path: Path, titles: tuple[str, ...]) -> None:
    (found,) = rows_of(csv_file(tmp_path / "a.csv", [ROW], titles=titles))
    assert (found.area, str(found.period), found.kind, found.source) == ("nankai", "2025-03", "cleared", "区城管委")
    assert (found.amount, found.entered, found.document_name) == (12_500_000, "12.5 t", "三月台账")
    assert found.document_sha256 == "ab" * 32


@pytest.mark.parametrize(
    ("header", "grams"),
    [
        ("数量(克)", 12),
        ("数量（kg）", 12_000),
        ("重量（公斤）", 12_000),
        ("amount (㎏)", 12_000),
        ("数量【吨】", None),
        ("数量 ( T )", 12_000_000),
        ("数量（万吨） amount (万t)", 120_000_000_000),
        ("数量（吨）（t）", 12_000_000),
    ],
)
def test_the_unit_stands_in_the_header(tmp_path: Path, header: str, grams: int | None) -> None:
    titles = [header if title.startswith("数量") else title for title in TITLES]
    path = csv_file(tmp_path / "a.csv", [row(amount="12")], titles=titles)
    if grams is None:
        assert places(refusal(path)) == [(1, "F", "column_unknown"), (1, None, "column_missing")]
    else:
        assert rows_of(path)[0].amount == grams


@pytest.mark.parametrize(
    ("header", "code"),
    [("数量", "unit_missing"), ("数量（斤）", "unit_unknown"), ("数量（吨） amount (kg)", "unit_twice")],
)
def test_a_unit_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path, header: str, code: str) -> None:
    titles = [header if title.startswith("数量") else title for title in TITLES]
    (error,) = refusal(csv_file(tmp_path / "a.csv", [ROW], titles=titles))
    assert (error.row, error.column, error.code) == (1, "F", code)
    if code != "unit_twice":
        assert all(unit in error.zh and unit in error.en for unit in ("克", "kg", "吨", "万t", "%", "‰"))


def test_all_that_is_wrong_in_a_header_is_told_at_once(tmp_path: Path) -> None:
    titles = ("区域", "区域 area", "期间", "类别", "备注", "数量（斤）")
    errors = refusal(csv_file(tmp_path / "a.csv", [], titles=titles))
    assert places(errors) == [
        (1, "B", "column_twice"),
        (1, "E", "column_unknown"),
        (1, "F", "unit_unknown"),
        (1, None, "column_missing"),
    ]
    assert "备注" in errors[1].zh
    assert "备注" in errors[1].en
    assert "来源 source" in errors[3].zh


def test_names_of_two_columns_in_one_cell_are_no_column(tmp_path: Path) -> None:
    titles = ("区域 period", *TITLES[1:])
    assert (1, "A", "column_unknown") in places(refusal(csv_file(tmp_path / "a.csv", [ROW], titles=titles)))


def test_optional_columns_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "三月.csv"
    path.write_text("数量（吨）,来源,类别,期间,区域\n3,x,cleared,2025,nankai\n", encoding="utf-8")
    sheet = read_sheet(path)
    (found,) = rows_of(path)
    assert (found.material, found.document_name, found.document_date) == (None, "三月.csv", None)
    assert found.document_sha256 == sheet.sha256


def test_a_title_may_stand_above_the_header_and_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "南开区报表\n\n单位：区域\n区域,期间,类别,来源,数量（吨）\nnankai,2025,cleared,x,3\n", encoding="utf-8"
    )
    assert [found.number for found in rows_of(path)] == [5]


def test_a_file_without_a_header_is_told_which_columns_there_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    (error,) = refusal(path)
    assert error.code == "header_missing"
    assert "期间 period" in error.zh


def test_the_header_is_looked_for_in_the_first_rows_only(tmp_path: Path) -> None:
    for above, wanted in ((19, []), (20, ["header_missing"])):
        path = tmp_path / "a.csv"
        path.write_text("\n" * above + csv_text([ROW]), encoding="utf-8", newline="")
        assert [error.code for error in (refusal(path) if wanted else [])] == wanted
        rows = header_xml(above + 1) + row_xml(above + 2)
        book = packed(tmp_path / "a.xlsx", parts(rows))
        assert [error.code for error in (refusal(book) if wanted else [])] == wanted
        if not wanted:
            assert [each.number for each in rows_of(path) + rows_of(book)] == [above + 2, above + 2]


def test_an_empty_column_is_none_until_something_stands_in_it(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [[*ROW, "", ""]], titles=(*TITLES, "", ""))
    assert len(rows_of(path)) == 1
    path = csv_file(tmp_path / "a.csv", [[*ROW, "", "x"]], titles=(*TITLES, "", ""))
    assert places(list(read_sheet(path))) == [(2, "K", "cell_outside")]  # type: ignore[arg-type]
