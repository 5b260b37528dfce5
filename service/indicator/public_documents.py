"""The public documents of each district, ready to be sent: made from one snapshot, at most once a minute."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from sqlalchemy.ext.asyncio import AsyncEngine

from service.business_days import business_today
from service.db import snapshot, transaction
from service.errors import (
    AreaNotPublic,
    AreaUnknown,
    NotFound,
    PublicAreaUnset,
    PublicationUnknown,
    PublicationWithheld,
)
from service.indicator import public_queries as queries
from service.indicator.open_data import public_rate, rate_csv, record_path, volumes_csv
from service.indicator.public import PublicData, gather_public, gather_year, make_public, make_year, page_figures
from service.indicator.public_once import Once
from service.indicator.public_page import Download, public_page
from service.indicator.public_publications import PublishedYears, read_public_record
from service.indicator.public_volumes import show_settled_months
from service.indicator.public_words import Language, Named
from service.settings import Settings

KEPT_SECONDS: Final = 60
# A public record never changes.
RECORD_KEPT_SECONDS: Final = 86_400
# Districts and their years: more than any city has.
DISTRICTS_MAX, YEARS_MAX, RECORDS_MAX = 64, 32, 16
RATE_JSON, RATE_CSV, VOLUMES_CSV = (
    "/public/recycling-rate.json",
    "/public/recycling-rate.csv",
    "/public/volumes.csv",
)


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes with what tells them from others."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Takes as long as the body, so in a thread."""
        return cls(body, hashlib.sha256(body).hexdigest())


@dataclass(frozen=True, slots=True)
class _Known:
    """What there is to ask for: areas and districts by their ids, publications by their numbers, with the district of
    each."""

    areas: frozenset[str]
    districts: frozenset[str]
    publications: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class DistrictDocuments:
    """Of one district at one moment."""

    pages: dict[Language, Document]
    rate_json: Document
    rate_csv: Document
    # Of the newest year that volumes are shown of, and all of these years.
    volumes_csv: Document
    year: int | None
    years: tuple[int, ...]
    # By the numbers of its publications, whether their public records are withheld.
    withheld: Mapping[int, bool]


