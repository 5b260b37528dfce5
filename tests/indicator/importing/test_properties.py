"""What is written comes back the same; what is damaged is told where it is, and nothing else is ever raised."""

import random
import string
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.indicator_inputs import GRAMS_MAX
from service.indicator.importing.sheet import SheetRow
from service.indicator.importing.words import WORDS
from service.indicator.kinds import KINDS
from service.periods import Period
from service.sheets.cells import SheetError, SheetRefused
from tests.indicator.importing.sheets import (
    MAIN,
    ROW,
    TITLES,
    csv_file,
    header_xml,
    inline,
    packed,
    parts,
    reads,
    row_xml,
    xlsx_file,
)

MASSES: Final = sorted(kind.id for kind in KINDS.values() if kind.recorded and kind.unit == "grams")
# Of GB18030 too, which has every character; without those that are no text.
CHARACTERS: Final = st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Cn", "Z"])
# With the separators and quotation marks of CSV.
TEXTS: Final = st.text(CHARACTERS | st.sampled_from(" ,;\"'，"), min_size=1, max_size=30).map(
    lambda text: " ".join(text.split())
)
# What a spreadsheet would write as an escape of its own, _x0041_, is no matter here.
NAMES: Final = TEXTS.filter(lambda text: bool(text) and "_x" not in text and text not in {"�"})
IDS: Final = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20)
PERIODS: Final = st.one_of(
    st.builds(Period, st.integers(1990, 2099)),
    st.builds(Period.of_month, st.integers(1990, 2099), st.integers(1, 12)),
    st.builds(Period.of_quarter, st.integers(1990, 2099), st.integers(1, 4)),
)


@st.composite
def sheet_rows(draw: st.DrawFn, number: int = 2) -> SheetRow:
    kind = KINDS[draw(st.sampled_from(MASSES))]
    grams = draw(st.none() | st.integers(0, GRAMS_MAX))
    return SheetRow(
        number,
        area=draw(IDS),
        period=draw(PERIODS),
        kind=kind.id,
        source=draw(NAMES),
        material=draw(st.none() | IDS) if kind.takes_material else None,
        amount=grams,
        entered="撤回" if grams is None else f"{Decimal(grams) / 10**6:,f} t",
        document_name=draw(NAMES),
        document_date=draw(st.none() | st.dates(date(1990, 1, 1), date(2099, 12, 31))),
        document_sha256=draw(st.none() | st.text("0123456789abcdef", min_size=64, max_size=64)),
    )


def written(each: SheetRow) -> list[str]:
    return [
        each.area,
        str(each.period),
        each.kind,
        each.source,
        each.material or "",
        each.entered.removesuffix(" t"),
        each.document_name,
        "" if each.document_date is None else each.document_date.isoformat(),
        each.document_sha256 or "",
    ]


SHEETS: Final = st.lists(sheet_rows(), min_size=1, max_size=6).flatmap(
    lambda rows: st.just([SheetRow(place + 2, *_rest(each)) for place, each in enumerate(rows)])
)


def _rest(each: SheetRow) -> tuple:  # type: ignore[type-arg]
    return tuple(getattr(each, name) for name in each.__slots__[1:])


WRITERS: Final[list[Callable[[Path, list[list[str]], tuple[str, ...]], Path]]] = [
    lambda path, rows, titles: csv_file(path, rows, "utf-8", titles=titles),
    lambda path, rows, titles: csv_file(path, rows, "utf-8-sig", titles=titles, separator=";"),
    lambda path, rows, titles: csv_file(path, rows, "gb18030", titles=titles, separator="\t"),
    lambda path, rows, titles: csv_file(path, rows, "utf-16", titles=titles),
    lambda path, rows, titles: xlsx_file(path, rows, titles),
]


