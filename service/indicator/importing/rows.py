"""One row of a sheet as an input, or all that is wrong in it. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeVar

from service.indicator.importing.amounts import read_amount
from service.indicator.importing.columns import ColumnId, Header
from service.indicator.importing.dates import read_day, read_period
from service.indicator.importing.sheet import SheetRow
from service.indicator.kinds import Kind
from service.sheets.cells import (
    Cell,
    CellWrong,
    Limits,
    Names,
    RawRow,
    SheetError,
    Unreadable,
    cleaned,
    narrowed,
    shown,
)

# As schemas/indicator_inputs.py has them.
AREA_CHARACTERS: Final = 64
SOURCE_CHARACTERS: Final = 100
DOCUMENT_CHARACTERS: Final = 300
CHOICES_SHOWN: Final = 40
FORBIDDEN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
# The formula's letter behind a kind's name, which nobody copies, and some type alone.
_LETTER: Final = re.compile(r" \(?([A-Z])\)?$")
_WASTE: Final = "生活垃圾"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Known:
    """What rows may name. Without `areas` or `materials` any name is taken as it is written. The choices are told where
    there is no such kind or material."""

    kinds: Mapping[str, Kind]
    kind_names: Names
    areas: Names | None
    materials: Names | None
    kind_choices: Mapping[str, object]
    material_choices: Mapping[str, object]

    @classmethod
    def of(
        cls,
        kinds: Mapping[str, Kind],
        areas: Mapping[str, Sequence[str]] | None,
        materials: Mapping[str, Sequence[str]] | None,
    ) -> "Known":
        """`areas` and `materials` map ids to names."""
        recorded = [kind for kind in kinds.values() if kind.recorded]
        named = None if materials is None else Names(materials)
        zh, en = ((), ()) if named is None else named.choices(CHOICES_SHOWN)
        return cls(
            kinds,
            Names({kind.id: kind_names(kind) for kind in kinds.values()}),
            None if areas is None else Names(areas),
            named,
            {"choices": tuple(kind.name_zh for kind in recorded), "choices_en": tuple(kind.id for kind in recorded)},
            {"choices": zh, "choices_en": en},
        )


@dataclass(frozen=True, slots=True)
class FileDocument:
    """The imported file, which is the document of rows that name none."""

    name: str
    sha256: str


def kind_names(kind: Kind) -> tuple[str, ...]:
    """As it is shown, without its letter, as people say it for short: 清运量; and its letter, which no other has."""
    zh, en = (_LETTER.sub("", name) for name in (kind.name_zh, kind.name_en))
    return kind.name_zh, kind.name_en, zh, en, zh.removeprefix(_WASTE), *_LETTER.findall(kind.name_zh)


def read_row(
    raw: RawRow, header: Header, known: Known, document: FileDocument, limits: Limits
) -> SheetRow | list[SheetError]:
    """The row's input, or its errors in the order of its columns."""
    if raw.width is not None and raw.width < header.width:
        return [header.error("cells_missing", raw.number, raw.width, found=raw.width, wanted=header.width)]
    reading = _Reading(raw, header, limits)
    area = reading.cell("area", lambda cell: _named(cell, known.areas, "area_unknown", AREA_CHARACTERS))
    period = reading.cell("period", read_period)
    kind = reading.cell("kind", lambda cell: _kind(cell, known))
    source = reading.cell("source", lambda cell: read_text(cell, SOURCE_CHARACTERS))
    material = reading.optional("material", lambda cell: _material(cell, known, kind))
    amount = reading.amount(kind)
    name = reading.optional("document", lambda cell: read_text(cell, DOCUMENT_CHARACTERS))
    day = reading.optional("document_date", read_day)
    sha256 = reading.optional("document_sha256", _sha256)
    if sha256 is not None and name is None and not reading.wrong("document"):
        reading.add("document_sha256", "document_missing")
    reading.look_outside()
    if reading.errors or area is None or period is None or kind is None or source is None or amount is None:
        return reading.in_order()
    if name is None:
        name, sha256 = document.name, document.sha256
    return SheetRow(raw.number, area, period, kind.id, source, material, amount[0], amount[1], name, day, sha256)


