"""What a sheet is read into: cells, rows, and errors with their row and column. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from service.sheets.words import WORDS, Words, in_words

# Rows above the header may hold a title.
HEADER_AMONG_ROWS: Final = 20
SHOWN_CHARACTERS: Final = 40
# What typing and copying leave around a text and nobody sees; the last is the byte order mark.
INVISIBLE: Final = "\u200b\u200c\u200d\u2060\ufeff"
_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_UNSEEN: Final = dict.fromkeys(map(ord, INVISIBLE))


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read. `unpacked_bytes` is for the XML in a workbook, `errors` for those that are told."""

    file_bytes: int = 20 * 2**20
    unpacked_bytes: int = 256 * 2**20
    rows: int = 200_000
    columns: int = 64
    cell_characters: int = 1_000
    errors: int = 1_000


@dataclass(frozen=True, slots=True)
class SheetError:
    """What is wrong, where, and what to do. `row` is None of the whole file, `column` (a letter) of the whole row."""

    row: int | None
    column: str | None
    column_name: str | None
    code: str
    zh: str
    en: str

    @classmethod
    def of(
        cls,
        code: str,
        *,
        row: int | None = None,
        column: int | None = None,
        name: str | None = None,
        words: Words = WORDS,
        **values: Any,
    ) -> "SheetError":
        """In the words that `code` has; `column` counts from 0, and `name` is what stands in the header there."""
        letter = None if column is None else column_letter(column)
        zh, en = in_words(words, code, row, letter, name, values)
        return cls(row, letter, name, code, zh, en)


@dataclass(frozen=True, slots=True)
class SheetNotice:
    """What the reader did that a person may not expect; nothing is wrong."""

    code: str
    zh: str
    en: str

    @classmethod
    def of(cls, code: str, **values: Any) -> "SheetNotice":
        return cls(code, *in_words(WORDS, code, None, None, None, values))


class SheetRefused(Exception):
    """The file cannot be read as the sheet that is wanted; `errors` say why."""

    def __init__(self, *errors: SheetError) -> None:
        self.errors = errors
        super().__init__("; ".join(error.en for error in errors))


class CellWrong(Exception):
    """One cell is not what its column takes; turned into an error where its place is known."""

    def __init__(self, code: str, **values: Any) -> None:
        self.code = code
        self.values = values
        super().__init__(code)


class Number(NamedTuple):
    """A number of a spreadsheet in plain digits, as it is shown; `percent` where it is shown with a % sign."""

    text: str
    percent: bool = False


class Unreadable(NamedTuple):
    """A cell that holds no plain value: a formula, an error, a yes or no; `code` says which."""

    code: str
    text: str


Cell: TypeAlias = str | Number | date | Unreadable


class RawRow(NamedTuple):
    """The cells of a row that are not empty, by column from 0. `width`: how many cells a CSV file has there."""

    number: int
    cells: Mapping[int, Cell]
    width: int | None = None


class Names:
    """Ids by any way a person may write them: the id, one of its names, or a name with the id behind it."""

    def __init__(self, names: Mapping[str, Iterable[str]]) -> None:
        self._given: Final = {each: tuple(names[each]) for each in sorted(names)}
        self._ids: dict[str, set[str]] = {}
        for each, given in self._given.items():
            for name in given:
                self._ids.setdefault(folded(name), set()).add(each)
                self._ids.setdefault(folded(f"{name} {each}"), set()).add(each)
        # An id is itself, whatever is called by the same word.
        self._ids.update({folded(each): {each} for each in names})

    def choices(self, most: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The first of them in Chinese and in English, by id: each as it may be written, with its id."""
        first = list(islice(self._given.items(), most))
        return (
            tuple(_with_id(given[:1], each) for each, given in first),
            tuple(_with_id(given[-1:], each) for each, given in first),
        )

    def find(self, text: str) -> Sequence[str]:
        """The ids that are meant: none of a name nobody has, several of a name that several have."""
        return sorted(self._ids.get(folded(text), ()))


def _with_id(name: tuple[str, ...], each: str) -> str:
    """`name` is empty of what has none."""
    return each if name in {(), (each,)} else f"{name[0]} {each}"


def narrowed(text: str) -> str:
    """With full-width letters, digits and signs as ASCII. Nothing else: ² must not become 2, as NFKC would have it."""
    return text if text.isascii() else text.translate(_FULL_WIDTH)


def cleaned(text: str) -> str:
    """Without space around it or characters nobody sees; space within it is one space."""
    # Most cells are one word, and there are millions.
    return text if text.isalnum() else " ".join(text.translate(_UNSEEN).split())


def folded(text: str) -> str:
    """As names are compared."""
    return cleaned(narrowed(text)).casefold()


def shown(text: str) -> str:
    """A value of the file as an error quotes it: short, and nothing in it that changes the lines around it."""
    plain = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "�", cleaned(text))
    return plain if len(plain) <= SHOWN_CHARACTERS else plain[: SHOWN_CHARACTERS - 1] + "…"


def column_letter(column: int) -> str:
    """0 is A, 26 is AA."""
    letters = ""
    left = column + 1
    while left:
        left, place = divmod(left - 1, 26)
        letters = chr(ord("A") + place) + letters
    return letters
