"""What is remembered of bins, as it is read under their locks and written back."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import asyncpg
from pydantic_core import to_json

from service.business_days import day_begins_at
from service.db import DriverConnection
from service.plausibility.sequences import Gap
from service.weighing import queries
from service.weighing.facts import BinState, bin_state

FOR_EVER: Final = float("inf")


async def read_states(
    connection: DriverConnection, rows: Iterable[asyncpg.Record], told: Iterable[tuple[str, float]], zone: str
) -> dict[str, BinState]:
    """The bins of rows of queries.lock or look, by id, with their open gaps, and with where they stood at the times
    told: (bin, Unix seconds). Business days begin in `zone`."""
    of_bins = {row["bin_id"]: row for row in rows if row["bin_id"] is not None}
    gaps = await _gaps(connection, [bin_id for bin_id, row in of_bins.items() if row["gaps_open"]])
    states = {
        bin_id: bin_state(row, gaps[bin_id], _ends_at(row["certificate_expires_on"], zone))
        for bin_id, row in of_bins.items()
    }
    moved = {bin_id for bin_id, at in told if bin_id in states and at < states[bin_id].placed_at}
    if moved:
        sites: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for row in await queries.read_placements(connection, sorted(moved)):
            sites[row["bin_id"]].append((row["since"], row["site_id"]))
        for bin_id in moved:
            states[bin_id].sites = sites[bin_id]
    return states


def columns(states: Mapping[str, BinState]) -> list[Sequence[Any]]:
    """One a bin: bin_id, epoch, sequence, sequence_at, gaps_open, boxes, hours and counts, the last three as JSON."""
    memories = [(bin_id, state.memory.as_columns()) for bin_id, state in states.items()]
    return list(
        zip(
            *((bin_id, *memory[:4], *(to_json(each).decode() for each in memory[4:])) for bin_id, memory in memories),
            strict=True,
        )
    )


async def write_gaps(connection: DriverConnection, states: Mapping[str, BinState]) -> None:
    """What changed of the gaps of these bins, which are locked."""
    memories = [(bin_id, state.memory) for bin_id, state in states.items()]
    if opened := [(bin_id, *gap) for bin_id, memory in memories for gap in memory.opened]:
        await queries.open_gaps(connection, opened)
    if closed := [(bin_id, gap_id) for bin_id, memory in memories for gap_id in memory.closed]:
        await queries.close_gaps(connection, closed)
    if shortened := [(bin_id, *gap) for bin_id, memory in memories for gap in memory.shortened]:
        await queries.shorten_gaps(connection, shortened)
    if given_up := [(bin_id, *gap) for bin_id, memory in memories for gap in memory.given_up]:
        await queries.give_up_gaps(connection, given_up)


async def _gaps(connection: DriverConnection, bin_ids: Sequence[str]) -> dict[str, list[Gap]]:
    gaps: dict[str, list[Gap]] = defaultdict(list)
    if bin_ids:
        for row in await queries.read_gaps(connection, bin_ids):
            gaps[row["bin_id"]].append(
                Gap(*(row[name] for name in ("epoch", "first_sequence", "last_sequence", "before_at", "id")))
            )
    return gaps


def _ends_at(expires_on: date | None, zone: str) -> float:
    """When a certificate is no longer good, in Unix seconds: at the end of its last day."""
    if expires_on is None:
        return FOR_EVER
    return day_begins_at(expires_on + timedelta(days=1), zone).timestamp()
