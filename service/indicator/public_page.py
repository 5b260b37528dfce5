"""The public page of the rate: from plain figures to HTML, in Chinese or English, without scripts. Pure.

What it is given is shown as it is: which volumes may be public is decided before (withholding.py), and a published
figure comes from its publication, never computed anew.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

import jinja2
from markupsafe import Markup

from service.indicator import charts
from service.indicator.chart_layout import LAYOUTS
from service.indicator.formula_words import OF_FORMULA, OF_QUANTITY
from service.indicator.formulas import PERCENT_DIGITS, decimal_text
from service.indicator.public_words import (
    WORDS,
    Language,
    Named,
    Words,
    mass_text,
    month_tick,
    months_text,
    number_text,
    percent_text,
    period_text,
    points_text,
    size_text,
    unit_for,
    unit_text,
)
from service.indicator.targets import target_rate


@dataclass(frozen=True, slots=True)
class Publication:
    """A published figure. `period` as in the API (`2025`); `percent` with the digits it was published with.

    `target_percent` is its year's, None where there is none; `restates` and `superseded_by` are numbers of others.
    `digest` is that of its record, `public_digest` of its public record, None where that is withheld.
    `is_met`, `target_points` (how far the target is, without a sign) and `restated_points` (this figure less the one it
    restates) follow from the exact rates, which two digits can hide."""

    number: str
    period: str
    percent: Decimal
    target_percent: Decimal | None
    formula_id: str
    definition: Named
    digest: str
    published_on: date
    is_met: bool | None = None
    target_points: Decimal | None = None
    restates: str | None = None
    restated_percent: Decimal | None = None
    restated_points: Decimal | None = None
    superseded_by: str | None = None
    public_digest: str | None = None


@dataclass(frozen=True, slots=True)
class RateSoFar:
    """The running year's provisional rate, over `months` (`2026-01`, …), in order. Without a rate, `reason` says why.

    `needed_grams` are still to be recycled to reach the target: 0 where it is reached, None where it is not known."""

    year: int
    months: Sequence[str]
    percent: Decimal | None
    reason: Named | None
    projected_percent: Decimal | None
    needed_grams: int | None


@dataclass(frozen=True, slots=True)
class TargetStep:
    """A year that has a target of its own; between two of them the path is straight."""

    year: int
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Volume:
    """What bins weighed of a material or in an area; None where it is not shown."""

    name: Named
    grams: int | None


@dataclass(frozen=True, slots=True)
class AreaVolume:
    """A subdistrict and its communities, as withholding.py lets them be shown."""

    name: Named
    grams: int | None
    communities: Sequence[Volume]


@dataclass(frozen=True, slots=True)
class Volumes:
    """What bins weighed in `months` (`2026-01`, …, of one year, in order, at least one)."""

    months: Sequence[str]
    grams: int
    by_material: Sequence[Volume]
    by_subdistrict: Sequence[AreaVolume]


@dataclass(frozen=True, slots=True)
class MonthMasses:
    """R, K and C of one month, `2026-03`; None where it is not recorded for it."""

    month: str
    recovered_grams: int | None
    kitchen_treated_grams: int | None
    cleared_grams: int | None


@dataclass(frozen=True, slots=True)
class CoverageInWords:
    """How much of what the rate needs is recorded of `months` (`2026-01`, …): a share of 0 to 100 %, and what is
    missing, in sentences."""

    months: Sequence[str]
    percent: Decimal
    missing: Sequence[Named]


@dataclass(frozen=True, slots=True)
class Download:
    """A file of open data; `href` is relative to the page or begins with `/`."""

    href: str
    name: Named
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class PublicFigures:
    """All that the page shows.

    `published` is the standing figure of the newest published year; `history` every publication of a whole year, newest
    first, the superseded ones too. `months` are of one year, in order. `formula` is what the method section names: that
    of the published figure, or the one a first figure will be computed by; `quantities` are the ids of what it is made
    of. Volumes of a month are shown so many days after its end.
    """

    area_id: str
    area: Named
    made_on: date
    published: Publication | None
    so_far: RateSoFar | None
    target_path: Sequence[TargetStep]
    history: Sequence[Publication]
    volumes: Volumes | None
    months: Sequence[MonthMasses]
    coverage: CoverageInWords | None
    formula_id: str
    formula: Named
    quantities: Sequence[str]
    volumes_after_days: int
    # Of a demonstration: nothing of it is real.
    sample: bool
    downloads: Sequence[Download]


_pages = jinja2.Environment(
    loader=jinja2.PackageLoader("service.indicator", "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters.update(
    percent=percent_text, points=points_text, size=size_text, rounded=lambda percent: f"{percent:.1f}"
)

LICENSE_URL: Final = "https://creativecommons.org/licenses/by/4.0/"
STYLE: Final = _pages.get_template("public.css").render() + charts.STYLE
# The page has one style element and no inline styles; nothing else may run or be fetched.
POLICY: Final = (
    "default-src 'none'; img-src 'self' data:; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def public_page(figures: PublicFigures, language: Language) -> str:
    """The whole page as HTML. Send it with POLICY, and with Content-Language: WORDS[language].html_lang."""
    words = WORDS[language]
    return _pages.get_template("public.html").render(
        figures=figures,
        words=words,
        style=Markup(STYLE),  # noqa: S704  # our own file; the tests see that nothing of it needs escaping
        rate_chart=_rate_chart(figures, words),
        material_chart=_material_chart(figures, words),
        subdistrict_chart=_subdistrict_chart(figures, words),
        month_chart=_month_chart(figures, words),
        path_rows=path_rows(figures),
        of_formula=OF_FORMULA,
        masses=[OF_QUANTITY[each].of(language) for each in figures.quantities],
        license_url=LICENSE_URL,
        month_unit=unit_text(month_unit(figures), language),
        in_month_unit=lambda grams: number_text(grams, month_unit(figures)),
        target_in=target_in,
        apart=apart,
        name=lambda named: named.of(language),
        mass=lambda grams: mass_text(grams, language),
        period=lambda text: period_text(text, language),
        span=lambda months: months_text(months, language),
    )


def problem_page(title_zh: str, title: str, detail_zh: str, detail: str) -> str:
    """Why there is no page, as HTML in both languages. Send it with POLICY."""
    return _pages.get_template("public_problem.html").render(
        title_zh=title_zh,
        title=title,
        detail_zh=detail_zh,
        detail=detail.replace("`", ""),
        style=Markup(STYLE),  # noqa: S704  # as above
    )


def target_in(path: Sequence[TargetStep], year: int) -> Decimal | None:
    """The target of a year in percent, straight between two years that have one; None outside of the path.

    To two digits after the point, half to even, without zeros at the end."""
    rate = target_rate({each.year: round(each.percent * 10) for each in path}, year)
    return None if rate is None else Decimal(decimal_text(rate * 100, PERCENT_DIGITS)).normalize()


def apart(whole: int | None, parts: Sequence[int | None]) -> int:
    """Grams of a sum that are in none of the parts that are shown."""
    return (whole or 0) - sum(part for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class PathRow:
    """A year of the table beside the first chart."""

    year: int
    percent: Decimal | None
    projected_percent: Decimal | None
    target_percent: Decimal | None
    provisional: bool


def path_rows(figures: PublicFigures) -> list[PathRow]:
    """The first chart's figures by year: published ones, the running year's, targets."""
    published = {year: each.percent for year, each in _standing(figures)}
    so_far = figures.so_far
    years = {*published, *(step.year for step in figures.target_path), *({so_far.year} if so_far else ())}
    rows = []
    for year in sorted(years):
        running = so_far if so_far is not None and so_far.year == year and year not in published else None
        rows.append(
            PathRow(
                year=year,
                percent=running.percent if running else published.get(year),
                projected_percent=running.projected_percent if running else None,
                target_percent=target_in(figures.target_path, year),
                provisional=running is not None,
            )
        )
    return rows


def _standing(figures: PublicFigures) -> list[tuple[int, Publication]]:
    """By year, the publications of whole years that none has superseded; of a year the one by the page's formula, where
    it has figures by several."""
    standing: dict[int, Publication] = {}
    for each in figures.history:
        if each.superseded_by is None and each.period.isdecimal():
            year = int(each.period)
            if year not in standing or each.formula_id == figures.formula_id:
                standing[year] = each
    return sorted(standing.items())


def _drawn(parts: Sequence[str]) -> Markup:
    # Made by ElementTree, which escapes every text.
    return Markup("\n".join(parts))  # noqa: S704


def _rate_chart(figures: PublicFigures, words: Words) -> Markup | None:
    """Nothing where there is neither a rate nor a target."""
    points = [
        charts.Point(year, str(year), each.percent, percent_text(each.percent)) for year, each in _standing(figures)
    ]
    so_far = figures.so_far
    if so_far is not None and all(so_far.year != each.at for each in points):
        at = so_far.year - 1 + len(so_far.months) / 12
        if so_far.percent is not None:
            points.append(charts.Point(at, "", so_far.percent, percent_text(so_far.percent), "provisional"))
        if so_far.projected_percent is not None:
            expected = so_far.projected_percent
            points.append(charts.Point(so_far.year, str(so_far.year), expected, percent_text(expected), "projected"))
    target = [
        charts.Point(each.year, str(each.year), each.percent, percent_text(each.percent))
        for each in figures.target_path
    ]
    if not points and not target:
        return None
    said = [
        (words.path_rates, [_said(point, so_far, words) for point in points]),
        (words.path_targets, [_said(point, None, words) for point in target]),
    ]
    caption = charts.Caption(
        words.path_title.format(area=figures.area.of(words.language), indicator=words.indicator),
        " ".join(f"{name}: {words.separator.join(texts)}{words.stop}" for name, texts in said if texts),
    )
    names = charts.LineNames(
        words.measured, words.provisional_mark, words.projected_mark, words.target_mark, words.axis_from
    )
    return _drawn([charts.line_chart("rate", caption, points, target, names, layout) for layout in LAYOUTS])


def _said(point: charts.Point, so_far: RateSoFar | None, words: Words) -> str:
    """A point in words: 2025 36.42%."""
    if point.kind == "measured" or so_far is None:
        return f"{point.tick} {point.text}"
    mark = words.provisional_mark if point.kind == "provisional" else words.projected_mark
    return f"{so_far.year} {point.text} ({mark})"


def _bars(key: str, title: str, rows: Sequence[tuple[str, int | None]], words: Words) -> Markup:
    bars = [
        charts.Bar(
            name,
            None if grams is None else Decimal(grams),
            words.not_shown if grams is None else mass_text(grams, words.language),
        )
        for name, grams in rows
    ]
    caption = charts.Caption(title, words.separator.join(f"{each.label} {each.text}" for each in bars) + words.stop)
    return _drawn([charts.bar_chart(key, caption, bars, layout) for layout in LAYOUTS])


def _material_chart(figures: PublicFigures, words: Words) -> Markup | None:
    if figures.volumes is None:
        return None
    rows = [(each.name.of(words.language), each.grams) for each in figures.volumes.by_material]
    return _bars("material", f"{words.volumes}: {words.by_material}", _largest_first(rows), words)


def _subdistrict_chart(figures: PublicFigures, words: Words) -> Markup | None:
    if figures.volumes is None:
        return None
    rows = [(each.name.of(words.language), each.grams) for each in figures.volumes.by_subdistrict]
    return _bars("subdistrict", f"{words.volumes}: {words.by_subdistrict}", _largest_first(rows), words)


def _largest_first(rows: Sequence[tuple[str, int | None]]) -> list[tuple[str, int | None]]:
    return sorted(rows, key=lambda row: -1 if row[1] is None else row[1], reverse=True)


def month_unit(figures: PublicFigures) -> int:
    """Of the columns and the table of months, in grams: that of the largest month."""
    return unit_for(max((sum(grams or 0 for grams in stacked(each)) for each in figures.months), default=0))


def stacked(masses: MonthMasses) -> tuple[int | None, int | None, int | None]:
    """R, K, and what was cleared besides: K is part of C, and all that arose is C + R. None for what is not known, and
    where K is more than C."""
    kitchen, cleared = masses.kitchen_treated_grams, masses.cleared_grams
    rest = None if kitchen is None or cleared is None or kitchen > cleared else cleared - kitchen
    return masses.recovered_grams, kitchen, rest


def _month_chart(figures: PublicFigures, words: Words) -> Markup | None:
    if not figures.months:
        return None
    masses = [stacked(each) for each in figures.months]
    unit_grams = month_unit(figures)
    columns = [
        charts.Column(
            month_tick(each.month, words.language),
            tuple(None if grams is None else Decimal(grams) / unit_grams for grams in of_month),
        )
        for each, of_month in zip(figures.months, masses, strict=True)
    ]
    series = (words.recovered, words.kitchen, words.cleared_rest)
    said = [
        period_text(each.month, words.language)
        + " "
        + ", ".join(
            f"{symbol} {words.not_known if grams is None else mass_text(grams, words.language)}"
            for symbol, grams in (
                ("R", each.recovered_grams),
                ("K", each.kitchen_treated_grams),
                ("C", each.cleared_grams),
            )
        )
        for each in figures.months
    ]
    caption = charts.Caption(words.months, words.separator.join(said) + words.stop)
    unit = unit_text(unit_grams, words.language)
    return _drawn([charts.column_chart("months", caption, columns, series, unit, layout) for layout in LAYOUTS])
