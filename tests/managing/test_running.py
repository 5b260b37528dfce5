"""What the commands print on."""

import io
import uuid

from rich.console import Console

from service.managing.running import listing, wide_when_piped


def printed(table_id: str, console: Console, file: io.StringIO) -> str:
    table = listing("Id", "Name", "Reference")
    table.add_row(table_id, "南开区环保驿站" * 3, "a complaint of a resident about a drop of last week")
    wide_when_piped(console).print(table)
    return file.getvalue()


def test_what_is_piped_stands_on_one_line() -> None:
    file, id_ = io.StringIO(), str(uuid.uuid4())
    [line] = [line for line in printed(id_, Console(file=file), file).splitlines() if id_ in line]
    assert line.endswith("│")
    assert "last week" in line


def test_an_id_is_whole_in_a_narrow_window() -> None:
    file, id_ = io.StringIO(), str(uuid.uuid4())
    text = printed(id_, Console(file=file, force_terminal=True, width=50, color_system=None), file)
    assert max(len(line) for line in text.splitlines()) <= 50
    assert "".join(line.split("│")[1].strip() for line in text.splitlines() if "│" in line) == id_
