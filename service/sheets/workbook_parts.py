"""What the cells of a workbook refer to: its sheets, its shared texts, and which numbers are dates."""

import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.sheets.cells import Limits
from service.sheets.files import refused
from service.sheets.package import Package, broken, local_name

# Numbers of formats that every program has: days, and times with a day; the second half is East Asian.
BUILT_IN_DATES: Final = frozenset((*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58))
BUILT_IN_PERCENTS: Final = frozenset((9, 10))
# Not a duration, [h]:mm.
_LITERALS: Final = re.compile(r'"[^"]*"?|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
FORMATS_MAX: Final = 100_000
SHEETS_MAX: Final = 1_000
SHARED_TEXT_BYTES_MAX: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class SheetPart:
    name: str
    part: str
    hidden: bool


class SharedTexts:
    """Texts by number, packed: a file may hold hundreds of thousands."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("L")

    def add(self, text: str) -> None:
        # What XML cannot hold is never in it, surrogates are not either.
        self._bytes += text.encode()
        self._ends.append(len(self._bytes))
        if len(self._bytes) + self._ends.itemsize * len(self._ends) > SHARED_TEXT_BYTES_MAX:
            raise refused("workbook_too_large", limit=SHARED_TEXT_BYTES_MAX)

    def __getitem__(self, number: int) -> str:
        """Raises SheetRefused where there is none."""
        if not 0 <= number < len(self._ends):
            raise broken("sharedStrings")
        begin = self._ends[number - 1] if number else 0
        return self._bytes[begin : self._ends[number]].decode()


@dataclass(frozen=True, slots=True)
class Styles:
    """By a cell's style: whether its number is shown as a day, and of that the year alone, or as a percentage."""

    dates: frozenset[int]
    years: frozenset[int]
    percents: frozenset[int]


@dataclass(frozen=True, slots=True)
class WorkbookParts:
    sheets: tuple[SheetPart, ...]
    texts: SharedTexts
    styles: Styles
    # Days are counted from 1904, as old Macs did.
    from_1904: bool


def read_parts(package: Package, limits: Limits) -> WorkbookParts:
    """Raises SheetRefused."""
    root = next(
        (place for kind, place in package.relations("").values() if kind == "officeDocument"), "xl/workbook.xml"
    )
    relations = package.relations(root)
    sheets: list[SheetPart] = []
    from_1904 = False

    def start(element: str, attributes: Mapping[str, str]) -> None:
        nonlocal from_1904
        name = local_name(element)
        if name == "workbookPr":
            from_1904 = _is_true(attributes.get("date1904"))
        elif name == "sheet":
            target = next((value for key, value in attributes.items() if key.endswith("/relationships id")), "")
            kind, place = relations.get(target, ("", ""))
            if kind == "worksheet":
                hidden = attributes.get("state", "visible") != "visible"
                sheets.append(SheetPart(attributes.get("name", ""), place, hidden))
            if len(sheets) > SHEETS_MAX:
                raise broken("sheets")

    for _ in package.parse(root, start):
        pass
    by_kind = dict(relations.values())
    texts = _shared_texts(package, by_kind.get("sharedStrings"), limits)
    return WorkbookParts(tuple(sheets), texts, _styles(package, by_kind.get("styles")), from_1904)


def _is_true(text: str | None) -> bool:
    return text in {"1", "true", "on"}


class TextCollector:
    """The text of an element in runs, without the readings that are shown above it. No longer than is asked for."""

    def __init__(self, characters: int) -> None:
        # One more tells that it was longer.
        self._room = characters + 1
        self._runs: list[str] = []
        self._left = self._room
        self._within = False
        self._reading = False

    def begin(self, name: str) -> None:
        if name == "rPh":
            self._reading = True
        self._within = name == "t" and not self._reading

    def end(self, name: str) -> None:
        if name == "rPh":
            self._reading = False
        if name == "t":
            self._within = False

    def add(self, text: str) -> None:
        if self._within and self._left > 0:
            self._runs.append(text[: self._left])
            self._left -= len(text)

    def take(self) -> str:
        """What was collected, and begin anew."""
        text = "".join(self._runs)
        self._runs.clear()
        self._left, self._within, self._reading = self._room, False, False
        return text


def _shared_texts(package: Package, part: str | None, limits: Limits) -> SharedTexts:
    texts = SharedTexts()
    if part is None or part not in package:
        return texts
    collector = TextCollector(limits.cell_characters)

    def start(element: str, _: Mapping[str, str]) -> None:
        collector.begin(local_name(element))

    def end(element: str) -> None:
        name = local_name(element)
        collector.end(name)
        if name == "si":
            texts.add(collector.take())

    for _ in package.parse(part, start, end, collector.add):
        pass
    return texts


class _StyleParser:
    """Which formats, and then which styles of cells, show a number as a day or a percentage."""

    def __init__(self) -> None:
        self._dates = set(BUILT_IN_DATES)
        self._years: set[int] = set()
        self._percents = set(BUILT_IN_PERCENTS)
        self._formats: list[int] = []
        self._within = False

    def start(self, element: str, attributes: Mapping[str, str]) -> None:
        name = local_name(element)
        number = _number(attributes.get("numFmtId"))
        if name == "numFmt":
            self._learn(number, attributes.get("formatCode", ""))
        elif name == "cellXfs":
            self._within = True
        elif name == "xf" and self._within:
            self._formats.append(number)
        if max(len(self._formats), len(self._dates), len(self._percents)) > FORMATS_MAX:
            raise broken("styles")

    def end(self, element: str) -> None:
        if local_name(element) == "cellXfs":
            self._within = False

    def _learn(self, number: int, code: str) -> None:
        for known in (self._dates, self._years, self._percents):
            known.discard(number)
        # Of positive numbers, without texts, colours and conditions.
        letters = _LITERALS.sub("", code.split(";")[0]).casefold()
        if "%" in letters:
            self._percents.add(number)
        elif "y" in letters or "d" in letters or ("m" in letters and "h" not in letters and "s" not in letters):
            self._dates.add(number)
            if "m" not in letters and "d" not in letters:
                self._years.add(number)

    def styles(self) -> Styles:
        numbered = list(enumerate(self._formats))
        return Styles(
            *(
                frozenset(style for style, number in numbered if number in known)
                for known in (self._dates, self._years, self._percents)
            )
        )


def _styles(package: Package, part: str | None) -> Styles:
    parser = _StyleParser()
    if part is not None and part in package:
        for _ in package.parse(part, parser.start, parser.end):
            pass
    return parser.styles()


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0
