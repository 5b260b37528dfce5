"""Imports of indicator inputs: a file in, what each of its rows does, and all that is wrong with its place."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, TypeAdapter, WithJsonSchema

from schemas.common import Answer, Request
from schemas.cursors import MomentCursor, NextMomentCursor
from schemas.indicator_inputs import DueLine
from schemas.patterns import one_line

CSV_TYPE = "text/csv"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
IMPORTS_LIMIT_DEFAULT = 20
IMPORTS_LIMIT_MAX = 100
# Of a file's effects, errors and who owes months by it, so many are told.
TOLD_MAX = 1000

FileName = Annotated[str, StringConstraints(strip_whitespace=True, pattern=one_line(300))]
TemplateFormat = Literal["xlsx", "csv"]
UnitName = Literal["g", "kg", "t", "万t", "%", "‰"]
CsvSheet: TypeAdapter[str] = TypeAdapter(
    Annotated[
        str,
        WithJsonSchema(
            {
                "title": "CsvSheet",
                "type": "string",
                "description": "UTF-8, UTF-16 with its mark, or GB18030",
            }
        ),
    ]
)
XlsxSheet: TypeAdapter[bytes] = TypeAdapter(
    Annotated[
        bytes,
        WithJsonSchema(
            {
                "title": "XlsxSheet",
                "type": "string",
                "format": "binary",
                "description": "An Excel workbook (.xlsx): the bytes of the file",
            }
        ),
    ]
)


class ImportQuery(Request):
    file_name: FileName = Field(description="What the file is called: it is the document of rows that name none")
    dry_run: bool = Field(False, description="Nothing is recorded; the answer says what would be, and all errors")
    sheet: Annotated[str, StringConstraints(pattern=one_line(100))] | None = Field(
        None, description="Of a workbook: the sheet to read; the visible one with the header where none is named"
    )


class ImportEffect(Answer):
    """What a row does."""

    row: int = Field(description="As a spreadsheet numbers it")
    area: str
    period: str
    kind: str
    source: str
    material: str | None
    entered: str | None = Field(description="The amount as it stands in the file, with its unit")
    amount: int | None = Field(description="In the unit of the kind, grams or parts per million; null withdraws")
    before: int | None = Field(description="What counted until then; null where nothing did")
    effect: Literal["new", "correction", "unchanged", "withdrawal"]
    version: int = Field(description="Of the input after it")


class SheetProblem(Answer):
    """What is wrong in a file, where, and what to do."""

    pointer: str = Field(description="Such as /rows/7/amount; the file itself where it is empty")
    row: int | None = Field(description="As a spreadsheet numbers it; null of the whole file")
    column: str | None = Field(description="Its letter; null of the whole row")
    column_name: str | None = Field(description="What the header calls it")
    code: str
    zh: str
    en: str


class SheetRemark(Answer):
    """What the reader did that a person may not expect; nothing is wrong."""

    code: str
    zh: str
    en: str


class ImportSummary(Answer):
    """A file that was imported."""

    id: UUID
    file_name: str
    sha256: str = Field(description="Of the file, in hexadecimal digits")
    file_bytes: int
    rows: int
    imported_by: str = Field(description="The name on the API key")
    imported_at: AwareDatetime


class ImportCounts(Answer):
    """How many rows do what; and how many errors there are, of which a row may have several."""

    new: int
    correction: int
    unchanged: int
    withdrawal: int
    errors: int


class ImportResult(Answer):
    """What a file did, or would do. All or nothing: with any error nothing is recorded."""

    dry_run: bool
    import_id: UUID | None = Field(description="Null where nothing was recorded")
    imported_before: ImportSummary | None = Field(
        description="The same file was imported already, by its digest; nothing is recorded again"
    )
    file_name: str
    sha256: str | None = Field(description="Of the file; null of one that is too large to be looked at")
    read_as: str | None = Field(description="The encoding of a CSV file, or the name of a workbook's sheet")
    rows: int
    counts: ImportCounts
    effects: list[ImportEffect] = Field(description=f"Of the first {TOLD_MAX} rows without error, in their order")
    effects_more: int = Field(description="How many are not told")
    errors: list[SheetProblem] = Field(description=f"The first {TOLD_MAX}, in the order of rows")
    errors_more: int = Field(description="How many are not told")
    newly_due: list[DueLine] = Field(
        description="Of waste: the months of which a kind was known of an area and is not any more, with who owes them;"
        f" the first {TOLD_MAX}, by kind and area"
    )
    newly_due_more: int = Field(description="How many are not told")
    notices: list[SheetRemark]


class ImportsQuery(Request):
    limit: Annotated[int, Field(ge=1, le=IMPORTS_LIMIT_MAX)] = IMPORTS_LIMIT_DEFAULT
    cursor: MomentCursor | None = None


class Imports(Answer):
    """Newest first."""

    imports: list[ImportSummary]
    next_cursor: NextMomentCursor


class ImportRecord(ImportSummary):
    """With what came of it. Its inputs: `GET /v1/indicator/inputs?import_id=…`."""

    inputs: int = Field(description="Versions of inputs that it recorded; rows that changed nothing recorded none")
    superseded: int = Field(description="Of those, how many a later version counts instead of")


class TemplateQuery(Request):
    format: TemplateFormat = "xlsx"
    unit: UnitName = Field("t", description="Of the whole sheet; % and ‰ are for shares and factors")