class PublicDocuments:
    """What anyone may ask for. Everything raises NotFound's kinds, or what the database does."""

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._years_published = PublishedYears()
        self._known: Once[None, _Known] = Once(KEPT_SECONDS, 1)
        self._documents: Once[str, DistrictDocuments] = Once(KEPT_SECONDS, DISTRICTS_MAX)
        self._years: Once[tuple[str, int], Document] = Once(KEPT_SECONDS, YEARS_MAX)
        self._records: Once[int, Document] = Once(RECORD_KEPT_SECONDS, RECORDS_MAX)

    async def close(self) -> None:
        for each in (self._known, self._documents, self._years, self._records):
            await each.close()

    async def of(self, area_id: str | None) -> DistrictDocuments:
        """Raises AreaUnknown, AreaNotPublic or PublicAreaUnset."""
        district_id = await self._district(area_id)
        return await self._documents.get(district_id, partial(self._make, district_id))

    async def volumes(self, area_id: str | None, year: int | None) -> Document:
        """CSV of a year, the newest where none is named. Raises NotFound for one of which nothing is shown."""
        documents = await self.of(area_id)
        if year in (None, documents.year):
            return documents.volumes_csv
        if year is None or year not in documents.years:
            shown = ", ".join(map(str, documents.years)) or "none yet"
            raise NotFound(f"Years of which volumes are shown: {shown}.")
        district_id = await self._district(area_id)
        return await self._years.get((district_id, year), partial(self._make_year, district_id, year))

    async def record(self, number: int) -> Document:
        """The public record of a publication. Raises PublicationUnknown or PublicationWithheld."""
        district_id = (await self._what_there_is()).publications.get(number)
        withheld = {} if district_id is None else (await self.of(district_id)).withheld
        if number not in withheld:
            raise PublicationUnknown(f"There is no publication of a district's year with the number {number}.")
        if withheld[number]:
            raise PublicationWithheld
        return await self._records.get(number, partial(self._read_record, number))

    async def _district(self, asked: str | None) -> str:
        known = await self._what_there_is()
        area_id = asked or self._settings.public_area
        if area_id is None:
            if len(known.districts) != 1:
                raise PublicAreaUnset
            return next(iter(known.districts))
        if area_id not in known.areas:
            raise AreaUnknown(f"There is no area {area_id}.")
        if area_id not in known.districts:
            raise AreaNotPublic
        return area_id

    async def _what_there_is(self) -> _Known:
        """Whoever asks for what is not there asks this, and not the database."""
        return await self._known.get(None, self._read_known)

    async def _read_known(self) -> _Known:
        async with snapshot(self._engine) as connection:
            kinds = await queries.read_kinds(connection)
            publications = await queries.public_numbers(connection)
        districts = frozenset(area_id for area_id, kind in kinds.items() if kind == "district")
        return _Known(frozenset(kinds), districts, publications)

    async def _make(self, district_id: str) -> DistrictDocuments:
        settings = self._settings
        zone, after_days = settings.business_timezone, settings.public_after_days
        today = business_today(zone)
        async with transaction(self._engine) as connection:
            await show_settled_months(connection, district_id, today=today, zone=zone, after_days=after_days)
        async with snapshot(self._engine) as connection:
            gathered = await gather_public(
                connection,
                district_id,
                self._years_published,
                formula_id=settings.indicator_formula,
                today=today,
            )

        def make() -> DistrictDocuments:
            return documents_of(make_public(gathered, zone=zone, after_days=after_days, sample=settings.demo))

        # The better part of a second, in which bins would wait; and the snapshot is over.
        return await asyncio.to_thread(make)

    async def _make_year(self, district_id: str, year: int) -> Document:
        async with snapshot(self._engine) as connection:
            places = await queries.read_places(connection, district_id)
            gathered = await gather_year(connection, places, year)
        return await asyncio.to_thread(lambda: Document.of(volumes_csv(make_year(gathered))))

    async def _read_record(self, number: int) -> Document:
        async with snapshot(self._engine) as connection:
            found = await read_public_record(connection, number)
        return await asyncio.to_thread(lambda: Document.of(found.text.encode()))


def documents_of(data: PublicData) -> DistrictDocuments:
    """From one moment, all of them. Pure."""
    area = data.area.id
    rate_json = Document.of(public_rate(data).model_dump_json().encode())
    rates = Document.of(rate_csv(data))
    volumes = Document.of(volumes_csv(data.shown))
    downloads = [
        _download(RATE_JSON, area, "本页全部数据（JSON）", "All figures of this page (JSON)", rate_json),
        _download(RATE_CSV, area, "回收利用率和各月的量（CSV）", "Rates, and masses by month (CSV)", rates),
    ]
    if data.shown is not None:
        zh, en = f"{data.shown.year} 年各月回收量（CSV）", f"Volumes by month, {data.shown.year} (CSV)"
        downloads.append(_download(VOLUMES_CSV, area, zh, en, volumes))
    if data.standing is not None and data.standing.public_digest is not None:
        number = data.standing.number
        zh, en = f"第 {number} 号发布的公开记录（JSON）", f"Public record of publication {number} (JSON)"
        downloads.append(Download(record_path(number), Named(zh, en), None))
    figures = page_figures(data, downloads)
    languages: tuple[Language, ...] = ("zh", "en")
    return DistrictDocuments(
        pages={language: Document.of(public_page(figures, language).encode()) for language in languages},
        rate_json=rate_json,
        rate_csv=rates,
        volumes_csv=volumes,
        year=None if data.shown is None else data.shown.year,
        years=tuple(data.shown_years),
        withheld={each.number: each.public_digest is None for each in data.published},
    )


def _download(path: str, area: str, zh: str, en: str, document: Document) -> Download:
    return Download(f"{path}?area={area}", Named(zh, en), len(document.body))
