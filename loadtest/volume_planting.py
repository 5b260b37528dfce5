"""A year of weigh events of one district, by COPY: what it would take days to come by over HTTP.

Written as the database's owner into an installation that was made for the run. The drops are of nobody: they count as
volume and move no coins, so folding them is folding of volumes alone. One in LATE_EVERY is told up to a fortnight late,
as by bins that were offline.
"""

import os
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

from loadtest.baselines import Connection
from loadtest.drops import (
    SHARE_BY_MATERIAL,
    WEIGHT_GRAMS_MAX,
    WEIGHT_GRAMS_MEDIAN,
    WEIGHT_GRAMS_MIN,
    WEIGHT_SIGMA,
    uuid7,
)

ROWS_EACH_COPY = 50_000
STATEMENT_SECONDS_MAX = 1800.0
LATE_EVERY = 50
LATE_MAX = timedelta(days=14)
WEIGHTS = 4096
DIGEST_BYTES = 32

# In the communities of the district in turn, until there are $1 sites in all.
SITES = """
WITH RECURSIVE below AS (
    SELECT id, kind FROM area WHERE id = $2
    UNION ALL
    SELECT area.id, area.kind FROM area JOIN below ON area.parent_id = below.id
), community AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS number, count(*) OVER () AS communities
    FROM below
    WHERE kind = 'community'
)
INSERT INTO site (id, area_id, kind, name, name_en)
SELECT 'LT-' || n, community.id, 'community', '点位 ' || n, 'Site ' || n
FROM generate_series((SELECT count(*) FROM site) + 1, $1) AS n
JOIN community ON community.number = n % community.communities
"""

# So many at each site, since before the year began.
BINS = """
WITH planted AS (
    INSERT INTO bin (id, site_id, placed_at, created_at, verification_interval_grams, capacity_grams,
                     certificate_expires_on)
    SELECT 'LT-' || site.id || '-' || n, site.id, $2::timestamptz, $2::timestamptz, 10, 60000, current_date + 300
    FROM site, generate_series(1, $1::int) AS n
    RETURNING id, site_id, placed_at
), placements AS (
    INSERT INTO bin_placement (bin_id, effective_from, site_id) SELECT id, placed_at, site_id FROM planted
), memories AS (
    INSERT INTO bin_memory (bin_id) SELECT id FROM planted
)
SELECT id, site_id FROM planted ORDER BY id
"""

# As whoever writes an event leaves it.
REMEMBER = """
UPDATE bin_memory
SET sequence = told.sequence, sequence_at = $3, heard_at = $3,
    counts = jsonb_build_object('first', jsonb_build_array(1, extract(epoch FROM $4::timestamptz)))
FROM unnest($1::text[], $2::bigint[]) AS told (bin_id, sequence)
WHERE bin_memory.bin_id = told.bin_id AND told.sequence > 0
"""

TARIFFS = """
SELECT DISTINCT ON (material_id) material_id, coins_per_kg FROM tariff WHERE effective_from <= $1
ORDER BY material_id, effective_from DESC
"""

# As autovacuum leaves tables some time after they have grown.
SETTLE = ("VACUUM (ANALYZE) weigh_event", "VACUUM (ANALYZE) volume, volume_month, bin, bin_memory, site, area")

COLUMNS = (
    *("bin_id", "event_id", "content_digest", "site_id", "sequence", "material_id", "weight_grams", "verdict"),
    *("outcome", "epoch", "clock_skew_seconds", "coins_per_kg", "coins", "occurred_at", "received_at"),
)

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class City:
    """Bins and where each stands; what materials earn; and the year, from `begins_at` to before `ends_at`."""

    bins: Sequence[tuple[str, str]]
    coins_per_kg: dict[str, int]
    begins_at: datetime
    ends_at: datetime


