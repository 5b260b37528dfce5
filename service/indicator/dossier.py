"""The year's dossier (一标一档): everything the district shows of its figure when it is reviewed, from one snapshot."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.publications import PublicationSummary
from service.errors import ValidationFailed
from service.indicator import publication_queries, queries, target_queries, volume_queries
from service.indicator.basis import GatheredBasis, gather_basis, make_basis
from service.indicator.code_version import code_version
from service.indicator.coverage import coverage_of, not_counted
from service.indicator.dossier_figures import Dossier, Facts, InputVersion, PartFacts, Place, Published, dossier_of
from service.indicator.figure import figure_of
from service.indicator.formulas import FORMULAS, Formula, formula_of_version
from service.indicator.kinds import CountedAt
from service.indicator.publishing import summary
from service.indicator.record import Frozen, columns_of
from service.periods import Period


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was read; `parts` are the child areas, each with its sites. Nothing here needs the database any more."""

    year: int
    today: date
    made_at: datetime
    formula: Formula
    counted_at: CountedAt
    basis: GatheredBasis
    sites: volume_queries.BinSites
    parts: Sequence[tuple[Place, Any]]
    names: Mapping[str, str]
    versions: Sequence[Any]
    targets: Sequence[Any]
    published: Sequence[Any]
    latest: Published | None
    waiting: Sequence[Any]
    stored: Sequence[Any]


async def gather_dossier(
    connection: AsyncConnection, *, area_id: str, year: int, formula_id: str, today: date, made_at: datetime
) -> Gathered:
    """As of the connection's snapshot; `today` is the business day. The figure is by the formula and way of counting of
    what is published of the year, and by `formula_id` where nothing is.

    Raises AreaUnknown, and ValidationFailed for a year that has not begun.
    """
    period = Period(year)
    if period.first_day > today:
        detail = f"{year} has not begun: there is nothing to put into its dossier."
        zh = f"{year} 年尚未开始，档案没有可写的内容。请填写今年或以前的年份。"
        raise ValidationFailed(detail, zh=zh, errors=[{"pointer": "/year", "code": "not_begun", "detail": detail}])
    basis = await gather_basis(connection, area_id, [year], today, bins_by_child=True)
    published = await publication_queries.published_within(connection, area_id, period)
    latest = await _latest(connection, published, period, formula_id)
    formula, way = _method(latest, formula_id)
    tree = basis.tree
    children = tree.children(area_id)
    known = {*basis.subtree, *tree.upwards(area_id)}
    names = {row.id: row for row in await queries.read_area_names(connection, known)}
    days = period.first_day, period.last_day
    sites = {
        each: (await volume_queries.bin_sites(connection, list(tree.subtree(each)), *days)).until(period.last_day)
        for each in (area_id, *children)
    }
    used = frozenset[int]() if latest is None else latest.frozen.input_ids()
    return Gathered(
        year=year,
        today=today,
        made_at=made_at,
        formula=formula,
        counted_at=way,
        basis=basis,
        sites=sites[area_id],
        parts=[(Place(each, names[each].name, names[each].name_en), sites[each]) for each in children],
        names={each.id: each.name for each in names.values()},
        versions=await queries.all_versions(connection, known, *days),
        targets=await target_queries.targets_upwards(connection, area_id),
        published=published,
        latest=latest,
        waiting=await publication_queries.page_of_publications(
            connection, area_id=area_id, period=period, state="waiting", before=None, limit=1
        ),
        stored=await queries.inputs_by_id(connection, used),
    )


async def _latest(
    connection: AsyncConnection, published: Sequence[Any], period: Period, formula_id: str
) -> Published | None:
    """What is published of the whole year and not restated; of several the one by the formula, or else the first."""
    of_year = [
        row
        for row in published
        if row.restated_by is None and (row.first_day, row.last_day) == (period.first_day, period.last_day)
    ]
    if not of_year:
        return None
    chosen = min(of_year, key=lambda row: (row.formula_id != formula_id, row.number))
    # Of many inputs the record is megabytes.
    return await asyncio.to_thread(_published, await publication_queries.find_number(connection, chosen.number))


def _published(row: Any) -> Published:
    return Published(PublicationSummary(**summary(row)), Frozen(row.record), columns_of(row))


def _method(latest: Published | None, formula_id: str) -> tuple[Formula, CountedAt]:
    if latest is None:
        formula = FORMULAS[formula_id]
        return formula, formula.ways[0]
    return formula_of_version(latest.summary.formula, latest.summary.formula_version), latest.summary.counted_at


def make_dossier(gathered: Gathered) -> Dossier:
    """All figures; takes as long as there are inputs, so in a thread."""
    basis, today = make_basis(gathered.basis), gathered.today
    period, area = Period(gathered.year), basis.area
    parts = []
    for place, sites in gathered.parts:
        part = figure_of(basis.evidence, gathered.formula, place.id, period, gathered.counted_at)
        share = coverage_of(basis, part, sites, today).share
        parts.append(PartFacts(place, part, share, sites.sites, sites.sites_with_volume))
    figure = figure_of(basis.evidence, gathered.formula, area.id, period, gathered.counted_at)
    targets: dict[str, dict[int, int]] = {}
    for row in gathered.targets:
        targets.setdefault(row.area_id, {})[row.year] = row.rate_per_mille
    return dossier_of(
        Facts(
            place=Place(area.id, area.name, area.name_en),
            year=gathered.year,
            today=today,
            made_at=gathered.made_at,
            formula=gathered.formula,
            counted_at=gathered.counted_at,
            code_version=code_version(),
            evidence=basis.evidence,
            figure=figure,
            coverage=coverage_of(basis, figure, gathered.sites, today),
            not_counted=not_counted(basis.evidence, figure),
            sites=gathered.sites.sites,
            sites_with_volume=gathered.sites.sites_with_volume,
            parts=parts,
            names=gathered.names,
            versions=[_version(row) for row in gathered.versions],
            targets=list(targets.items()),
            latest=gathered.latest,
            waiting=PublicationSummary(**summary(gathered.waiting[0])) if gathered.waiting else None,
            published=[PublicationSummary(**summary(row)) for row in gathered.published],
            stored=queries.by_id(gathered.stored),
        )
    )


def _version(row: Any) -> InputVersion:
    return InputVersion(
        id=row.id,
        area_id=row.area_id,
        period=Period.of_days(row.first_day, row.last_day),
        kind=row.kind,
        source=row.source,
        material=row.material_id,
        version=row.version,
        amount=row.ppm if row.grams is None else row.grams,
        entered=row.entered,
        document=queries.document_of(row),
        recorded_by=row.recorder_name or "",
        recorded_at=row.created_at,
    )
