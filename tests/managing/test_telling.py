"""What commands tell of a failure: Chinese, then English, and what was typed by the name it was typed by."""

import pytest
import typer

from service.cli import app
from service.errors import Forbidden, TanbiError, ValidationFailed
from service.managing.telling import in_both_languages

ROOT = typer.main.get_command(app)
RECORD = ("indicator", "record", "xuefu", "2027-03", "cleared", "5t", "--source", "inputs")


def told(error: TanbiError, *arguments: str) -> str:
    return in_both_languages(error, ROOT, arguments)


def test_a_detail_is_told_in_both_languages_and_without_one_in_chinese_its_title_is() -> None:
    assert told(Forbidden("You may not.", zh="您不可以。")) == "您不可以。\nYou may not."
    assert told(Forbidden("You may not.")) == "没有权限。\nYou may not."


def test_a_time_is_told_by_the_citys_clock() -> None:
    error = Forbidden("Since 2026-11-21T20:19:01Z.", zh="自 2026-11-21T20:19:01.5Z 起。")
    assert told(error) == "自 2026-11-22T04:19:01+08:00 起。\nSince 2026-11-22T04:19:01+08:00."


@pytest.mark.parametrize(
    ("pointer", "arguments", "name"),
    [
        ("/period", RECORD, " (PERIOD)"),
        ("/period", ("indicator", "inputs"), " (--period)"),
        ("/document/date", RECORD, " (--document-date)"),
        ("/grams", RECORD, ""),
        ("/year", ("indicator", "dossier"), " (--year)"),
    ],
)
def test_a_field_is_named_as_it_is_typed(pointer: str, arguments: tuple[str, ...], name: str) -> None:
    error = ValidationFailed("Wrong.", errors=[{"pointer": pointer, "code": "wrong", "detail": "Wrong."}])
    assert told(error, *arguments) == f"字段校验失败。\nWrong.{name}"


def test_a_field_is_not_named_where_the_sentence_begins_with_what_was_typed() -> None:
    errors = [{"pointer": "/period", "code": "not_begun", "detail": "2027-03 has not begun."}]
    error = ValidationFailed("2027-03 has not begun.", zh="2027-03 尚未开始。", errors=errors)
    assert told(error, *RECORD) == "2027-03 尚未开始。\n2027-03 has not begun."
