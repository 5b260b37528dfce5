"""One input as its row of a sheet says it, and what is wrong with a sheet of inputs. Pure."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from service.indicator.importing.words import WORDS
from service.periods import Period
from service.sheets.cells import SheetError


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One input as its row says it; `number` is the row's, as a spreadsheet shows it.

    `period` is a year, a quarter or a month; `kind` an id. `amount` is in grams, or in parts per million
    of a share; None withdraws the input. `entered` is the amount as written, with its unit. `document_sha256` is hex.
    Where no document is named, it is the file itself.
    """

    number: int
    area: str
    period: Period
    kind: str
    source: str
    material: str | None
    amount: int | None
    entered: str
    document_name: str
    document_date: date | None
    document_sha256: str | None


def input_error(
    code: str, *, row: int | None = None, column: int | None = None, name: str | None = None, **values: Any
) -> SheetError:
    """As SheetError.of has it, also in the words that only a sheet of inputs has."""
    return SheetError.of(code, row=row, column=column, name=name, words=WORDS, **values)
