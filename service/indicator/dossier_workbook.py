"""The dossier as a workbook. What is a number is a number, where a spreadsheet's fifteen digits hold it."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeAlias

from schemas.publications import PublicationSummary
from service.files.sheets import Lines, open_book, shown_text
from service.indicator import dossier_words as words
from service.indicator.dossier_figures import AreaRow, Dossier, FigureRow, InputRow
from service.indicator.formulas import PERCENT_DIGITS, decimal_text, exact_grams
from service.indicator.kinds import KINDS, POINTS
from service.moments import on_paper

Cell: TypeAlias = str | int | float | None
# A spreadsheet keeps fifteen digits: so many grams are exact, also as tonnes.
NUMBER_GRAMS_MAX: Final = 10**15
TONNES_FORMAT: Final = "#,##0.000000"
GRAMS_FORMAT: Final = "#,##0"
PERCENT_FORMAT: Final = "0.00%"
POINTS_FORMAT: Final = "+0.0000;-0.0000;0.0000"

SHEETS: Final = (
    "摘要 Summary",
    "方法 Method",
    "月度 Monthly",
    "分区 By subdistrict",
    "数据来源 Inputs",
    "公布与重述 Restatements",
    "核验 Checks",
)
INPUT_HEADER: Final = (
    "编号 Id",
    "状态 Status",
    "原因 Why",
    "区域代码 Area",
    "区域 Name",
    "期间 Period",
    "类别代码 Kind",
    "类别 Kind",
    "计量环节 Counting point",
    "来源 Source",
    "材料 Material",
    "版本 Version",
    "吨 Tonnes",
    "克 Grams",
    "百万分比 Ppm",
    "录入原文 As entered",
    "文件 Document",
    "文件日期 Date",
    "文件摘要 SHA-256",
    "录入人 Recorded by",
    "录入时间 Recorded at",
    "用于公布 In the publication",
)
PUBLICATION_HEADER: Final = (
    "编号 Number",
    "期间 Period",
    "比率 Rate",
    "精确商（克/克）Exact quotient",
    "公式 Formula",
    "计量环节 Counted at",
    "代替 Restates",
    "差（百分点）Difference, points",
    "重述原因 Reason",
    "被代替 Restated by",
    "提案人 Proposed by",
    "提案时间 Proposed at",
    "公布人 Published by",
    "公布时间 Published at",
    "摘要 SHA-256",
    "程序版本 Code version",
)
FIGURE_END: Final = ("分子（克）Numerator, g", "分母（克）Denominator, g", "比率 Rate", "精确商（克/克）Exact quotient")


def write_workbook(dossier: Dossier, zone: str, path: Path) -> None:
    """One sheet after the other, in constant memory beside the dossier itself; takes its time, so in a thread."""
    book = open_book(path)
    try:
        formats = _Formats(book)
        _write_said(book, SHEETS[0], words.summary(dossier, zone))
        _write_method(book, dossier)
        _write_months(book, dossier, formats)
        _write_areas(book, dossier, formats)
        _write_inputs(book, dossier, zone, formats)
        _write_publications(book, dossier, zone, formats)
        _write_checks(book, dossier)
    finally:
        # Also where it is not whole, or its parts would stay behind.
        book.close()


class _Formats:
    """Of cells, plain and for rows that sum up others."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._known: dict[tuple[str, bool], Any] = {}

    def of(self, number_format: str, *, strong: bool = False) -> Any:
        key = number_format, strong
        if key not in self._known:
            self._known[key] = self._book.add_format({"num_format": number_format, "bold": strong})
        return self._known[key]

    def figures(self, columns: int, *, strong: bool) -> list[Any]:
        """Tonnes and grams of each quantity, and FIGURE_END."""
        pair = [self.of(TONNES_FORMAT, strong=strong), self.of(GRAMS_FORMAT, strong=strong)]
        grams, text = self.of(GRAMS_FORMAT, strong=strong), self.of("General", strong=strong)
        return [*pair * columns, grams, grams, self.of(PERCENT_FORMAT, strong=strong), text]


def mass_cells(grams: Fraction | None) -> tuple[Cell, Cell]:
    """Tonnes and grams: numbers where they are exact as such, else text with all digits; nothing for the unknown."""
    if grams is None:
        return "", ""
    return _tonnes_cell(grams), _grams_cell(grams)


