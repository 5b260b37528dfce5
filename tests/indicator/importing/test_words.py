"""Every error has words in both languages, and every word is of an error that is given."""

import re
import string
from pathlib import Path

import service.indicator.importing
from service.indicator.importing.sheet import SheetError, column_letter
from service.indicator.importing.words import WORDS

SOURCES = Path(next(iter(service.indicator.importing.__path__)))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_code_is_said_in_chinese_and_english_and_each_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("*.py") if path.name != "words.py")
    for each, (zh, en) in WORDS.items():
        assert f'"{each}"' in code, each
        if each != "said":
            assert re.search(r"[\u4e00-\u9fff]", zh), each
            assert re.search(r"[a-z]{3}", en), each
            # Of names there is a list in either language.
            assert fields(zh) - {"choices"} == fields(en) - {"choices", "choices_en"}, each


def test_an_error_names_its_place_in_both_languages() -> None:
    error = SheetError.of("cell_empty", row=7, column=5, name="数量（吨）")
    assert error.zh == "第 7 行 F 列（数量（吨））：没有填写。请填写。"
    assert error.en == "Row 7, column F (数量（吨）): Nothing is filled in. Fill it in."


def test_columns_have_the_letters_of_spreadsheets() -> None:
    assert [column_letter(place) for place in (0, 25, 26, 701, 702, 16383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]
