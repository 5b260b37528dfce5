"""Sheets to be read: as CSV, as Excel writes them, and as workbooks whose XML is written by hand."""

import csv
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter  # type: ignore[import-untyped]

from service.indicator.importing.reading import Read, read_sheet
from service.indicator.importing.sheet import SheetRow
from service.sheets.cells import SheetError, SheetRefused

TITLES = ("区域", "期间", "类别", "来源", "材料", "数量（吨）", "文件", "文件日期", "SHA-256")
ROW = ("nankai", "2025-03", "cleared", "区城管委", "", "12.5", "三月台账", "2025-03-31", "ab" * 32)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def row(**changed: str) -> list[str]:
    """A good row with other values in some columns, by the column's id."""
    ids = ("area", "period", "kind", "source", "material", "amount", "document", "document_date", "document_sha256")
    return [changed.get(each, value) for each, value in zip(ids, ROW, strict=True)]


def csv_text(rows: Sequence[Sequence[str]], separator: str = ",", titles: Sequence[str] = TITLES) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator).writerows([titles, *rows])
    return text.getvalue()


def csv_file(path: Path, rows: Sequence[Sequence[str]], encoding: str = "utf-8", **form: Any) -> Path:
    path.write_bytes(csv_text(rows, **form).encode(encoding))
    return path


def xlsx_file(path: Path, rows: Sequence[Sequence[Any]], titles: Sequence[str] = TITLES) -> Path:
    """Strings as texts and numbers as numbers, as they are given."""

    def fill(_: Any, sheet: Any) -> None:
        for number, cells in enumerate([titles, *rows]):
            for place, cell in enumerate(cells):
                if cell != "":
                    (sheet.write_string if isinstance(cell, str) else sheet.write)(number, place, cell)

    return xlsx_with(path, fill)


def xlsx_with(path: Path, fill: Callable[[Any, Any], None], **options: Any) -> Path:
    """A workbook of one sheet, filled by `fill(book, sheet)`."""
    with xlsxwriter.Workbook(path, {"strings_to_urls": False, **options}) as book:
        fill(book, book.add_worksheet("Inputs"))
    return path


def inline(reference: str, text: str) -> str:
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


def header_xml(number: int = 1) -> str:
    cells = "".join(inline(f"{'ABCDEFGHI'[place]}{number}", title) for place, title in enumerate(TITLES))
    return f'<row r="{number}">{cells}</row>'


def row_xml(number: int, values: Sequence[str] = ROW) -> str:
    cells = "".join(inline(f"{'ABCDEFGHI'[place]}{number}", value) for place, value in enumerate(values) if value)
    return f'<row r="{number}">{cells}</row>'


def parts(data: str, *, before: str = "", after: str = "", main: str = MAIN, prolog: str = "") -> dict[str, str]:
    """The parts of a workbook whose sheet holds these rows of XML."""
    return {
        "[Content_Types].xml": "<Types/>",
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}"><Relationship Id="r1" Type="{OFFICE}/officeDocument"'
        ' Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">'
        f'<Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="/xl/sharedStrings.xml"/>'
        f'<Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'{prolog}<worksheet xmlns="{main}">{before}<sheetData>{data}</sheetData>{after}'
        "</worksheet>",
    }


def packed(path: Path, content: Mapping[str, str | bytes], way: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", way) as file:
        for name, text in content.items():
            file.writestr(name, text)
    return path


def refusal(path: Path, **options: Any) -> list[SheetError]:
    """Why the whole file is refused."""
    try:
        read_sheet(path, **options)
    except SheetRefused as refused:
        return list(refused.errors)
    raise AssertionError("the file was not refused")


def reads(path: Path, **options: Any) -> list[Read]:
    return list(read_sheet(path, **options))


def rows_of(path: Path, **options: Any) -> list[SheetRow]:
    """All rows of a file without errors."""
    found = reads(path, **options)
    assert [each for each in found if isinstance(each, SheetError)] == []
    return [each for each in found if isinstance(each, SheetRow)]


def errors_of(path: Path, **options: Any) -> list[SheetError]:
    return [each for each in reads(path, **options) if isinstance(each, SheetError)]


def places(errors: Sequence[SheetError]) -> list[tuple[int | None, str | None, str]]:
    return [(error.row, error.column, error.code) for error in errors]
