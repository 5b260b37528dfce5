"""Open data of the rate: JSON and CSV from what was gathered; no I/O.

CSV is in UTF-8 with a byte order mark, by which spreadsheets know it; a text that one would take for a formula begins
with an apostrophe.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from schemas.indicator import RateFormula
from schemas.public import (
    NamedPlace,
    OpenLicense,
    PublicAreaMass,
    PublicCoverage,
    PublicFigure,
    PublicMass,
    PublicMonth,
    PublicRate,
    PublicRestated,
    PublicSentence,
    PublicVolumes,
    PublicYearSoFar,
)
from service.files.sheets import shown_text
from service.indicator.public import PublicData, PublicPlace, Shown
from service.indicator.public_page import LICENSE_URL
from service.indicator.public_publications import PublishedYear
from service.indicator.public_words import Named
from service.indicator.record import difference_points
from service.indicator.withholding import DROPS_MIN

LICENSE: Final = OpenLicense(
    name="Creative Commons Attribution 4.0 International (CC BY 4.0)",
    name_zh="知识共享署名 4.0 国际（CC BY 4.0）",
    url=LICENSE_URL,
)
LICENSE_ID: Final = "CC-BY-4.0"
RATE_COLUMNS: Final = (
    *("area_id", "area_zh", "area_en", "period", "status", "measure", "measure_zh", "measure_en", "value", "unit"),
    *("formula", "publication", "restates", "restated_by", "digest_sha256", "public_digest_sha256", "license"),
)
VOLUME_COLUMNS: Final = (
    *("month", "area_id", "area_zh", "area_en", "area_kind", "parent_area_id"),
    *("material_id", "material_zh", "material_en", "grams", "license"),
)
ALL_MATERIALS: Final = Named("全部品类", "all materials")
MEASURES: Final = {
    "rate_percent": Named("回收利用率", "recycling rate"),
    "target_percent": Named("目标", "target"),
    "recovered_grams": Named("可回收物回收量 R", "recyclables recovered R"),
    "kitchen_treated_grams": Named("厨余垃圾处理量 K", "kitchen waste treated K"),
    "cleared_grams": Named("生活垃圾清运量 C", "waste cleared C"),
}


def record_path(number: int) -> str:
    return f"/public/publications/{number}.json"


def public_rate(data: PublicData) -> PublicRate:
    """All of it as the contract's model."""
    outlook, standing = data.outlook, data.standing
    rates = {each.number: each for each in data.published}
    history = [_figure(each, rates) for each in data.published]
    return PublicRate(
        license=LICENSE,
        sample=data.sample,
        area=_named(data.area),
        made_on=data.made_on.isoformat(),
        formula=outlook.formula if standing is None else RateFormula.model_validate(standing.figure["formula"]),
        published=next((each for each in history if standing is not None and each.number == standing.number), None),
        history=history,
        year_so_far=_so_far(data),
        targets=outlook.target_path,
        months=[
            PublicMonth(
                month=each.month,
                recovered_grams=each.recovered_grams,
                kitchen_treated_grams=each.kitchen_treated_grams,
                cleared_grams=each.cleared_grams,
            )
            for each in data.months
        ],
        coverage=None
        if data.coverage is None
        else PublicCoverage(
            months=list(data.coverage.months),
            percent=f"{data.coverage.percent:f}",
            missing=[PublicSentence(zh=each.zh, en=each.en) for each in data.coverage.missing],
        ),
        volumes=None if data.shown is None else _volumes(data, data.shown),
    )


def _named(place: PublicPlace) -> NamedPlace:
    return NamedPlace(id=place.id, name=place.name.zh, name_en=place.name.en)


def _figure(each: PublishedYear, published: dict[int, PublishedYear]) -> PublicFigure:
    figure = each.figure
    old = None if each.restates is None else published[each.restates]
    return PublicFigure(
        number=each.number,
        year=each.year,
        rate=figure["rate"],
        rate_percent=figure["rate_percent"],
        numerator_grams=figure["numerator_grams"],
        denominator_grams=figure["denominator_grams"],
        target_percent=None if figure["target"] is None else figure["target"]["rate_percent"],
        formula=figure["formula"]["id"],
        formula_version=figure["formula"]["version"],
        counted_at=figure["counted_at"],
        published_at=each.published_at,
        digest=each.digest,
        public_record=None if each.public_digest is None else record_path(each.number),
        public_digest_sha256=each.public_digest,
        restates=None
        if old is None
        else PublicRestated(
            number=old.number,
            rate_percent=old.figure["rate_percent"],
            difference_percentage_points=difference_points(each.rate, old.rate),
        ),
        restated_by=each.restated_by,
    )


