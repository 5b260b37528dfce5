"""What a spreadsheet may have made of a factor set, good and bad."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.carbon import FACTORS_MAX, MILLIGRAMS_PER_KG_MAX
from service.carbon.reading import COLUMNS, HEADERS, LIMITS, CellMistake, FactorFile, read_factors

HEADER = ",".join(COLUMNS)
CHINESE = ",".join(HEADERS[1])
GOOD = 'paper,220000,mixed paper\nplastic,1600000,"plastic, average"'


def read(content: bytes) -> FactorFile:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "factors.csv"
        path.write_bytes(content)
        return read_factors(path)


def lines_of(text: str) -> list[tuple[int, str | None]]:
    """Row and column of each mistake."""
    return [(each.row, each.column) for each in read(text.encode()).mistakes]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("header", [HEADER, CHINESE])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_good_file_is_read_whole(encoding: str, header: str, ends: str) -> None:
    content = f"{header}\n{GOOD}\nglass,0,玻璃（平板）\n".replace("\n", ends).encode(encoding)
    found = read(content)
    assert found.mistakes == []
    assert [(row.row, row.factor and row.factor.model_dump()) for row in found.rows] == [
        (2, {"material": "paper", "milligrams_co2e_per_kg": 220_000, "stands_for": "mixed paper"}),
        (3, {"material": "plastic", "milligrams_co2e_per_kg": 1_600_000, "stands_for": "plastic, average"}),
        (4, {"material": "glass", "milligrams_co2e_per_kg": 0, "stands_for": "玻璃（平板）"}),
    ]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_than_commas_are_told_by_the_header(separator: str) -> None:
    found = read(f"{HEADER}\npaper,220000,mixed paper\n".replace(",", separator).encode())
    assert [(row.row, row.cells) for row in found.rows] == [(2, ("paper", "220000", "mixed paper"))]
    assert found.mistakes == []


def test_empty_rows_and_columns_behind_the_last_are_left_out_and_rows_count_as_in_the_sheet() -> None:
    found = read(f"{HEADER},,\n\n paper , 220000 , mixed paper ,,\n,,,\nglass,x,glass\n".encode())
    assert [row.row for row in found.rows] == [3, 5]
    assert [each.row for each in found.mistakes] == [5]
    assert found.rows[0].factor is not None
    assert found.rows[0].factor.material == "paper"


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("-220000", "whole number of milligrams"),
        ("0.22", "whole number of milligrams"),
        ("220000.0", "whole number of milligrams"),
        ('"220,000"', "whole number of milligrams"),
        ("2.2E+05", "whole number of milligrams"),
        ("220000 mg", "whole number of milligrams"),
        ("２２００００", "whole number of milligrams"),
        ("#REF!", "whole number of milligrams"),
        ("9" * 19, "whole number of milligrams"),
        (str(MILLIGRAMS_PER_KG_MAX + 1), "at most 1000000000"),
        ("", "is empty"),
    ],
)
def test_what_is_no_whole_number_of_milligrams_is_refused(cell: str, said: str) -> None:
    [mistake] = read(f"{HEADER}\npaper,{cell},mixed paper\n".encode()).mistakes
    assert (mistake.row, mistake.column) == (2, "milligrams_co2e_per_kg")
    assert said in mistake.detail


def test_every_mistake_is_named_with_its_row_and_column() -> None:
    text = f"{HEADER}\nPaper,1,x\n,2,x\nglass,3\nmetal,4,x,y,z\nplastic,-5,\npaper,6,{'x' * 201}"
    assert lines_of(text) == [
        (2, "material"),
        # Of merged cells only the first has the value.
        (3, "material"),
        (4, "stands_for"),
        (5, None),
        (6, "stands_for"),
        (6, "milligrams_co2e_per_kg"),
        (7, "stands_for"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty"),
        (b"\n,,\n", "the file is empty"),
        ("﻿".encode(), "the file is empty"),
        (GOOD.encode(), "the first row must be material,milligrams_co2e_per_kg,stands_for or 品类"),
        (HEADER.replace(",", "|").encode(), "the first row must be"),
        (f"{HEADER},unit\n{GOOD}".encode(), "the first row must be"),
        (HEADER.encode(), "there is no factor below the header"),
        (f"{HEADER}\n{GOOD}".encode("utf-16-le"), "this is no text, or UTF-16 without its mark"),
        (f"{HEADER}\npaper,1,".encode() + b"\xff\xff", "From line 2 on the text is neither UTF-8 nor GB18030"),
        (b"PK\x03\x04\x14\x00\x06\x00", "save its sheet as CSV"),
        (b"%PDF-1.7", "not a sheet but PDF"),
        (f'{HEADER}\npaper,1,"mixed'.encode(), "row 2: The quotation marks do not match"),
        (b"x" * (LIMITS.file_bytes + 1), "at most 1,048,576 are taken"),
    ],
)
def test_what_is_no_such_file_is_said(content: bytes, said: str) -> None:
    found = read(content)
    assert found.rows == []
    [mistake] = found.mistakes
    assert said in str(mistake)


def test_there_is_an_end_to_a_set() -> None:
    text = HEADER + "".join(f"\nm{number},1,x" for number in range(FACTORS_MAX + 1))
    assert lines_of(text) == [(FACTORS_MAX + 2, None)]


def test_a_mistake_says_where() -> None:
    empty = CellMistake(3, "material", "is empty.", "没有填写。")
    assert (str(empty), empty.zh) == ("row 3, material: is empty.", "第 3 行“品类”：没有填写。")
    wide = CellMistake(3, None, "has 5 cells", "有 5 个单元格")
    assert (str(wide), wide.zh) == ("row 3: has 5 cells.", "第 3 行：有 5 个单元格。")


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"{HEADER}\n{text}".encode(errors="replace")))
def test_whatever_the_file_is_it_is_read_or_its_mistakes_are_named(content: bytes) -> None:
    found = read(content)
    assert found.mistakes or (all(row.factor is not None for row in found.rows) and found.rows)
