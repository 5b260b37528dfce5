"""Every error has words in both languages, and every word is of an error that is given."""

import re
import string
from pathlib import Path
from types import ModuleType

import service.indicator.importing
import service.sheets
from service.indicator.importing.sheet import input_error
from service.indicator.importing.words import WORDS
from service.sheets import words as sheet_words
from service.sheets.cells import column_letter


def source_of(package: ModuleType) -> str:
    """All of its modules but the words."""
    folder = Path(next(iter(package.__path__)))
    return "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py") if path.name != "words.py")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_code_is_said_in_chinese_and_english_and_each_is_used() -> None:
    code = source_of(service.sheets) + source_of(service.indicator.importing)
    for each, (zh, en) in WORDS.items():
        assert f'"{each}"' in code, each
        if each != "said":
            assert re.search(r"[\u4e00-\u9fff]", zh), each
            assert re.search(r"[a-z]{3}", en), each
            # Of names there is a list in either language.
            assert fields(zh) - {"choices"} == fields(en) - {"choices", "choices_en"}, each


def test_what_is_told_of_any_sheet_needs_no_words_of_one_for_inputs() -> None:
    code = source_of(service.sheets)
    assert [each for each in WORDS if each not in sheet_words.WORDS and f'"{each}"' in code] == []
    assert all(WORDS[each] == words for each, words in sheet_words.WORDS.items())


def test_an_error_names_its_place_in_both_languages() -> None:
    error = input_error("cell_empty", row=7, column=5, name="数量（吨）")
    assert error.zh == "第 7 行 F 列（数量（吨））：没有填写。请填写。"
    assert error.en == "Row 7, column F (数量（吨）): Nothing is filled in. Fill it in."


def test_columns_have_the_letters_of_spreadsheets() -> None:
    assert [column_letter(place) for place in (0, 25, 26, 701, 702, 16383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]
