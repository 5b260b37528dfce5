"""All that is public of a district's rate, gathered in one snapshot and made of it; and what of it the page shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.indicator import FormulaId, Outlook, RateFormula
from service.business_days import business_day
from service.indicator import public_queries as queries
from service.indicator.basis import Basis, make_basis
from service.indicator.evidence import sum_of
from service.indicator.formulas import QUANTITIES, decimal_text
from service.indicator.kinds import CountedAt
from service.indicator.outlook import GatheredOutlook, gather_outlook, make_outlook
from service.indicator.public_page import (
    AreaVolume,
    CoverageInWords,
    Download,
    MonthMasses,
    Publication,
    PublicFigures,
    RateSoFar,
    TargetStep,
    Volume,
    Volumes,
)
from service.indicator.public_publications import PublishedYear, PublishedYears
from service.indicator.public_sentences import coverage_in_words, for_everyone
from service.indicator.public_volumes import volumes_of
from service.indicator.public_words import Named
from service.indicator.withholding import ShownVolumes
from service.periods import Period

# What still grows is public in steps that no single drop makes: who asks every minute would see each.
ROUNDED_GRAMS: Final = 100_000
MASSES: Final = ("recovered", "kitchen_treated", "cleared")


@dataclass(frozen=True, slots=True)
class PublicPlace:
    """An area with its place in the tree."""

    id: str
    parent_id: str | None
    kind: str
    name: Named


@dataclass(frozen=True, slots=True)
class Shown:
    """What bins weighed in the months of a year that are shown; places highest first."""

    year: int
    months: Sequence[str]
    volumes: ShownVolumes
    places: Sequence[PublicPlace]
    materials: Sequence[tuple[str, Named]]


@dataclass(frozen=True, slots=True)
class PublicData:
    """Of one district, at one moment. `published` newest first; `shown_years` those of which volumes are shown."""

    area: PublicPlace
    made_on: date
    zone: str
    published: Sequence[PublishedYear]
    outlook: Outlook
    target_steps: Sequence[TargetStep]
    months: Sequence[MonthMasses]
    coverage: CoverageInWords | None
    shown: Shown | None
    shown_years: Sequence[int]
    volumes_after_days: int
    # Of a demonstration.
    sample: bool

    @property
    def needed_grams(self) -> int | None:
        """Still to be recycled until the running year's target is met, up to whole 100 kg."""
        needed = self.outlook.needed
        return None if needed is None else -(-needed.needed_grams // ROUNDED_GRAMS) * ROUNDED_GRAMS

    @property
    def standing(self) -> PublishedYear | None:
        """The newest year's figure that nothing restates: by the district's formula where there is one, for by another
        it is another indicator."""
        standing = [each for each in self.published if each.restated_by is None]
        usual = (each for each in standing if each.figure["formula"]["id"] == self.outlook.formula.id)
        return next(usual, standing[0] if standing else None)


@dataclass(frozen=True, slots=True)
class GatheredYear:
    """What was read of what is shown of a year."""

    year: int
    volumes: Sequence[sa.Row[Any]]
    places: Sequence[sa.Row[Any]]
    materials: Sequence[sa.Row[Any]]


@dataclass(frozen=True, slots=True)
class GatheredPublic:
    """What was read of a district; nothing here needs the database any more. Fields as of PublicData."""

    outlook: GatheredOutlook
    places: Sequence[sa.Row[Any]]
    published: Sequence[PublishedYear]
    shown: GatheredYear | None
    shown_years: Sequence[int]


async def gather_public(
    connection: AsyncConnection, area_id: str, years: PublishedYears, *, formula_id: FormulaId, today: date
) -> GatheredPublic:
    """As of the connection's snapshot; `today` is the business day. Raises AreaUnknown."""
    shown_years = sorted({month.year for month in await queries.months_shown(connection, area_id)})
    places = await queries.read_places(connection, area_id)
    return GatheredPublic(
        outlook=await gather_outlook(
            connection, area_id=area_id, year=today.year, formula_id=formula_id, counted_at=None, today=today
        ),
        places=places,
        published=await years.of(connection, area_id, shown_years),
        shown=await gather_year(connection, places, shown_years[-1]) if shown_years else None,
        shown_years=shown_years,
    )


def make_public(gathered: GatheredPublic, *, zone: str, after_days: int, sample: bool) -> PublicData:
    """Takes as long as there are inputs, so in a thread. `zone` is that of business days."""
    basis = make_basis(gathered.outlook.basis)
    places = [_place(row) for row in gathered.places]
    names = {each.id: each.name for each in places}
    outlook = for_everyone(make_outlook(gathered.outlook, basis), names)
    return PublicData(
        area=places[0],
        made_on=gathered.outlook.today,
        zone=zone,
        published=gathered.published,
        outlook=outlook,
        target_steps=[
            TargetStep(each.year, Decimal(each.rate_percent).normalize())
            for each in outlook.target_path
            if not each.interpolated
        ],
        months=_months(basis, outlook, gathered.outlook.today),
        coverage=coverage_in_words(outlook.coverage, outlook.so_far.period, names),
        shown=None if gathered.shown is None else make_year(gathered.shown),
        shown_years=gathered.shown_years,
        volumes_after_days=after_days,
        sample=sample,
    )


async def gather_year(connection: AsyncConnection, places: Sequence[sa.Row[Any]], year: int) -> GatheredYear:
    """What is shown of a year; `places` are the district, first, and all below it, of the same snapshot."""
    return GatheredYear(
        year,
        await queries.read_shown(connection, places[0].id, date(year, 1, 1), date(year, 12, 1)),
        places,
        await queries.read_materials(connection),
    )


def make_year(gathered: GatheredYear) -> Shown:
    """Of rows by the ten thousand, so in a thread."""
    volumes = volumes_of(gathered.volumes)
    months = sorted({month for _, _, month in volumes.by_area})
    materials = [(row.id, Named(row.name, row.name_en)) for row in gathered.materials]
    return Shown(gathered.year, months, volumes, [_place(row) for row in gathered.places], materials)


def _place(row: Any) -> PublicPlace:
    return PublicPlace(row.id, row.parent_id, row.kind, Named(row.name, row.name_en))


def _months(basis: Basis, outlook: Outlook, today: date) -> list[MonthMasses]:
    """R, K and C of the running year's months that have begun, or of the year before where nothing is reported of it;
    none where the rate is made of other masses."""
    if not set(MASSES) <= set(outlook.formula.needs):
        return []
    for year in (today.year, today.year - 1):
        months = [_masses(basis, month, outlook.counted_at) for month in Period(year).begun(today)]
        known = [
            number
            for number, each in enumerate(months)
            if each.kitchen_treated_grams is not None or each.cleared_grams is not None
        ]
        if known:
            return months[: known[-1] + 1]
    return []


def _masses(basis: Basis, month: Period, counted_at: CountedAt) -> MonthMasses:
    sums = [sum_of(basis.evidence, QUANTITIES[each], basis.area.id, month, counted_at) for each in MASSES]
    recovered, kitchen, cleared = (int(each.grams) if each.is_whole else None for each in sums)
    if recovered is not None:
        recovered = round(Fraction(recovered, ROUNDED_GRAMS)) * ROUNDED_GRAMS
    return MonthMasses(str(month), recovered, kitchen, cleared)


def page_figures(data: PublicData, downloads: Sequence[Download]) -> PublicFigures:
    """What the page shows."""
    standing, outlook = data.standing, data.outlook
    formula: RateFormula = (
        outlook.formula if standing is None else RateFormula.model_validate(standing.figure["formula"])
    )
    by_number = {each.number: each for each in data.published}
    history = [_publication(each, by_number, data.zone) for each in data.published]
    return PublicFigures(
        area_id=data.area.id,
        area=data.area.name,
        made_on=data.made_on,
        published=next(
            (each for each in history if standing is not None and each.number == str(standing.number)), None
        ),
        so_far=_so_far(outlook, data.needed_grams),
        target_path=data.target_steps,
        history=history,
        volumes=None if data.shown is None else _volumes(data.area, data.shown),
        months=data.months,
        coverage=data.coverage,
        formula_id=formula.id,
        formula=Named(formula.definition_zh, formula.definition_en),
        quantities=formula.needs,
        volumes_after_days=data.volumes_after_days,
        sample=data.sample,
        downloads=downloads,
    )


def shown_points(difference: Fraction) -> Decimal:
    """A difference of rates in percentage points: two digits, or four where two would hide it."""
    points = Decimal(decimal_text(difference * 100, 2))
    return points if points or not difference else Decimal(decimal_text(difference * 100, 4))


def _publication(each: PublishedYear, by_number: dict[int, PublishedYear], zone: str) -> Publication:
    formula, target = each.figure["formula"], each.figure["target"]
    lead = None if target is None else each.rate - Fraction(target["rate"])
    old = None if each.restates is None else by_number[each.restates]
    return Publication(
        number=str(each.number),
        period=str(each.year),
        percent=each.percent,
        target_percent=each.target_percent,
        formula_id=formula["id"],
        definition=Named(formula["definition_zh"], formula["definition_en"]),
        digest=each.digest,
        public_digest=each.public_digest,
        published_on=business_day(each.published_at, zone),
        is_met=None if lead is None else lead >= 0,
        target_points=None if lead is None else shown_points(abs(lead)),
        restates=None if old is None else str(old.number),
        restated_percent=None if old is None else old.percent,
        restated_points=None if old is None else shown_points(each.rate - old.rate),
        superseded_by=None if each.restated_by is None else str(each.restated_by),
    )


def _so_far(outlook: Outlook, needed_grams: int | None) -> RateSoFar:
    so_far, projection = outlook.so_far, outlook.projection
    reason = None
    if so_far.rate_percent is None and outlook.reason_zh is not None and outlook.reason_en is not None:
        reason = Named(outlook.reason_zh, outlook.reason_en)
    return RateSoFar(
        year=outlook.year,
        months=[str(month) for month in Period.parse(so_far.period).months],
        percent=None if so_far.rate_percent is None else Decimal(so_far.rate_percent),
        reason=reason,
        projected_percent=None if projection is None else Decimal(projection.rate_percent),
        needed_grams=needed_grams,
    )


def _volumes(area: PublicPlace, shown: Shown) -> Volumes | None:
    def grams(area_id: str, material: str | None = None) -> int | None:
        return shown.volumes.grams(area_id, material, shown.months)

    total = grams(area.id)
    if total is None:
        return None
    children = [each for each in shown.places if each.parent_id == area.id]
    return Volumes(
        months=shown.months,
        grams=total,
        by_material=[Volume(name, grams(area.id, material)) for material, name in shown.materials],
        by_subdistrict=[
            AreaVolume(
                child.name,
                grams(child.id),
                [Volume(each.name, grams(each.id)) for each in shown.places if each.parent_id == child.id],
            )
            for child in children
        ],
    )
