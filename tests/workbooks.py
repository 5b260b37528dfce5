"""Workbooks as a program reads them that did not write them."""

import re
import zipfile
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree

Row: TypeAlias = list[str | float]


def parsed(part: bytes | str) -> ElementTree.Element:
    return ElementTree.fromstring(part)  # noqa: S314  # our own


def rows_of(book: zipfile.ZipFile, sheet: int) -> list[dict[str, str]]:
    """What each cell of each row shows, by its address."""
    return [
        {cell.attrib["r"]: "".join(cell.itertext()) for cell in row}
        for row in parsed(book.read(f"xl/worksheets/sheet{sheet}.xml")).iterfind("{*}sheetData/{*}row")
    ]


def read_book(path: Path) -> dict[str, list[Row]]:
    """The rows of each sheet by its title: texts as texts, numbers as numbers, an empty text where no cell is. No cell
    is a formula or a link."""
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        titles = [each.attrib["name"] for each in parsed(book.read("xl/workbook.xml")).iterfind(".//{*}sheet")]
        sheets = [parsed(book.read(f"xl/worksheets/sheet{number}.xml")) for number in range(1, len(titles) + 1)]
    for sheet in sheets:
        assert sheet.find(".//{*}f") is None
        assert sheet.find(".//{*}hyperlink") is None
    return {
        title: [_row(row) for row in sheet.iterfind("{*}sheetData/{*}row")]
        for title, sheet in zip(titles, sheets, strict=True)
    }


def _row(row: ElementTree.Element) -> Row:
    cells: Row = []
    for cell in row:
        found = re.fullmatch(r"([A-Z]+)[0-9]+", cell.attrib["r"])
        assert found is not None
        column = 0
        for letter in found[1]:
            column = column * 26 + ord(letter) - ord("A") + 1
        cells += [""] * (column - 1 - len(cells))
        text = "".join(cell.itertext())
        is_text = cell.attrib.get("t") in ("inlineStr", "s", "str")
        cells.append(text if is_text or not text else float(text))
    return cells