async def plant_city(
    connection: Connection, *, district: str, sites: int, bins_each: int, begins_at: datetime, ends_at: datetime
) -> City:
    """So many sites in the district, those that are there among them, each with so many bins more."""
    await connection.execute(SITES, sites, district)
    bins = await connection.fetch(BINS, bins_each, begins_at - timedelta(days=1))
    tariffs = await connection.fetch(TARIFFS, begins_at)
    return City(
        [(row["id"], row["site_id"]) for row in bins],
        {row["material_id"]: row["coins_per_kg"] for row in tariffs},
        begins_at,
        ends_at,
    )


async def plant_events(
    connection: Connection, city: City, *, events: int, seed: int, progress: Callable[[int], None]
) -> float:
    """So many events spread evenly over the year, bins and materials drawn, in transactions of ROWS_EACH_COPY; how long
    the COPYs took, in seconds, the drawing among it."""
    draw = Drawing(city, events, seed)
    began = time.monotonic()
    for first in range(0, events, ROWS_EACH_COPY):
        last = min(first + ROWS_EACH_COPY, events)
        await connection.copy_records_to_table(
            "weigh_event", records=draw.rows(first, last), columns=COLUMNS, timeout=STATEMENT_SECONDS_MAX
        )
        progress(last)
    seconds = time.monotonic() - began
    ids = [bin_id for bin_id, _ in city.bins]
    await connection.execute(REMEMBER, ids, draw.sequences, city.ends_at, city.begins_at)
    return seconds


async def settle(connection: Connection) -> None:
    """Leave the tables as they are in daily life."""
    for statement in SETTLE:
        await connection.execute(statement, timeout=STATEMENT_SECONDS_MAX)


class Drawing:
    """Rows of `weigh_event` as the service would write them, in the order in which they were received."""

    def __init__(self, city: City, events: int, seed: int) -> None:
        self._city = city
        self._random = Random(seed)  # noqa: S311, nothing secret is drawn
        self._step = (city.ends_at - city.begins_at) / events
        self._shares = list(accumulate(SHARE_BY_MATERIAL[each] for each in city.coins_per_kg))
        self._materials = list(city.coins_per_kg.items())
        self._weights = [self._weight() for _ in range(WEIGHTS)]
        self.sequences = [0] * len(city.bins)

    def _weight(self) -> int:
        grams = WEIGHT_GRAMS_MEDIAN * self._random.lognormvariate(0, WEIGHT_SIGMA)
        return min(max(round(grams / 10) * 10, WEIGHT_GRAMS_MIN), WEIGHT_GRAMS_MAX)

    def rows(self, first: int, last: int) -> Iterator[Row]:
        """Events number `first` to before `last` of the year."""
        city, uniform, bits = self._city, self._random.random, self._random.getrandbits
        digests = os.urandom(DIGEST_BYTES * (last - first))
        bins, highest = len(city.bins), self._shares[-1]
        for n in range(first, last):
            number = int(uniform() * bins)
            bin_id, site_id = city.bins[number]
            self.sequences[number] += 1
            material, coins_per_kg = self._materials[bisect_right(self._shares, uniform() * highest)]
            grams = self._weights[bits(12)]
            received_at = city.begins_at + n * self._step
            occurred_at = received_at
            if n % LATE_EVERY == 0:
                occurred_at = max(city.begins_at, received_at - uniform() * LATE_MAX)
            place = DIGEST_BYTES * (n - first)
            yield (
                *(bin_id, uuid7(int(occurred_at.timestamp() * 1000), bits(74)), digests[place : place + DIGEST_BYTES]),
                *(site_id, self.sequences[number], material, grams, "credit", "unclaimed", 0, 0),
                *(coins_per_kg, grams * coins_per_kg // 1000, occurred_at, received_at),
            )


def last_year(now: datetime, zone: Any) -> tuple[int, datetime, datetime]:
    """The last whole year by the city's clock, and the moments it begins and ends, in UTC."""
    year = now.astimezone(zone).year - 1
    begins_at, ends_at = (datetime(each, 1, 1, tzinfo=zone).astimezone(UTC) for each in (year, year + 1))
    return year, begins_at, ends_at
