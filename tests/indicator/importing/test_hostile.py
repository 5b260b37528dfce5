"""Files that are not what they seem, damaged, or made to do harm."""

import struct
import zipfile
from pathlib import Path

import pytest

from service.indicator.importing.reading import read_chunks, read_sheet
from service.sheets import workbook_parts
from service.sheets.cells import Limits, SheetRefused
from tests.indicator.importing.sheets import (
    MAIN,
    ROW,
    csv_file,
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
)

GOOD = header_xml() + row_xml(2)
COMPOUND = bytes.fromhex("d0cf11e0a1b11ae1")
BILLION_LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


def codes(path: Path) -> list[str]:
    """Of the refusal, or of what is told while reading."""
    try:
        return [error.code for error in errors_of(path)]
    except SheetRefused as refused:
        return [error.code for error in refused.errors]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (COMPOUND + bytes(600) + "Workbook".encode("utf-16-le"), "old_workbook"),
        (COMPOUND + bytes(70_000) + "EncryptedPackage".encode("utf-16-le") + bytes(600), "encrypted"),
        (b"%PDF-1.7 ...", "not_a_sheet"),
        (b"\x89PNG\r\n", "not_a_sheet"),
        (b"\xef\xbb\xbf <HTML><table>", "not_a_sheet"),
        (b"<?xml version='1.0'?><Workbook/>", "not_a_sheet"),
        (b"PK\x03\x04" + bytes(100), "workbook_broken"),
        (b"PK\x05\x06" + bytes(18), "not_a_sheet"),
    ],
)
def test_other_files_are_told_for_what_they_are(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    assert codes(path) == [code]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<a/>"}, "open_document"),
        ({"[Content_Types].xml": "<a/>", "xl/workbook.bin": "x"}, "binary_workbook"),
        ({"[Content_Types].xml": "<a/>", "word/document.xml": "<a/>"}, "not_a_sheet"),
        ({"a.csv": "x"}, "not_a_sheet"),
        ({"[Content_Types].xml": "<a/>", "xl/styles.xml": "<a/>"}, "workbook_broken"),
    ],
)
def test_other_zips_are_told_for_what_they_are(tmp_path: Path, content: dict[str, str], code: str) -> None:
    assert codes(packed(tmp_path / "a.xlsx", content, zipfile.ZIP_STORED)) == [code]


def test_a_zip_with_a_password_is_told(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.xlsx", parts(GOOD))
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 8] |= 1
    path.write_bytes(content)
    assert codes(path) == ["encrypted"]


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    assert len(rows_of(csv_file(tmp_path / "a.xlsx", [ROW]))) == 1
    assert len(rows_of(packed(tmp_path / "a.csv", parts(GOOD)))) == 1


@pytest.mark.parametrize("prolog", [BILLION_LAUGHS, EXTERNAL])
@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml", "_rels/.rels"])
def test_a_part_with_a_document_type_is_refused_before_any_entity(tmp_path: Path, prolog: str, part: str) -> None:
    content = {"xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"/>', **parts(GOOD.replace("区城管委", "&b;"))}
    content[part] = prolog + content[part]
    (error,) = refusal(packed(tmp_path / "a.xlsx", content))
    assert (error.code, "DOCTYPE" in error.en) == ("workbook_broken", True)


def test_a_zip_bomb_is_refused_by_what_it_says_and_gives_no_more_than_that(tmp_path: Path) -> None:
    content = parts(header_xml() + " " * 10_000_000)
    bomb = packed(tmp_path / "a.xlsx", content)
    assert bomb.stat().st_size < 20_000
    assert [error.code for error in refusal(bomb, limits=Limits(unpacked_bytes=2**20))] == ["workbook_too_large"]
    size = struct.pack("<I", len(content["xl/worksheets/sheet1.xml"].encode()))
    lying = tmp_path / "b.xlsx"
    assert size in bomb.read_bytes()
    lying.write_bytes(bomb.read_bytes().replace(size, struct.pack("<I", 10_000)))
    assert codes(lying) == ["workbook_broken"]


@pytest.mark.parametrize(
    "data",
    [
        "".join(f"<n{number}/>" for number in range(6_000)),
        "".join(f'<n a{number}=""/>' for number in range(6_000)),
        f'<row r="9" spans="{"x" * 3_000_000}"/>',
    ],
    ids=["elements", "attributes", "token"],
)
def test_xml_that_fills_the_parser_is_refused(tmp_path: Path, data: str) -> None:
    assert codes(packed(tmp_path / "a.xlsx", parts(GOOD + data))) == ["workbook_broken"]


@pytest.mark.parametrize("encoding", ["gb2312", "nothing", "base64", "undefined", "rot13", "utf-7", "idna", "utf-16"])
def test_an_encoding_of_xml_that_cannot_be_used_is_refused(tmp_path: Path, encoding: str) -> None:
    prolog = f'<?xml version="1.0" encoding="{encoding}"?>'
    assert codes(packed(tmp_path / "a.xlsx", parts(GOOD, prolog=prolog))) == ["workbook_broken"]


def test_a_zip_of_too_many_entries_is_not_listed(tmp_path: Path) -> None:
    for entries, wanted in ((9_000, []), (20_000, ["workbook_broken"])):
        content: dict[str, str | bytes] = {**parts(GOOD), "xl/media/image.bin": b"PK\x01\x02" * entries}
        assert codes(packed(tmp_path / "a.xlsx", content, zipfile.ZIP_STORED)) == wanted


def test_shared_texts_are_held_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_parts, "SHARED_TEXT_BYTES_MAX", 1_000)
    shared = f'<sst xmlns="{MAIN}">{"<si/>" * 200}</sst>'
    assert codes(packed(tmp_path / "a.xlsx", {**parts(GOOD), "xl/sharedStrings.xml": shared})) == ["workbook_too_large"]