@pytest.mark.parametrize("write", WRITERS, ids=["utf-8", "utf-8-sig", "gb18030", "utf-16", "xlsx"])
@given(rows=SHEETS, order=st.permutations(range(len(TITLES))))
@settings(deadline=None)
def test_what_is_written_is_read_back_in_any_order_of_columns(
    write: Callable[[Path, list[list[str]], tuple[str, ...]], Path], rows: list[SheetRow], order: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        cells = [[written(each)[place] for place in order] for each in rows]
        titles = tuple(TITLES[place] for place in order)
        assert reads(write(Path(folder) / "a", cells, titles)) == rows


# By column, what nobody could take for a value of it.
WRONG: Final = {
    "A": st.just("") | NAMES.map(lambda text: f"{text}\x02"),
    "B": st.sampled_from(["", "2025-13", "三月", "2025-02-30", "20", "2025-03-02", "2025-Q0"]),
    "C": st.sampled_from(["", "dirt", "bin_recyclables", "清", "residue_share"]),
    "D": st.just("") | st.just("长" * 101),
    "E": st.just("paper"),
    "F": st.sampled_from(["", "-1", "1e3", "1,23", "0.0000001", "x", "1 kg", "=1", "1" * 12]),
    "G": st.just("\x7f") | st.just("长" * 301),
    "H": st.sampled_from(["2025-02-30", "明天", "45747", "2025"]),
    "I": st.sampled_from(["ab", "zz" * 32, "ab" * 33]),
}


@given(st.data())
@settings(deadline=None)
def test_a_wrong_cell_is_an_error_in_its_row_and_column_and_all_other_rows_are_read(data: st.DataObject) -> None:
    rows = [list(ROW) for _ in range(5)]
    place = data.draw(st.integers(0, 4))
    column = data.draw(st.sampled_from(sorted(WRONG)))
    value = data.draw(WRONG[column])
    rows[place]["ABCDEFGHI".index(column)] = value
    write = data.draw(st.sampled_from(WRITERS))
    if write is WRITERS[-1] and ("\x02" in value or "\x7f" in value):
        write = WRITERS[0]
    with TemporaryDirectory() as folder:
        found = reads(write(Path(folder) / "a", rows, TITLES))
    errors = [each for each in found if isinstance(each, SheetError)]
    # A share has no tonnes: that is told of its amount.
    wanted = "F" if value == "residue_share" else column
    assert [(error.row, error.column) for error in errors] == [(place + 2, wanted)]
    assert [each.number for each in found if isinstance(each, SheetRow)] == [n for n in range(2, 7) if n != place + 2]


def tolerated(path: Path) -> None:
    """Read to the end; only what the package itself says may come of it."""
    try:
        found = reads(path)
    except SheetRefused as refused:
        found = list(refused.errors)
    assert found
    assert all(isinstance(each, SheetRow) or each.code in WORDS for each in found)


@given(
    st.binary(max_size=2_000), st.sampled_from([b"", b"PK\x03\x04", b"\xff\xfe", b"\xef\xbb\xbf", TITLES[0].encode()])
)
@settings(deadline=None)
def test_random_bytes_raise_nothing_else(content: bytes, start: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(start + content)
        tolerated(path)


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_file_with_any_bytes_changed_raises_nothing_else(tmp_path: Path, form: str) -> None:
    chance = random.Random(7)  # noqa: S311  # the same each time
    rows = [list(ROW)] * 5
    good = csv_file(tmp_path / "a", rows) if form == "csv" else xlsx_file(tmp_path / "a", rows)
    content = good.read_bytes()
    for _ in range(400):
        changed = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        good.write_bytes(changed)
        tolerated(good)


@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml"]
)
def test_a_part_with_any_characters_changed_raises_nothing_else(tmp_path: Path, part: str) -> None:
    chance = random.Random(11)  # noqa: S311  # the same each time
    shared = '<c r="A3" t="s" s="1"><v>0</v></c>'
    content: dict[str, str | bytes] = {
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}"><si><t>nankai</t></si><si><r><t>x</t></r></si></sst>',
        "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="170" formatCode="yyyy;@"/></numFmts>'
        '<cellXfs><xf numFmtId="14"/><xf numFmtId="170"/></cellXfs></styleSheet>',
        **parts(header_xml() + row_xml(2) + row_xml(3).replace(inline("A3", "nankai"), shared)),
    }
    assert len(reads(packed(tmp_path / "a.xlsx", content))) == 2
    text = str(content[part]).encode()
    for _ in range(250):
        changed = bytearray(text)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.choice(b'<>/"=&0123456789AZaz -.')
        tolerated(packed(tmp_path / "a.xlsx", {**content, part: bytes(changed)}))
