"""Recompute volumes of some days from their events, and put right what differs.

Recomputed is what is folded, so what folding has still to come to is no difference. An event's weight, time and place
and a decision never change, so each statement sees the same sums, however long all of them take.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.folding.queries import BY_MONTH, volume_sums
from service.tables.volumes import fold_position

FIRST_DAY: Final = date(1, 1, 1)
NO_END: Final = date(9999, 12, 31)

# A business day begins less than a day before or after the day of UTC: wide enough for any zone, and an index finds it.
MIDNIGHT: Final = "((CAST(:{} AS date) {} 1)::timestamp AT TIME ZONE 'UTC')"
IN_SPAN: Final = "{0} >= " + MIDNIGHT.format("first_day", "-") + " AND {0} < " + MIDNIGHT.format("end_day", "+")
SUMS: Final = volume_sums(
    happened=IN_SPAN.format("occurred_at"),
    placed=IN_SPAN.format("decision.placed_at"),
)

# Of whole months, from `first_day` to before `end_day`; days before `since` stay as they are.
MEND = sa.text(f"""
WITH made_days AS MATERIALIZED (
    SELECT day, site_id, material_id, source, grams::bigint, drops::bigint, held_grams::bigint, held_drops::bigint
    FROM ({SUMS}) AS counted
    WHERE day >= :first_day AND day < :end_day
), made_months AS MATERIALIZED (
    {BY_MONTH} FROM made_days GROUP BY 1, 2, 3, 4
), wrong_days AS MATERIALIZED (
    SELECT day, site_id, material_id, source,
           kept.grams AS kept_grams, kept.drops AS kept_drops,
           kept.held_grams AS kept_held_grams, kept.held_drops AS kept_held_drops,
           made.grams, made.drops, made.held_grams, made.held_drops
    FROM (SELECT * FROM volume WHERE day >= :first_day AND day >= :since AND day < :end_day) AS kept
    FULL JOIN (SELECT * FROM made_days WHERE day >= :since) AS made USING (day, site_id, material_id, source)
    WHERE (kept.grams, kept.drops, kept.held_grams, kept.held_drops)
          IS DISTINCT FROM (made.grams, made.drops, made.held_grams, made.held_drops)
), wrong_months AS MATERIALIZED (
    SELECT site_id, month, material_id, source,
           kept.grams AS kept_grams, kept.drops AS kept_drops,
           kept.held_grams AS kept_held_grams, kept.held_drops AS kept_held_drops,
           made.grams, made.drops, made.held_grams, made.held_drops
    FROM (SELECT * FROM volume_month WHERE month >= :first_day AND month < :end_day) AS kept
    FULL JOIN made_months AS made USING (site_id, month, material_id, source)
    WHERE (kept.grams, kept.drops, kept.held_grams, kept.held_drops)
          IS DISTINCT FROM (made.grams, made.drops, made.held_grams, made.held_drops)
), fewer_days AS (
    DELETE FROM volume
    USING wrong_days AS wrong
    WHERE wrong.drops IS NULL AND (volume.day, volume.site_id, volume.material_id, volume.source)
                                  = (wrong.day, wrong.site_id, wrong.material_id, wrong.source)
), right_days AS (
    INSERT INTO volume (day, site_id, material_id, source, grams, drops, held_grams, held_drops)
    SELECT day, site_id, material_id, source, grams, drops, held_grams, held_drops
    FROM wrong_days
    WHERE drops IS NOT NULL
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (day, site_id, material_id, source)
    DO UPDATE SET grams = excluded.grams, drops = excluded.drops,
                  held_grams = excluded.held_grams, held_drops = excluded.held_drops
), fewer_months AS (
    DELETE FROM volume_month
    USING wrong_months AS wrong
    WHERE wrong.drops IS NULL
      AND (volume_month.site_id, volume_month.month, volume_month.material_id, volume_month.source)
          = (wrong.site_id, wrong.month, wrong.material_id, wrong.source)
), right_months AS (
    INSERT INTO volume_month (site_id, month, material_id, source, grams, drops, held_grams, held_drops)
    SELECT site_id, month, material_id, source, grams, drops, held_grams, held_drops
    FROM wrong_months
    WHERE drops IS NOT NULL
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (site_id, month, material_id, source)
    DO UPDATE SET grams = excluded.grams, drops = excluded.drops, held_grams = excluded.held_grams,
                  held_drops = excluded.held_drops
)
SELECT wrong.*, count(*) OVER () AS differences
FROM (SELECT 'day' AS each, day AS first_day, site_id, material_id, source, kept_grams, kept_drops, kept_held_grams,
             kept_held_drops, grams, drops, held_grams, held_drops
      FROM wrong_days
      UNION ALL
      SELECT 'month', month, site_id, material_id, source, kept_grams, kept_drops, kept_held_grams,
             kept_held_drops, grams, drops, held_grams, held_drops
      FROM wrong_months) AS wrong