@pytest.mark.parametrize(
    "data",
    [
        row_xml(3) + row_xml(2),
        row_xml(2) + row_xml(2),
        '<row r="0"/>',
        '<row r="x"/>',
        '<row r="99999999"/>',
        f'<row r="2">{inline("A3", "x")}</row>',
        f'<row r="2">{inline("B2", "x")}{inline("A2", "x")}</row>',
        '<row r="2"><c r="A2" t="s"><v>0</v></c></row>',
        '<row r="2"><c r="A2" t="s"><v>-1</v></c></row>',
        '<row r="2"><c',
    ],
)
def test_a_sheet_that_no_program_writes_is_broken(tmp_path: Path, data: str) -> None:
    assert codes(packed(tmp_path / "a.xlsx", parts(header_xml() + data))) == ["workbook_broken"]


def test_a_workbook_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    content = xlsx_file(tmp_path / "a.xlsx", [ROW] * 20).read_bytes()
    cut = tmp_path / "b.xlsx"
    for length in range(4, len(content), 97):
        cut.write_bytes(content[:length])
        assert codes(cut) == ["workbook_broken"]


def test_each_limit_has_a_clear_error(tmp_path: Path) -> None:
    path = csv_file(tmp_path / "a.csv", [ROW] * 4)
    assert [error.code for error in refusal(path, limits=Limits(file_bytes=100))] == ["file_too_large"]
    assert [error.code for error in refusal(path, limits=Limits(columns=8))] == ["too_many_columns"]
    assert places(errors_of(path, limits=Limits(rows=3))) == [(5, None, "too_many_rows")]
    found = errors_of(path, limits=Limits(cell_characters=20))
    assert {(error.column, error.code) for error in found} == {("I", "cell_too_long")}
    bad = csv_file(tmp_path / "b.csv", [("", *ROW[1:])] * 9)
    found = errors_of(bad, limits=Limits(errors=5))
    assert [error.code for error in found] == ["cell_empty"] * 5 + ["more_errors"]
    assert found[-1].row == 7


def test_the_limits_hold_for_workbooks_too(tmp_path: Path) -> None:
    path = xlsx_file(tmp_path / "a.xlsx", [ROW] * 4)
    assert [error.code for error in refusal(path, limits=Limits(file_bytes=100))] == ["file_too_large"]
    assert [error.code for error in refusal(path, limits=Limits(columns=8))] == ["too_many_columns"]
    assert [error.code for error in refusal(path, limits=Limits(unpacked_bytes=900))] == ["workbook_too_large"]
    assert places(errors_of(path, limits=Limits(rows=3))) == [(5, None, "too_many_rows")]
    assert {error.code for error in errors_of(path, limits=Limits(cell_characters=20))} == {"cell_too_long"}


def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    path.chmod(0)
    (error,) = refusal(path)
    assert error.code == "file_too_large"
    assert "104,857,600" in error.zh


def test_a_header_without_rows_is_told(tmp_path: Path) -> None:
    assert codes(csv_file(tmp_path / "a.csv", [])) == ["no_rows"]
    assert codes(xlsx_file(tmp_path / "a.xlsx", [])) == ["no_rows"]


async def test_a_sheet_is_read_in_chunks_off_the_event_loop(tmp_path: Path) -> None:
    sheet = read_sheet(csv_file(tmp_path / "a.csv", [ROW] * 5))
    assert sheet.share_read == 0
    assert [len(chunk) async for chunk in read_chunks(sheet, 2)] == [2, 2, 1]
    assert sheet.share_read == 1