def _tonnes_cell(grams: Fraction) -> Cell:
    if _is_number(grams):
        # The nearest double, which reads back as the same six digits.
        return grams.numerator / words.TONNE_GRAMS
    return words.tonnes(grams).replace(",", "")


def _grams_cell(grams: Fraction | None) -> Cell:
    if grams is None:
        return ""
    return grams.numerator if _is_number(grams) else exact_grams(grams)


def _is_number(grams: Fraction) -> bool:
    return grams.denominator == 1 and abs(grams) < NUMBER_GRAMS_MAX


def rate_cell(rate: Fraction | None) -> Cell:
    """Rounded as it is published, or the spreadsheet would round another way."""
    return "" if rate is None else float(Decimal(decimal_text(rate * 100, PERCENT_DIGITS)) / 100)


def _write_said(book: Any, name: str, said: Sequence[words.Said]) -> None:
    lines = Lines(book, name, ("项目 Item", "内容 Value"), [40, 90])
    lines.write((each.label, shown_text(each.in_both)) for each in said)


def _write_method(book: Any, dossier: Dossier) -> None:
    header = ("项目 Item", "内容 Value", "单位 Unit", "计量环节 Counting point", "定义 Definition")
    lines = Lines(book, SHEETS[1], header, [40, 60, 10, 22, 80])
    lines.write((each.label, each.in_both) for each in words.method(dossier))
    lines.write([("数据类别 Kinds", "处理 What becomes of it")])
    lines.write(
        (
            f"{kind.name_zh} {kind.id}",
            what,
            kind.unit,
            "" if kind.point is None else POINTS[kind.point][0],
            f"{kind.definition_zh} {kind.definition_en}",
        )
        for kind, what in words.kinds_of_method(dossier)
    )


def _figure_header(dossier: Dossier) -> list[str]:
    return [f"{name}（{unit}）" for name in words.columns_zh(dossier) for unit in ("吨", "克")] + [*FIGURE_END]


def _figure_cells(row: FigureRow | AreaRow) -> list[Cell]:
    quotient = row.quotient
    masses = [cell for each in row.amounts for cell in mass_cells(each.grams)]
    ends = (None, None) if quotient is None else (quotient.numerator_grams, quotient.denominator_grams)
    return [*masses, *map(_grams_cell, ends), rate_cell(row.rate), words.quotient_text(quotient)]


def _write_months(book: Any, dossier: Dossier, formats: _Formats) -> None:
    header = ("期间 Period", "期间代码 Code", *_figure_header(dossier), "说明 Note")
    lines = Lines(book, SHEETS[2], header, [20, 18])
    for row in dossier.rows:
        strong = row.kind in ("quarter", "to_date", "year")
        text = formats.of("General", strong=strong)
        cells = (words.row_zh(row), str(row.period), *_figure_cells(row), words.note_zh(row))
        lines.write([cells], [text, text, *formats.figures(len(row.amounts), strong=strong), text])


def _write_areas(book: Any, dossier: Dossier, formats: _Formats) -> None:
    ends = ("说明 Note", "覆盖率 Coverage", "投放点 Sites", "有数据的投放点 Sites with volume")
    header = ("区域代码 Area", "区域 Name", "Name", *_figure_header(dossier), *ends)
    lines = Lines(book, SHEETS[3], header, [18])
    facts, text = dossier.facts, formats.of("General")
    figures = formats.figures(len(dossier.columns), strong=False)
    for row in dossier.areas:
        names = (row.place.id, shown_text(words.area_zh(row, facts.place.name)), shown_text(row.place.name_en))
        told = (row.why_zh, words.coverage_percent(row.coverage), row.sites, row.sites_with_volume)
        lines.write([(*names, *_figure_cells(row), *told)], [text] * 3 + figures + [text] * 4)
    [year] = [row for row in dossier.rows if row.kind == "year"]
    names = (facts.place.id, "合计 Total", shown_text(facts.place.name_en))
    told = (year.why_zh, words.coverage_percent(facts.coverage.share), facts.sites, facts.sites_with_volume)
    strong = formats.of("General", strong=True)
    totals = formats.figures(len(dossier.columns), strong=True)
    lines.write([(*names, *_figure_cells(year), *told)], [strong] * 3 + totals + [strong] * 4)


