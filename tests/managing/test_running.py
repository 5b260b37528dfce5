"""What the commands print on."""

import io
import uuid

import pydantic
import pytest
from rich.console import Console

from schemas.imports import TemplateQuery
from schemas.patterns import EXPECTED, EXPECTED_ZH
from schemas.publications import RejectPublicationRequest
from schemas.targets import NewTarget
from service.errors import ValidationFailed
from service.field_words import WORDS, WORDS_ZH
from service.managing.running import city_zone, listing, moment, parse_moment, typed, wide_when_piped


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
    assert id_ in text


def test_an_id_is_whole_in_a_window_that_is_a_little_narrow() -> None:
    file, id_ = io.StringIO(), str(uuid.uuid4())
    text = printed(id_, Console(file=file, force_terminal=True, width=100, color_system=None), file)
    assert "".join(line.split("│")[1].strip() for line in text.splitlines() if "│" in line) == id_


@pytest.mark.parametrize("text", ["2027-01-01", "2027-01-01 00:00", "2027-01-01T00:00:00+0800", "2026-12-31T16:00:00Z"])
def test_a_time_is_typed_with_its_offset_or_by_the_citys_clock(text: str) -> None:
    assert moment(parse_moment(text), city_zone()) == "2027-01-01T00:00:00+08:00"


@pytest.mark.parametrize(
    "text", ["tomorrow", "2027-13-01", "０027-01-01", "2027-01-01T00:00:00+25:00", "0001-01-01", ""]
)
def test_what_is_no_time_is_told_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no time\. Such as 2027-01-01"):
        parse_moment(text)


@pytest.mark.parametrize(("width", "lines"), [(80, 6), (20, 9)])
def test_a_table_that_is_much_wider_than_the_window_is_a_list_of_its_rows(width: int, lines: int) -> None:
    table = listing("Id", "State", "Grams", "Where")
    table.add_row("NK-0001", "open", "1250", "学府一号点")
    table.add_row("NK-0002", "open", "", "somewhere")
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    said = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert len(said.splitlines()) == lines
    # Nothing is broken, and what is empty is not shown as a row.
    for cell in ("NK-0001", "NK-0002", "学府一号点", "somewhere"):
        assert cell in said
    assert ("Grams  1250" in said) == (width == 20)


def test_a_table_of_sentences_stays_one_in_the_narrowest_window() -> None:
    table = listing("Row", "Error", keeps_shape=True)
    table.add_row("7", "The cell's content cannot be read. Type it again." * 3)
    console = Console(width=30, file=io.StringIO())
    console.print(table)
    said = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert {line[0] for line in said.splitlines()[3:-1]} == {"│"}


def test_a_field_that_is_typed_wrongly_is_named_in_both_languages() -> None:
    with pytest.raises(ValidationFailed, match=r"^year: Must be at least 2000$") as error:
        typed(NewTarget, {"area": "nankai", "year": 1999, "rate_per_mille": 1})
    assert error.value.detail_zh == "填写有误：year 不能小于 2000。"


@pytest.mark.parametrize(
    ("model", "values", "zh"),
    [
        (RejectPublicationRequest, {"reason": "  "}, "reason 应为：1 至 300 个字符，不换行"),
        (RejectPublicationRequest, {"reason": "x" * 301}, "reason 应为：1 至 300 个字符，不换行"),
        (TemplateQuery, {"unit": "斤"}, "unit 应为 g、kg、t、万t、% 或 ‰"),
        (NewTarget, {"area": "a", "year": "x", "reason": 1, "withdraw": True}, "year 应为整数；reason 应为文字"),
        (NewTarget, {"area": "a", "year": 2030}, "不符合要求，说明见下一行"),
    ],
)
def test_what_is_wrong_with_each_field_is_told_in_chinese(
    model: type[pydantic.BaseModel], values: dict[str, object], zh: str
) -> None:
    with pytest.raises(ValidationFailed) as error:
        typed(model, values)
    assert error.value.detail_zh == f"填写有误：{zh}。"


def test_what_is_told_of_a_field_in_english_is_told_in_chinese_too() -> None:
    assert set(EXPECTED_ZH) == set(EXPECTED)
    # What our own validators say has no other words than theirs.
    assert set(WORDS) - set(WORDS_ZH) == {"value_error"}
