"""What is remembered of bins, as it is read and written back."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import asyncpg
from pydantic_core import to_json

from service.business_days import day_begins_at
from service.db import DriverConnection
from service.weighing import queries
from service.weighing.facts import BinState, bin_state

FOR_EVER: Final = float("inf")


def states_of(rows: Iterable[asyncpg.Record], zone: str) -> dict[str, BinState]:
    """The bins of rows of queries.read, by id. Business days begin in `zone`."""
    return {
        row["bin_id"]: bin_state(row, _ends_at(row["certificate_expires_on"], zone))
        for row in rows
        if row["state"] is not None
    }


def earliest_of(told: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The earliest time by bin of (bin, Unix seconds)."""
    earliest: dict[str, float] = {}
    for bin_id, at in told:
        if at < earliest.get(bin_id, FOR_EVER):
            earliest[bin_id] = at
    return earliest


def columns(states: Mapping[str, BinState]) -> list[Sequence[Any]]:
    """One a bin: bin_id, epoch, sequence, sequence_at, gaps_open, boxes, hours and counts, the last three as JSON."""
    memories = [(bin_id, state.memory.as_columns()) for bin_id, state in states.items()]
    return list(
        zip(
            *((bin_id, *memory[:4], *(to_json(each).decode() for each in memory[4:])) for bin_id, memory in memories),
            strict=True,
        )
    )


def gaps_changed(states: Mapping[str, BinState]) -> bool:
    """Whether write_gaps has anything to do."""
    return any(
        memory.opened or memory.closed or memory.shortened or memory.given_up
        for memory in (state.memory for state in states.values())
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


def _ends_at(expires_on: date | None, zone: str) -> float:
    """When a certificate is no longer good, in Unix seconds: at the end of its last day."""
    if expires_on is None:
        return FOR_EVER
    return day_begins_at(expires_on + timedelta(days=1), zone).timestamp()
