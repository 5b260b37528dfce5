"""Record a batch of telemetry: what its group commit does in its one transaction."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from pydantic_core import from_json

from service.db import Writers
from service.fleet import telemetry_queries as queries
from service.fleet.alarms import AlarmKind, Thresholds
from service.fleet.telemetry_rules import Chronicle, Condition, Opened, Rules, Told

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """`history_seconds`: of the events of a bin in so long, one is kept in its history."""

    writers: Writers
    thresholds: Thresholds
    history_seconds: int

    async def commit(self, events: list[Told]) -> list[bool]:
        """Whether each event was recorded, in order; an event of a bin that is retired is not. Committed when this
        returns. Recording an event again changes nothing."""
        by_bin: dict[str, list[Told]] = {}
        for event in events:
            by_bin.setdefault(event.bin_id, []).append(event)
        async with self.writers.connection() as connection, connection.transaction():
            known = await queries.lock_statuses(connection, list(by_bin))
            chronicles = [self._chronicle(row) for row in known]
            for each in chronicles:
                each.take(by_bin[each.bin_id])
            if chronicles:
                await queries.update_statuses(connection, chronicles)
            if kept := [row for each in chronicles for row in each.kept]:
                await queries.keep(connection, kept, history_seconds=self.history_seconds)
            # First: an alarm that ended in this batch may be followed by another of its kind.
            if closed := [row for each in chronicles for row in each.closed]:
                await queries.close_alarms(connection, closed)
            if opened := [row for each in chronicles for row in each.opened]:
                await queries.open_alarms(connection, opened)
        _tell(opened)
        recorded = {each.bin_id for each in chronicles}
        return [event.bin_id in recorded for event in events]

    def _chronicle(self, row: asyncpg.Record) -> Chronicle:
        rules = Rules(
            self.thresholds, self.history_seconds, row["verification_interval_grams"], row["box_capacity_grams"]
        )
        kinds = map(AlarmKind, row["alarm_kinds"])
        return Chronicle(
            bin_id=row["bin_id"],
            rules=rules,
            occurred_at=row["occurred_at"],
            kept_at=row["kept_at"],
            clock_skew_seconds=row["clock_skew_seconds"],
            condition=Condition(*(row[name] for name in Condition._fields)),
            told_at=from_json(row["told_at"]),
            alarms=dict(zip(kinds, row["alarms_opened_at"], strict=True)),
        )


def _tell(opened: Sequence[Opened]) -> None:
    """Once an alarm, when it is committed."""
    for alarm in opened:
        measured = "" if alarm.measured is None else f" ({alarm.measured:g})"
        over = "" if alarm.closed_at is None else ", over again by now"
        logger.warning("alarm at bin %s: %s%s%s", alarm.bin_id, alarm.kind.value, measured, over)
