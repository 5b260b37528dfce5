"""Workbooks as Excel writes them, and what people do to them."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from service.indicator.importing.reading import read_sheet
from service.indicator.importing.sheet import SheetRow
from service.periods import Period
from tests.indicator.importing.sheets import (
    ROW,
    STRICT,
    TITLES,
    errors_of,
    header_xml,
    inline,
    packed,
    parts,
    places,
    refusal,
    row_xml,
    rows_of,
    xlsx_file,
    xlsx_with,
)


def filled(sheet: Any, first: int = 0, rows: int = 3) -> None:
    """The header and some good rows, from a row on."""
    sheet.write_row(first, 0, TITLES)
    for number in range(first + 1, first + 1 + rows):
        for place, cell in enumerate(ROW):
            if cell:
                sheet.write_string(number, place, cell)


def changed(path: Path, change: Any, **options: Any) -> Path:
    """A good sheet to which something was done."""

    def fill(book: Any, sheet: Any) -> None:
        filled(sheet)
        change(book, sheet)

    return xlsx_with(path, fill, **options)


def test_texts_numbers_and_dates_are_read_as_they_are_shown(tmp_path: Path) -> None:
    def change(book: Any, sheet: Any) -> None:
        month, day = book.add_format({"num_format": 'yyyy"年"m"月"'}), book.add_format({"num_format": 14})
        sheet.write_datetime(1, 1, date(2025, 3, 1), month)
        sheet.write_number(1, 5, 0.1 + 0.2)
        sheet.write_datetime(1, 7, datetime(2025, 3, 31, 8, 30), day)  # noqa: DTZ001  # a spreadsheet has no zones
        sheet.write_number(2, 1, 2025)
        sheet.write_number(2, 3, 12)
        sheet.write_number(2, 5, 1234.5678)

    first, second, third = rows_of(changed(tmp_path / "a.xlsx", change))
    assert (str(first.period), first.amount, first.document_date) == ("2025-03", 300_000, date(2025, 3, 31))
    assert first.entered == "0.3 t"
    assert (str(second.period), second.source, second.amount) == ("2025", "12", 1_234_567_800)
    assert third == SheetRow(
        4,
        "nankai",
        Period.of_month(2025, 3),
        "cleared",
        "区城管委",
        None,
        12_500_000,
        "12.5 t",
        "三月台账",
        date(2025, 3, 31),
        "ab" * 32,
    )


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("mmm", "2025-03"),
        ('m"月"', "2025-03"),
        ('[$-804]yyyy"年"m"月";@', "2025-03"),
        (17, "2025-03"),
        (57, "2025-03"),
        ("mm:ss", None),
        ("[h]:mm", None),
        ('0"day"', None),
        ("[Red]0", None),
        ("0.00E+00", None),
        ("@", None),
        (49, None),
    ],
)
def test_the_format_of_a_cell_tells_whether_its_number_is_a_day(
    tmp_path: Path, form: str | int, shown: str | None
) -> None:
    def change(book: Any, sheet: Any) -> None:
        sheet.write_number(1, 1, 45717 if shown else 2025, book.add_format({"num_format": form}))

    assert str(rows_of(changed(tmp_path / "a.xlsx", change))[0].period) == (shown or "2025")


@pytest.mark.parametrize("form", ["yyyy", 'yyyy"年"', "yy", "[$-804]yyyy;@"])
def test_a_day_that_is_shown_as_a_year_alone_is_no_month(tmp_path: Path, form: str) -> None:
    def change(book: Any, sheet: Any) -> None:
        shown = book.add_format({"num_format": form})
        sheet.write_datetime(1, 1, date(2025, 1, 1), shown)
        sheet.write_datetime(1, 7, date(2025, 1, 1), shown)
        # A year typed into such a cell.
        sheet.write_number(2, 1, 2025, shown)

    errors = errors_of(changed(tmp_path / "a.xlsx", change))
    assert places(errors) == [(2, "B", "year_alone"), (2, "H", "year_alone"), (3, "B", "year_alone")]
    assert "2025-01-01" in errors[0].zh


def test_days_are_counted_from_1904_where_the_workbook_says_so(tmp_path: Path) -> None:
    def change(book: Any, sheet: Any) -> None:
        sheet.write_datetime(1, 7, date(2025, 3, 31), book.add_format({"num_format": "yyyy-mm-dd"}))

    path = changed(tmp_path / "a.xlsx", change, date_1904=True)
    assert rows_of(path)[0].document_date == date(2025, 3, 31)


def test_days_before_march_1900_are_not_read_for_programs_do_not_agree_on_them(tmp_path: Path) -> None:
    def change(book: Any, sheet: Any) -> None:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for row, serial in enumerate((1, 60, 61), 1):
            sheet.write_number(row, 7, serial, day)

    path = changed(tmp_path / "a.xlsx", change)
    assert places(errors_of(path)) == [(2, "H", "unreadable"), (3, "H", "unreadable")]
    assert [each.document_date for each in read_sheet(path) if isinstance(each, SheetRow)] == [date(1900, 3, 1)]


def test_a_percentage_is_the_number_that_is_shown(tmp_path: Path) -> None:
    def fill(book: Any, sheet: Any) -> None:
        filled(sheet, rows=1)
        sheet.write(0, 5, "数量（%）")
        sheet.write(1, 2, "residue_share")
        sheet.write_number(1, 5, 0.085, book.add_format({"num_format": "0.0%"}))

    (found,) = rows_of(xlsx_with(tmp_path / "a.xlsx", fill))
    assert (found.amount, found.entered) == (85_000, "8.5 %")


def test_a_rich_text_is_its_text_without_the_readings_above_it(tmp_path: Path) -> None:
    def change(book: Any, sheet: Any) -> None:
        sheet.write_rich_string(1, 3, "区", book.add_format({"bold": True}), "城管", "委")

    assert rows_of(changed(tmp_path / "a.xlsx", change))[0].source == "区城管委"
    ruby = "<is><r><t>南</t></r><r><t>开</t></r><rPh sb='0' eb='1'><t>nankai</t></rPh></is>"
    data = header_xml() + row_xml(2).replace("<is><t>区城管委</t></is>", ruby)
    assert rows_of(packed(tmp_path / "b.xlsx", parts(data)))[0].source == "南开"


@pytest.mark.parametrize("column", range(9))
def test_a_formula_is_an_error_in_every_column_with_its_place(tmp_path: Path, column: int) -> None:
    letter = "ABCDEFGHI"[column]

    def change(_: Any, sheet: Any) -> None:
        sheet.write_formula(2, column, "=SUM(K1:K3)", value=5)

    (error,) = errors_of(changed(tmp_path / "a.xlsx", change))
    assert (error.row, error.column, error.code) == (3, letter, "formula")
    assert "SUM(K1:K3)" in error.zh


def test_a_formula_without_a_value_is_an_error_too(tmp_path: Path) -> None:
    data = header_xml() + row_xml(2).replace(inline("F2", "12.5"), '<c r="F2"><f>1+1</f></c>')
    assert places(errors_of(packed(tmp_path / "a.xlsx", parts(data)))) == [(2, "F", "formula")]
    data = header_xml() + row_xml(2).replace(inline("F2", "12.5"), '<c r="F2"><f t="shared" si="0"/><v>7</v></c>')
    assert places(errors_of(packed(tmp_path / "b.xlsx", parts(data)))) == [(2, "F", "formula")]


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ('<c r="F2" t="e"><v>#REF!</v></c>', "error_value"),
        ('<c r="F2" t="b"><v>1</v></c>', "boolean"),
        ('<c r="F2"><v>abc</v></c>', "unreadable"),
        ('<c r="F2"><v>1E999</v></c>', "unreadable"),
        ('<c r="F2"/>', "amount_empty"),
        ('<c r="F2" t="inlineStr"><is><t>_x0001_</t></is></c>', "characters_forbidden"),
        ('<c r="F2" t="inlineStr"><is><t>_xD800_</t></is></c>', "characters_forbidden"),
        ('<c r="F2" t="d"><v>2025-03-01T00:00:00</v></c>', "amount_is_date"),
    ],
)
def test_what_a_cell_cannot_hold_is_told_with_its_place(tmp_path: Path, cell: str, code: str) -> None:
    data = header_xml() + row_xml(2).replace(inline("F2", "12.5"), cell)
    assert places(errors_of(packed(tmp_path / "a.xlsx", parts(data)))) == [(2, "F", code)]


def test_merged_cells_are_told_once_each_and_their_rows_are_not_read(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        filled(sheet, rows=8)
        sheet.merge_range(2, 0, 4, 0, "nankai")
        sheet.merge_range(6, 6, 6, 7, "三月台账")
        # In the last column of the table.
        sheet.merge_range(7, 8, 8, 8, "ab" * 32)

    path = xlsx_with(tmp_path / "a.xlsx", fill)
    errors = errors_of(path)
    assert places(errors) == [(3, "A", "merged"), (7, "G", "merged"), (8, "I", "merged")]
    assert "A3:A5" in errors[0].zh
    assert [each.number for each in read_sheet(path) if isinstance(each, SheetRow)] == [2, 6]
    # And so again, when it is read again.
    sheet = read_sheet(path)
    assert list(sheet) == list(sheet)


def test_merged_cells_above_beside_and_below_the_table_do_no_harm(tmp_path: Path) -> None:
    def fill(_: Any, sheet: Any) -> None:
        sheet.merge_range(0, 0, 1, 8, "南开区 2025 年填报表")
        filled(sheet, first=2)
        # Right beside it, where no header is.
        sheet.merge_range(3, 9, 4, 10, "")
        sheet.merge_range(5, 11, 5, 12, "")
        sheet.merge_range(8, 0, 9, 8, "")

    assert len(rows_of(xlsx_with(tmp_path / "a.xlsx", fill))) == 3


def test_a_merged_header_is_refused(tmp_path: Path) -> None:
    def change(_: Any, sheet: Any) -> None:
        sheet.merge_range(0, 5, 1, 5, "数量（吨）")

    assert places(refusal(changed(tmp_path / "a.xlsx", change))) == [(1, "F", "merged")]


def test_hidden_rows_and_columns_are_read_and_a_notice_says_so(tmp_path: Path) -> None:
    def change(_: Any, sheet: Any) -> None:
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_column(3, 3, None, None, {"hidden": True})
        sheet.set_column(20, 20, None, None, {"hidden": True})

    sheet = read_sheet(changed(tmp_path / "a.xlsx", change))
    for _ in range(2):
        assert len([each for each in sheet if isinstance(each, SheetRow)]) == 3
        rows, columns = sheet.notices
        assert (rows.code, columns.code) == ("hidden_rows", "hidden_columns")
        assert "1 个隐藏行（从第 3 行起）" in rows.zh
        assert "D 来源" in columns.zh
        assert "U" not in columns.zh


def months(path: Path, *names: str) -> Path:
    """A workbook with a table of contents, a hidden sheet with the header, visible ones of these names, and a chart."""

    def fill(book: Any, sheet: Any) -> None:
        sheet.write(0, 0, "目录")
        for rows, name in enumerate(("隐藏", *names), 1):
            other = book.add_worksheet(name)
            filled(other, rows=rows)
            if name == "隐藏":
                other.hide()
        book.add_chartsheet("图")

    return xlsx_with(path, fill)


def test_the_visible_sheet_with_the_header_is_read_or_the_one_named(tmp_path: Path) -> None:
    path = months(tmp_path / "a.xlsx", "一月")
    assert (read_sheet(path).read_as, len(rows_of(path))) == ("一月", 2)
    assert len(rows_of(path, sheet_name="隐藏")) == 1
    (error,) = refusal(path, sheet_name="三月")
    assert error.code == "sheet_unknown"
    assert "一月" in error.zh
    assert [error.code for error in refusal(path, sheet_name="Inputs")] == ["header_missing"]


def test_of_several_sheets_with_the_header_one_must_be_named(tmp_path: Path) -> None:
    """What stands in the others would be left out without a word."""
    path = months(tmp_path / "a.xlsx", "一月", "二月")
    (error,) = refusal(path)
    assert (error.code, "一月、二月" in error.zh) == ("several_sheets", True)
    assert len(rows_of(path, sheet_name="二月")) == 3


def test_empty_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    data = header_xml() + row_xml(3) + '<row r="5"><c r="A5" s="1"/></row>' + row_xml(7) + '<row r="1048576"/>'
    assert [each.number for each in rows_of(packed(tmp_path / "a.xlsx", parts(data)))] == [3, 7]


def test_rows_and_cells_without_their_numbers_are_counted(tmp_path: Path) -> None:
    data = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts) + "</row>"
        for texts in (TITLES, ROW, ROW)
    )
    assert [each.number for each in rows_of(packed(tmp_path / "a.xlsx", parts(data)))] == [2, 3]


def test_strict_workbooks_and_prefixed_names_are_read(tmp_path: Path) -> None:
    data = header_xml() + row_xml(2)
    assert len(rows_of(packed(tmp_path / "a.xlsx", parts(data, main=STRICT)))) == 1
    prefixed = {
        name: text.replace("<", "<x:").replace("<x:/", "</x:").replace("xmlns=", "xmlns:x=")
        if name.endswith("sheet1.xml")
        else text
        for name, text in parts(data).items()
    }
    assert len(rows_of(packed(tmp_path / "b.xlsx", prefixed))) == 1


def test_elements_of_other_standards_are_not_taken_for_cells(tmp_path: Path) -> None:
    after = '<extLst><ext><c xmlns="other"><f>1</f></c></ext></extLst>'
    assert len(rows_of(packed(tmp_path / "a.xlsx", parts(header_xml() + row_xml(2), after=after)))) == 1


def test_a_value_beside_the_table_is_told(tmp_path: Path) -> None:
    def change(_: Any, sheet: Any) -> None:
        sheet.write(1, 16383, "备注")

    assert places(errors_of(changed(tmp_path / "a.xlsx", change))) == [(2, "XFD", "cell_outside")]


def test_the_same_rows_are_read_from_csv_and_xlsx(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path / "a.xlsx", [ROW])
    assert rows_of(path)[0].document_name == "三月台账"
