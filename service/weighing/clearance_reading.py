"""What operators see of clearances."""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.clearances import ClearanceRecord, Clearances, ClearancesQuery
from schemas.cursors import encode_moment_cursor
from schemas.reviews import Finding
from service.errors import BinUnknown
from service.plausibility.words import Language, for_operators
from service.weighing import clearance_queries as queries

LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")


async def read_clearances(connection: AsyncConnection, query: ClearancesQuery) -> Clearances:
    """One page, newest first. Raises BinUnknown."""
    if query.bin is not None and not await queries.bin_exists(connection, query.bin):
        raise BinUnknown(f"There is no bin {query.bin}.")
    rows = await queries.page_of_clearances(connection, query)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Clearances(
        clearances=[_record(row) for row in shown],
        next_cursor=encode_moment_cursor(shown[-1].occurred_at, shown[-1].id) if more else None,
    )


def _record(row: sa.Row[Any]) -> ClearanceRecord:
    difference = None if row.expected_grams is None else row.mass_before_grams - row.expected_grams
    return ClearanceRecord(
        id=row.id,
        bin_id=row.bin_id,
        event_id=row.event_id,
        site_id=row.site_id,
        material=row.material_id,
        collector=row.collector,
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        sequence=row.sequence,
        epoch=row.epoch,
        mass_before_grams=row.mass_before_grams,
        mass_after_grams=row.mass_after_grams,
        removed_grams=row.mass_before_grams - row.mass_after_grams,
        expected_grams=row.expected_grams,
        difference_grams=difference,
        permissible_grams=row.permissible_grams,
        within_permissible=None if difference is None else abs(difference) <= row.permissible_grams,
        outcome=row.outcome,
        code=row.code,
        findings=[_finding(each) for each in row.findings or ()],
    )


def _finding(found: dict[str, Any]) -> Finding:
    code, figures = found["code"], found["figures"]
    zh, en = (for_operators(code, figures, language) for language in LANGUAGES)
    return Finding(code=code, sentence=zh, sentence_en=en, figures=figures)
