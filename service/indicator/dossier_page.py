"""The dossier as a page to print: Chinese, A4, charts as SVG, with nothing from any other host and no script."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from service.files.pages import pages_of
from service.indicator import charts
from service.indicator import dossier_words as words
from service.indicator.chart_layout import LAYOUTS
from service.indicator.dossier_figures import OWN, Amount, Dossier, FigureRow, InputRow
from service.indicator.formulas import PERCENT_DIGITS, decimal_text
from service.indicator.kinds import KINDS, POINTS
from service.moments import on_paper
from service.periods import YEAR_MONTHS

# Documents and failed checks that are listed; the workbook has all.
DOCUMENTS_MAX: Final = 60
SOURCES_MAX: Final = 40
CHECKS_MAX: Final = 40
# So many characters of a digest name a file among some thousand.
DIGEST_CHARACTERS: Final = 16

_pages = pages_of("service.indicator")


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """The counted inputs of a kind that were taken from one document; `tonnes` is empty of a share."""

    kind: str
    name: str
    day: str
    digest: str
    inputs: int
    tonnes: str


@dataclass(frozen=True, slots=True)
class SourceRow:
    """The counted inputs of a kind that one source reported."""

    kind: str
    source: str
    documents: int
    inputs: int
    tonnes: str


def dossier_page(dossier: Dossier, zone: str) -> str:
    """The whole HTML document; takes its time, so in a thread."""
    facts, figure = dossier.facts, dossier.facts.figure
    documents = _documents(dossier.inputs)
    sources = _sources(dossier.inputs)
    statuses = {name: sum(1 for each in dossier.inputs if each.status == name) for name in words.STATUSES}
    failed = [each for each in dossier.checks if not each.is_equal]
    return _pages.get_template("dossier.html").render(
        title=f"{facts.place.name} {facts.year} 年城市生活垃圾回收利用率档案",
        dossier=dossier,
        facts=facts,
        figure=figure,
        words=words,
        points=POINTS,
        own=OWN,
        chart_style=charts.STYLE,
        summary=words.summary(dossier, zone),
        method=words.method(dossier),
        kinds=words.kinds_of_method(dossier),
        columns=words.columns_zh(dossier),
        rate_chart=_rate_chart(dossier),
        month_chart=_month_chart(dossier),
        recovered_chart=_recovered_chart(dossier),
        part_rates_chart=_part_rates_chart(dossier),
        sources=sources[:SOURCES_MAX],
        sources_rest=max(0, len(sources) - SOURCES_MAX),
        # All of them, or none: the workbook has each in either case.
        documents=documents if len(documents) <= DOCUMENTS_MAX else [],
        documents_count=len(documents),
        areas=[row for row in dossier.areas if row.place.id != OWN or any(each.grams for each in row.amounts)],
        statuses=[(words.STATUSES[name][0], count) for name, count in statuses.items() if count],
        publications=[(each, on_paper(each.decided_at or each.proposed_at, zone)) for each in facts.published],
        failed=failed[:CHECKS_MAX],
        failed_rest=max(0, len(failed) - CHECKS_MAX),
        digest_characters=DIGEST_CHARACTERS,
    )


def _drawn(key: str, caption: charts.Caption, draw: Any) -> str:
    # Made by ElementTree, which escapes every text.
    return "\n".join(draw(key, caption, layout) for layout in LAYOUTS)


def _rate_chart(dossier: Dossier) -> str | None:
    """Each month's rate beside the year's target; nothing where there is neither."""
    facts, goal = dossier.facts, dossier.goal
    points = [
        charts.Point(each.period.first_month, f"{each.period.first_month}月", _percent(each.rate), _text(each.rate))
        for each in dossier.months
        if each.rate is not None
    ]
    if not points:
        return None
    # A year has one target: a level line, which the legend names.
    named = "" if goal is None else f"{facts.year} 年目标 {_text(goal.rate)}"
    target = [] if goal is None else [charts.Point(at, f"{at}月", _percent(goal.rate), "") for at in (1, YEAR_MONTHS)]
    told = "，".join(f"{each.tick} {each.text}" for each in points)
    aimed = "" if goal is None else f"全年目标 {_text(goal.rate)}。"
    caption = charts.Caption(f"{facts.year} 年各月回收利用率与目标", f"{told}。{aimed}")
    names = charts.LineNames("当月回收利用率", "累计", "预计", named, "纵轴自 {low}% 起")
    return _drawn(
        "rate",
        caption,
        lambda key, caption, layout: charts.line_chart(key, caption, points, target, names, layout),
    )


def _percent(rate: Fraction) -> Decimal:
    return Decimal(decimal_text(rate * 100, PERCENT_DIGITS))


def _text(rate: Fraction) -> str:
    return words.percent(rate)


def _month_chart(dossier: Dossier) -> str | None:
    """What arose in each month by what became of it: its columns are as high as the denominator."""
    parts = [_parts_of(dossier, each) for each in dossier.months]
    if not any(value for of_month in parts for value in of_month):
        return None
    columns = [
        charts.Column(f"{each.period.first_month}月", tuple(None if one is None else _tonnes(one) for one in of_month))
        for each, of_month in zip(dossier.months, parts, strict=True)
    ]
    series = ("可回收物回收量 R", "其他计入分子的量", "其余产生量")
    if [each.quantity.id for each in dossier.columns][:3] == ["recovered", "kitchen_treated", "cleared"]:
        series = ("可回收物 R", "厨余处理 K", "其余清运（C − K）")
    told = "；".join(
        f"{each.period.first_month}月 "
        + "，".join(f"{name} {words.short_tonnes(one)} 吨" for name, one in zip(series, of_month, strict=True))
        for each, of_month in zip(dossier.months, parts, strict=True)
    )
    caption = charts.Caption("各月产生量的构成", f"{told}。")
    return _drawn(
        "months",
        caption,
        lambda key, caption, layout: charts.column_chart(key, caption, columns, series, "吨", layout),
    )


def _parts_of(dossier: Dossier, row: FigureRow) -> tuple[Fraction | None, Fraction | None, Fraction | None]:
    """R, what else is in the numerator, and what else is in the denominator; None for what is not known or is no part,
    as where rejects are deducted."""
    amounts = dict(zip((each.quantity.id for each in dossier.columns), row.amounts, strict=True))
    recovered = amounts.get("recovered", Amount(None, False)).grams
    kitchen = amounts.get("kitchen_treated", Amount(None, False))
    quotient = row.quotient
    if quotient is None or row.rate is None or recovered is None:
        return recovered, kitchen.grams if kitchen.is_whole else None, None
    return (
        min(recovered, quotient.numerator_grams),
        max(Fraction(0), quotient.numerator_grams - recovered),
        quotient.denominator_grams - quotient.numerator_grams,
    )


def _tonnes(grams: Fraction) -> Decimal:
    return Decimal(decimal_text(grams / words.TONNE_GRAMS, words.TONNE_DIGITS))


def _recovered_chart(dossier: Dossier) -> str | None:
    """The recyclables of each part of the area."""
    place = next((number for number, each in enumerate(dossier.columns) if each.quantity.id == "recovered"), None)
    if place is None or not dossier.areas:
        return None
    bars = [
        charts.Bar(
            words.area_zh(row, dossier.facts.place.name),
            None if grams is None else _tonnes(grams),
            f"{words.short_tonnes(grams)} 吨",
        )
        for row in dossier.areas
        for grams in (row.amounts[place].grams,)
        if row.place.id != OWN or grams
    ]
    return _bars("recovered", "各分区可回收物回收量", bars)


def _part_rates_chart(dossier: Dossier) -> str | None:
    """The rates of the parts; nothing where none has one."""
    rows = [row for row in dossier.areas if row.place.id != OWN]
    if all(row.rate is None for row in rows):
        return None
    bars = [
        charts.Bar(row.place.name, None if row.rate is None else _percent(row.rate), words.percent(row.rate))
        for row in rows
    ]
    return _bars("parts", "各分区回收利用率", bars)


def _bars(key: str, title: str, bars: Sequence[charts.Bar]) -> str:
    caption = charts.Caption(title, "；".join(f"{each.label} {each.text}" for each in bars) + "。")
    return _drawn(key, caption, lambda key, caption, layout: charts.bar_chart(key, caption, bars, layout))


def _sources(inputs: Sequence[InputRow]) -> list[SourceRow]:
    """Of each kind in the order of kinds those of most mass first."""
    groups: dict[tuple[str, str], list[InputRow]] = {}
    for row in _counted(inputs):
        groups.setdefault((row.kind, row.source), []).append(row)
    order = {kind: place for place, kind in enumerate(KINDS)}
    found = sorted(groups.items(), key=lambda group: (order[group[0][0]], -_total(group[1]), group[0][1]))
    return [
        SourceRow(
            kind=KINDS[kind].name_zh,
            source=source if rows[0].stored is not None else "回收箱称重事件",
            documents=len({_document(row) for row in rows if row.stored is not None}),
            inputs=len(rows),
            tonnes=_tonnes_of(kind, rows),
        )
        for (kind, source), rows in found
    ]


def _documents(inputs: Sequence[InputRow]) -> list[DocumentRow]:
    """In the order of kinds, and of days."""
    groups: dict[tuple[str, tuple[str, str, str]], list[InputRow]] = {}
    for row in _counted(inputs):
        if row.stored is not None:
            groups.setdefault((row.kind, _document(row)), []).append(row)
    order = {kind: place for place, kind in enumerate(KINDS)}
    found = sorted(groups.items(), key=lambda group: (order[group[0][0]], group[0][1]))
    return [
        DocumentRow(KINDS[kind].name_zh, name, day, digest[:DIGEST_CHARACTERS], len(rows), _tonnes_of(kind, rows))
        for (kind, (day, name, digest)), rows in found
    ]


def _counted(inputs: Sequence[InputRow]) -> Iterator[InputRow]:
    return (row for row in inputs if row.status == "counted")


def _document(row: InputRow) -> tuple[str, str, str]:
    """Day, name and digest; nothing of what bins weighed."""
    if row.stored is None:
        return "", "", ""
    document = row.stored.document
    return "" if document.day is None else document.day.isoformat(), document.name, document.sha256 or ""


def _total(rows: Sequence[InputRow]) -> int:
    return sum(row.amount or 0 for row in rows)


def _tonnes_of(kind: str, rows: Sequence[InputRow]) -> str:
    return words.short_tonnes(Fraction(_total(rows))) if KINDS[kind].unit == "grams" else ""
