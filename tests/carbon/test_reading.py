"""What a spreadsheet may have made of a factor set, good and bad."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.carbon import FACTORS_MAX, MILLIGRAMS_PER_KG_MAX
from service.carbon.reading import COLUMNS, FILE_BYTES_MAX, HEADERS, CellMistake, read_factors

HEADER = ",".join(COLUMNS)
CHINESE = ",".join(HEADERS[1])
GOOD = 'paper,220000,mixed paper\nplastic,1600000,"plastic, average"'


def lines_of(text: str) -> list[tuple[int, str | None]]:
    """Row and column of each mistake."""
    return [(each.row, each.column) for each in read_factors(text.encode()).mistakes]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("header", [HEADER, CHINESE])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_good_file_is_read_whole(encoding: str, header: str, ends: str) -> None:
    content = f"{header}\n{GOOD}\nglass,0,玻璃（平板）\n".replace("\n", ends).encode(encoding)
    read = read_factors(content)
    assert read.mistakes == []
    assert [(row.row, row.factor and row.factor.model_dump()) for row in read.rows] == [
        (2, {"material": "paper", "milligrams_co2e_per_kg": 220_000, "stands_for": "mixed paper"}),
        (3, {"material": "plastic", "milligrams_co2e_per_kg": 1_600_000, "stands_for": "plastic, average"}),
        (4, {"material": "glass", "milligrams_co2e_per_kg": 0, "stands_for": "玻璃（平板）"}),
    ]


def test_empty_rows_and_columns_behind_the_last_are_left_out_and_rows_count_as_in_the_sheet() -> None:
    read = read_factors(f"{HEADER},,\n\n paper , 220000 , mixed paper ,,\n,,,\nglass,x,glass\n".encode())
    assert [row.row for row in read.rows] == [3, 5]
    assert [each.row for each in read.mistakes] == [5]
    assert read.rows[0].factor is not None
    assert read.rows[0].factor.material == "paper"


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
    [mistake] = read_factors(f"{HEADER}\npaper,{cell},mixed paper\n".encode()).mistakes
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
        (b"", "the file is empty"),
        (b"\n,,\n", "the file is empty"),
        ("﻿".encode(), "the file is empty"),
        (GOOD.encode(), "the first row must be material,milligrams_co2e_per_kg,stands_for or 品类"),
        (HEADER.replace(",", ";").encode(), "with commas between"),
        (f"{HEADER},unit\n{GOOD}".encode(), "the first row must be"),
        (HEADER.encode(), "there is no factor below the header"),
        (f"{HEADER}\n{GOOD}".encode("utf-16"), "no text in UTF-8 or GB18030"),
        (b"PK\x03\x04\x14\x00\x06\x00", "no text in UTF-8 or GB18030"),
        (f'{HEADER}\npaper,1,"mixed'.encode(), "this is no CSV"),
        (b"x" * (FILE_BYTES_MAX + 1), "1048576 are the most"),
    ],
)
def test_what_is_no_such_file_is_said(content: bytes, said: str) -> None:
    read = read_factors(content)
    assert read.rows == []
    [mistake] = read.mistakes
    assert said in str(mistake)


def test_there_is_an_end_to_a_set() -> None:
    text = HEADER + "".join(f"\nm{number},1,x" for number in range(FACTORS_MAX + 1))
    assert lines_of(text) == [(FACTORS_MAX + 2, None)]


def test_a_mistake_says_where() -> None:
    assert str(CellMistake(3, "material", "is empty.")) == "row 3, material: is empty."
    assert str(CellMistake(3, None, "has 5 cells")) == "row 3: has 5 cells."


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"{HEADER}\n{text}".encode(errors="replace")))
def test_whatever_the_file_is_it_is_read_or_its_mistakes_are_named(content: bytes) -> None:
    read = read_factors(content)
    assert read.mistakes or (all(row.factor is not None for row in read.rows) and read.rows)