def _write_inputs(book: Any, dossier: Dossier, zone: str, formats: _Formats) -> None:
    lines = Lines(book, SHEETS[4], INPUT_HEADER, [10, 16, 22, 14, 18, 14])
    text = formats.of("General")
    of_columns = [text] * 12 + [formats.of(TONNES_FORMAT), formats.of(GRAMS_FORMAT)] + [text] * 8
    lines.write(_input_rows(dossier, zone), of_columns)


def _input_rows(dossier: Dossier, zone: str) -> Iterator[Sequence[Cell]]:
    names = dossier.facts.names
    for row in dossier.inputs:
        status = " ".join(words.STATUSES[row.status])
        why = f"{row.why_zh} {row.why_en}".strip()
        number = "" if row.stored is None else row.stored.id
        yield (number, status, why, *_what(row, names), *_evidence(row, zone))


def _what(row: InputRow, names: Mapping[str, str]) -> Sequence[Cell]:
    """From the area to the amount."""
    kind = KINDS[row.kind]
    mass = Fraction(row.amount) if row.amount is not None and kind.unit == "grams" else None
    return (
        row.area_id,
        shown_text(names.get(row.area_id)),
        str(row.period),
        kind.id,
        kind.name_zh,
        "" if kind.point is None else POINTS[kind.point][0],
        shown_text(row.source),
        shown_text(row.material),
        "" if row.stored is None else row.stored.version,
        *mass_cells(mass),
        row.amount if kind.unit == "ppm" else "",
    )


def _evidence(row: InputRow, zone: str) -> Sequence[Cell]:
    """From what was entered to whether it was published."""
    if row.stored is None:
        return "", "称重事件累计 weigh events", "", "", "", "", ""
    each = row.stored
    return (
        shown_text(each.entered),
        shown_text(each.document.name),
        "" if each.document.day is None else each.document.day.isoformat(),
        each.document.sha256 or "",
        shown_text(each.recorded_by),
        on_paper(each.recorded_at, zone),
        {None: "", True: "是 yes", False: "否 no"}[row.in_publication],
    )


def _write_publications(book: Any, dossier: Dossier, zone: str, formats: _Formats) -> None:
    lines = Lines(book, SHEETS[5], PUBLICATION_HEADER, [12, 14, 12, 30, 28, 14])
    text = formats.of("General")
    of_columns = [text, text, formats.of(PERCENT_FORMAT)] + [text] * 13
    lines.write((_publication(each, zone) for each in dossier.facts.published), of_columns)
    if not dossier.facts.published:
        lines.write([("尚未发布", "not published")])


def _publication(each: PublicationSummary, zone: str) -> Sequence[Cell]:
    restates = each.restates
    return (
        each.number,
        each.period,
        float(Decimal(each.rate_percent) / 100),
        f"{each.numerator_grams}/{each.denominator_grams}",
        f"{each.formula} v{each.formula_version}",
        each.counted_at,
        "" if restates is None else restates.number,
        "" if restates is None else float(restates.difference_percentage_points),
        "" if restates is None else shown_text(restates.reason),
        each.restated_by,
        shown_text(each.proposed_by.name),
        on_paper(each.proposed_at, zone),
        "" if each.decided_by is None else shown_text(each.decided_by.name),
        "" if each.decided_at is None else on_paper(each.decided_at, zone),
        each.digest,
        each.code_version,
    )


def _write_checks(book: Any, dossier: Dossier) -> None:
    header = ("核验项 What", "公布时 Published", "由存档数据重算 Recomputed", "一致 Equal")
    lines = Lines(book, SHEETS[6], header, [24, 70, 70, 12])
    latest = dossier.facts.latest
    if latest is None:
        lines.write([("尚未发布", "not published")])
        return
    equal = all(step.is_equal for step in dossier.checks)
    number = latest.summary.number
    lines.write([(f"第 {number} 号公布 publication {number}", "", "", _yes(equal))])
    lines.write(
        (step.what, shown_text(step.published), shown_text(step.recomputed), _yes(step.is_equal))
        for step in dossier.checks
    )


def _yes(equal: bool) -> str:
    return "是 yes" if equal else "否 no"