class _Reading:
    """A row as its cells are read: what is wrong is kept, and the rest is read on."""

    def __init__(self, raw: RawRow, header: Header, limits: Limits) -> None:
        self._raw = raw
        self._header = header
        self._limits = limits
        self.errors: list[tuple[int, SheetError]] = []

    def add(self, column: ColumnId, code: str, **values: object) -> None:
        place = self._header.places.get(column, -1)
        self.errors.append((place, self._header.error(code, self._raw.number, column, **values)))

    def in_order(self) -> list[SheetError]:
        return [error for _, error in sorted(self.errors, key=lambda each: each[0])]

    def wrong(self, column: ColumnId) -> bool:
        return any(place == self._header.places.get(column) for place, _ in self.errors)

    def cell(self, column: ColumnId, read: Callable[[Cell], Value]) -> Value | None:
        """What a required cell says; None where that is an error."""
        found = self._found(column)
        if found is None and not self.wrong(column):
            self.add(column, "cell_empty")
        return self._read(column, found, read)

    def optional(self, column: ColumnId, read: Callable[[Cell], Value]) -> Value | None:
        """What a cell says; None where it is empty, or an error."""
        return self._read(column, self._found(column), read)

    def amount(self, kind: Kind | None) -> tuple[int | None, str] | None:
        unit = self._header.unit
        if kind is not None and kind.unit != unit.measure:
            code = "mass_in_share_unit" if kind.unit == "grams" else "share_in_mass_unit"
            self.add("amount", code, kind=kind.name_zh, unit=unit.name)
            return None
        found = self._found("amount")
        if self.wrong("amount"):
            return None
        try:
            return read_amount(found, unit)
        except CellWrong as wrong:
            self.add("amount", wrong.code, **wrong.values)
            return None

    def look_outside(self) -> None:
        """A value where the header has no column is one that somebody meant for another."""
        for place, cell in self._raw.cells.items():
            if place not in self._header.names:
                value = shown(_as_text(cell))
                error = self._header.error("cell_outside", self._raw.number, place, value=value)
                self.errors.append((place, error))

    def _found(self, column: ColumnId) -> Cell | None:
        place = self._header.places.get(column)
        cell = None if place is None else self._raw.cells.get(place)
        if isinstance(cell, str):
            if len(cell) > self._limits.cell_characters:
                self.add(column, "cell_too_long", limit=self._limits.cell_characters)
                return None
            if FORBIDDEN.search(cell) is not None:
                self.add(column, "characters_forbidden", value=shown(cell))
                return None
        return cell

    def _read(self, column: ColumnId, cell: Cell | None, read: Callable[[Cell], Value]) -> Value | None:
        if cell is None:
            return None
        try:
            return read(cell)
        except CellWrong as wrong:
            self.add(column, wrong.code, **wrong.values)
            return None


def _as_text(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return cell.isoformat() if isinstance(cell, date) else cell.text


def read_text(cell: Cell, characters: int) -> str:
    """In one line. Raises CellWrong."""
    if isinstance(cell, Unreadable):
        raise CellWrong(cell.code, value=shown(cell.text))
    text = cleaned(_as_text(cell))
    if len(text) > characters:
        raise CellWrong("cell_too_long", limit=characters)
    return text


def _named(cell: Cell, names: Names | None, unknown: str, characters: int, **values: object) -> str:
    text = read_text(cell, characters if names is None else 2 * SOURCE_CHARACTERS)
    if names is None:
        return text
    found = names.find(text)
    if not found:
        raise CellWrong(unknown, value=shown(text), **values)
    if len(found) > 1:
        raise CellWrong("name_ambiguous", value=shown(text), choices=tuple(found[:CHOICES_SHOWN]))
    return found[0]


def _kind(cell: Cell, known: Known) -> Kind:
    kind = known.kinds[_named(cell, known.kind_names, "kind_unknown", SOURCE_CHARACTERS, **known.kind_choices)]
    if not kind.recorded:
        raise CellWrong("kind_not_recorded", value=kind.name_zh)
    return kind


def _material(cell: Cell, known: Known, kind: Kind | None) -> str:
    material = _named(cell, known.materials, "material_unknown", AREA_CHARACTERS, **known.material_choices)
    if kind is not None and not kind.takes_material:
        raise CellWrong("material_not_taken", kind=kind.name_zh)
    return material


def _sha256(cell: Cell) -> str:
    text = "".join(narrowed(read_text(cell, DOCUMENT_CHARACTERS)).casefold().split())
    if _SHA256.fullmatch(text) is None:
        raise CellWrong("sha256_wrong", value=shown(text))
    return text