ORDER BY first_day, each, site_id, material_id, source
LIMIT :limit
""")  # noqa: S608  # our own text

# Of these dates, not of any: or a month that holds a thousandth of the events is planned as if it held its share. And a
# month's sums fit into memory.
PLANNED = sa.text(
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('work_mem', '64MB', true)"
)

# Before it nothing is kept; from the last on, one span holds whatever there is.
KEPT_MONTHS = sa.text("""
SELECT date_trunc('month', least((SELECT min(day) FROM volume), (SELECT min(month) FROM volume_month)))::date AS first,
       date_trunc('month', now() AT TIME ZONE :timezone)::date AS current
""")


@dataclass(frozen=True, slots=True)
class Sums:
    """Whole grams and drops of a day or month: what counts, and what waits for a decision."""

    grams: int
    drops: int
    held_grams: int
    held_drops: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that was not what its events add up to: `before` is None where there was none, `after` where there is none.

    `each` is `day` for a row of `volume`, `month` for one of `volume_month`, which `first_day` names.
    """

    each: str
    first_day: date
    site_id: str
    material_id: str
    source: str
    before: Sums | None
    after: Sums | None


@dataclass(frozen=True, slots=True)
class Mended:
    """How many rows differed, and the first of them."""

    count: int
    first: tuple[Difference, ...]


async def mend(
    connection: AsyncConnection,
    *,
    since: date,
    timezone: str,
    shown: int,
    progress: Callable[[int, int], None],
) -> Mended:
    """Make the days from `since` on, and the months that they are of, what their folded events add up to.

    As the tables' owner; the caller has locked the fold position. The first `shown` differences are told; `progress`
    hears how many spans are done of how many.
    """
    await connection.execute(PLANNED)
    position: int = (await connection.execute(sa.select(fold_position.c.xid))).scalar_one()
    kept = (await connection.execute(KEPT_MONTHS, {"timezone": timezone})).one()
    spans = list(_spans(since, kept.first or kept.current, kept.current))
    count, first = 0, list[Difference]()
    for done, (first_day, end_day) in enumerate(spans):
        progress(done, len(spans))
        found = await connection.execute(
            MEND,
            {
                "lower": 0,
                "upper": position,
                "timezone": timezone,
                "first_day": first_day,
                "end_day": end_day,
                "since": since,
                "limit": max(shown - len(first), 1),
            },
        )
        rows = found.all()
        if rows:
            count += rows[0].differences
            first.extend(_difference(row) for row in rows)
    progress(len(spans), len(spans))
    return Mended(count, tuple(first[:shown]))


def _spans(since: date, kept: date, current: date) -> Iterator[tuple[date, date]]:
    """First day and end of spans of whole months, which together hold every day from `since` on: all before the months
    that anything is `kept` of, each month to the `current` one, and all after it."""
    month = since.replace(day=1)
    if month < kept:
        yield month, kept
        month = kept
    while month <= current:
        following = (month + timedelta(days=31)).replace(day=1)
        yield month, following
        month = following
    yield month, NO_END


def _difference(row: "sa.Row[tuple[object, ...]]") -> Difference:
    return Difference(
        row.each,
        row.first_day,
        row.site_id,
        row.material_id,
        row.source,
        _sums(row.kept_grams, row.kept_drops, row.kept_held_grams, row.kept_held_drops),
        _sums(row.grams, row.drops, row.held_grams, row.held_drops),
    )


def _sums(*values: int | None) -> Sums | None:
    present: Sequence[int] = [each for each in values if each is not None]
    return Sums(*present) if present else None
