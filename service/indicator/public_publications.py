"""The published figures of a district's years as the public is told of them."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.indicator import public_queries as queries
from service.indicator.public_record import PublicRecord, RecordHead, is_withheld, public_record
from service.indicator.record import Frozen


@dataclass(frozen=True, slots=True)
class PublishedYear:
    """A published figure of a whole year; `figure` as its record has it, without all that makes it long.
    `public_digest`: of its public record; None where that is withheld."""

    number: int
    year: int
    digest: str
    public_digest: str | None
    published_at: datetime
    restates: int | None
    restated_by: int | None
    figure: Mapping[str, Any]

    @property
    def rate(self) -> Fraction:
        """Exact."""
        return Fraction(self.figure["numerator_grams"]) / Fraction(self.figure["denominator_grams"])

    @property
    def percent(self) -> Decimal:
        return Decimal(self.figure["rate_percent"])

    @property
    def target_percent(self) -> Decimal | None:
        target = self.figure["target"]
        return None if target is None else Decimal(target["rate_percent"]).normalize()


class PublishedYears:
    """Reads them. A record may be megabytes and never changes: what lists tell of it is kept for as long as the service
    runs."""

    def __init__(self) -> None:
        self._heads: dict[int, RecordHead] = {}

    async def of(
        self, connection: AsyncConnection, district_id: str, shown_years: Collection[int]
    ) -> list[PublishedYear]:
        """Newest first, restated ones too; `shown_years` are those of which volumes are shown."""
        rows = await queries.published_years(connection, district_id)
        return [_published(row, await self._head(connection, row.number), shown_years) for row in rows]

    async def _head(self, connection: AsyncConnection, number: int) -> RecordHead:
        if number not in self._heads:
            self._heads[number] = (await read_public_record(connection, number)).head
        return self._heads[number]


async def read_public_record(connection: AsyncConnection, number: int) -> PublicRecord:
    """Of the number of a publication of a district's year; also of one that is withheld."""
    record = await queries.published_record(connection, number)
    # Not in the loop, in which bins would wait.
    return await asyncio.to_thread(lambda: public_record(Frozen(record), number))


def _published(row: sa.Row[Any], head: RecordHead, shown_years: Collection[int]) -> PublishedYear:
    withheld = is_withheld(head.bins_grams, row.year, shown_years)
    public_digest = None if withheld else head.public_digest
    of_row = row.number, row.year, row.digest, public_digest, row.decided_at, row.restates, row.restated_by
    return PublishedYear(*of_row, head.figure)