def _so_far(data: PublicData) -> PublicYearSoFar:
    outlook, projection = data.outlook, data.outlook.projection
    return PublicYearSoFar(
        year=outlook.year,
        period=outlook.so_far.period,
        rate_percent=outlook.so_far.rate_percent,
        counted_at=outlook.counted_at,
        projected_rate_percent=None if projection is None else projection.rate_percent,
        past_years=[] if projection is None else projection.past_years,
        how_zh=None if projection is None else projection.how_zh,
        how_en=None if projection is None else projection.how_en,
        needed_grams=data.needed_grams,
        reason_zh=outlook.reason_zh,
        reason_en=outlook.reason_en,
    )


def _volumes(data: PublicData, shown: Shown) -> PublicVolumes | None:
    def grams(area_id: str, material: str | None = None) -> int | None:
        return shown.volumes.grams(area_id, material, shown.months)

    total = grams(data.area.id)
    if total is None:
        return None
    return PublicVolumes(
        months=list(shown.months),
        drops_min=DROPS_MIN,
        grams=total,
        by_material=[
            PublicMass(id=material, name=name.zh, name_en=name.en, grams=grams(data.area.id, material))
            for material, name in shown.materials
        ],
        by_area=[
            PublicAreaMass(**_named(each).model_dump(), grams=grams(each.id), parent=each.parent_id, kind=each.kind)
            for each in shown.places
            if each.parent_id is not None and each.id != data.area.id
        ],
        years=list(data.shown_years),
    )


def rate_csv(data: PublicData) -> bytes:
    """One figure a row: published ones, the running year's, targets, and the masses of months."""
    return _csv(RATE_COLUMNS, _rate_rows(data))


def _rate_rows(data: PublicData) -> Iterator[Sequence[str]]:
    def row(period: str, status: str, measure: str, value: object, formula: str = "", *publication: str) -> list[str]:
        name, area = MEASURES[measure], data.area
        unit = "%" if measure.endswith("percent") else "g"
        of_publication = [*publication, *("",) * (5 - len(publication))]
        return [
            *(area.id, shown_text(area.name.zh), shown_text(area.name.en), period, status, measure, name.zh, name.en),
            *(str(value), unit, formula, *of_publication, LICENSE_ID),
        ]

    for each in data.published:
        status = "published" if each.restated_by is None else "superseded"
        numbers = ("" if number is None else str(number) for number in (each.number, each.restates, each.restated_by))
        yield row(
            str(each.year),
            status,
            "rate_percent",
            each.figure["rate_percent"],
            each.figure["formula"]["id"],
            *numbers,
            each.digest,
            each.public_digest or "",
        )
    outlook = data.outlook
    if outlook.so_far.rate_percent is not None:
        yield row(outlook.so_far.period, "provisional", "rate_percent", outlook.so_far.rate_percent, outlook.formula.id)
    if outlook.projection is not None:
        projected = outlook.projection.rate_percent
        yield row(str(outlook.year), "projected", "rate_percent", projected, outlook.formula.id)
    for target in outlook.target_path:
        status = "interpolated" if target.interpolated else "planned"
        yield row(str(target.year), status, "target_percent", target.rate_percent)
    for month in data.months:
        masses = (month.recovered_grams, month.kitchen_treated_grams, month.cleared_grams)
        for measure, grams in zip(list(MEASURES)[2:], masses, strict=True):
            if grams is not None:
                yield row(month.month, "provisional", measure, grams, outlook.formula.id)


def volumes_csv(shown: Shown | None) -> bytes:
    """One volume a row: by month, area and material; without a material's id of all of them together."""
    return _csv(VOLUME_COLUMNS, iter(()) if shown is None else _volume_rows(shown))


def _volume_rows(shown: Shown) -> Iterator[Sequence[str]]:
    materials: list[tuple[str | None, Named]] = [(None, ALL_MATERIALS), *shown.materials]
    for month in shown.months:
        for place in shown.places:
            for material, name in materials:
                grams = shown.volumes.grams(place.id, material, [month])
                if grams is not None:
                    yield [
                        *(month, place.id, shown_text(place.name.zh), shown_text(place.name.en), place.kind),
                        *(place.parent_id or "", material or "", shown_text(name.zh), shown_text(name.en)),
                        *(str(grams), LICENSE_ID),
                    ]


def _csv(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")
