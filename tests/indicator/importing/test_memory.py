"""Reading stays within bounds of memory, whatever is read: measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.sheets.cells import Limits
from tests.indicator.importing.sheets import MAIN, TITLES, csv_text, header_xml, packed, parts

MEBIBYTE = 2**20
ROWS = Limits().rows
MORE_MIB = 150
MEASURE = """
import sys
from pathlib import Path
from service.indicator.importing.reading import read_sheet
from service.sheets.cells import SheetError, SheetRefused

def peak():
    return int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))

before = peak()
rows = errors = 0
try:
    for each in read_sheet(Path(sys.argv[1])):
        rows, errors = (rows, errors + 1) if isinstance(each, SheetError) else (rows + 1, errors)
except SheetRefused as refused:
    errors = len(refused.errors)
print(rows, errors, (peak() - before) // 1024)
"""
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured on Linux")


def measured(path: Path) -> tuple[int, int, int]:
    """Rows, errors, and how many MiB the process grew at most."""
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], check=True, capture_output=True, text=True)
    rows, errors, mebibytes = done.stdout.split()
    return int(rows), int(errors), int(mebibytes)


def values(number: int) -> list[str]:
    """Each row of its own, so that nothing is shared."""
    digest = f"{number * 0x9E3779B97F4A7C15:064x}"[-64:]
    return ["nankai", "2025-03", "cleared", f"来源 {number}", "", f"{number}.25", f"账 {number}", "2025-03-31", digest]


def test_a_full_csv_file_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [each[:-1] for each in map(values, range(ROWS))]
    path.write_text(csv_text(rows, titles=TITLES[:-1]), encoding="gb18030", newline="")
    assert 10 * MEBIBYTE < path.stat().st_size < Limits().file_bytes
    rows_read, errors, more = measured(path)
    assert (rows_read, errors) == (ROWS, 0)
    assert more < MORE_MIB


def test_a_full_workbook_of_texts_that_are_all_different_is_read_in_bounded_memory(tmp_path: Path) -> None:
    texts: list[str] = []
    rows: list[str] = []
    for number in range(2, ROWS + 2):
        cells = []
        for place, value in enumerate(values(number)):
            if value:
                cells.append(f'<c r="{"ABCDEFGHI"[place]}{number}" t="s"><v>{len(texts)}</v></c>')
                texts.append(value)
        rows.append(f'<row r="{number}">{"".join(cells)}</row>')
    shared = f'<sst xmlns="{MAIN}">{"".join(f"<si><t>{text}</t></si>" for text in texts)}</sst>'
    path = packed(tmp_path / "a.xlsx", {**parts(header_xml() + "".join(rows)), "xl/sharedStrings.xml": shared})
    assert path.stat().st_size < Limits().file_bytes
    rows_read, errors, more = measured(path)
    assert (rows_read, errors) == (ROWS, 0)
    assert more < MORE_MIB


def test_a_file_of_100_mb_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as file:
        file.truncate(100 * MEBIBYTE)
    assert measured(path) == (0, 1, measured(path)[2])
    assert measured(path)[2] < 5


@pytest.mark.parametrize(
    "text",
    ["x" * 15 * MEBIBYTE, '"' + "x\n" * 5 * MEBIBYTE, "\n" * 5 * MEBIBYTE, "," * 15 * MEBIBYTE, "𠮷" * 4 * MEBIBYTE],
    ids=["one line", "one cell", "empty lines", "separators", "wide characters"],
)
def test_a_file_without_rows_is_refused_in_bounded_memory(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    rows, errors, more = measured(path)
    assert (rows, errors) == (0, 1)
    assert more < MORE_MIB
