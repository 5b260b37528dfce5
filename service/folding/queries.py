"""SQL of folding, one function a statement.

What is folded is a window of transaction ids, `lower` to before `upper`. Every id in it is below the oldest transaction
that still ran when `upper` was read, so each row of the window is committed for good or gone for good: any later
snapshot, such as the next statement's under READ COMMITTED, finds the same rows.
"""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables.volumes import fold_position

# Written into the position that no longer belongs to this cluster: no transaction id ever passes it.
LOST_XID = 2**63 - 1

# ORDER BY … LIMIT 1 can only be read from the index. EXISTS would be planned as a scan that hopes to meet a new row
# soon, and the newest rows are at the far end of the table.
PEEK = sa.text("""
SELECT position.xid,
       position.xid > settled.xid AS lost,
       position.holder = :instance OR position.ticked_at < clock_timestamp() - CAST(:lease AS interval) AS ours,
       position.ticked_at < clock_timestamp() - CAST(:lease AS interval) / 2 AS lease_due,
       position.ticked_at < clock_timestamp() - CAST(:interval AS interval) / 2
         AND coalesce(least((SELECT xid FROM weigh_event WHERE xid >= position.xid ORDER BY xid LIMIT 1),
                            (SELECT xid FROM review_decision WHERE xid >= position.xid ORDER BY xid LIMIT 1),
                            (SELECT claimed_xid FROM weigh_event WHERE claimed_xid >= position.xid
                             ORDER BY claimed_xid LIMIT 1),
                            (SELECT xid FROM transfer WHERE xid >= position.xid ORDER BY xid LIMIT 1))
                      < settled.xid, false) AS rows_due
FROM fold_position AS position,
     (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid) AS settled
""")

LOCK_POSITION = sa.text("""
SELECT xid, imbalance_at < clock_timestamp() - CAST(:imbalance_interval AS interval) AS imbalance_due,
       set_config('statement_timeout', :statement_timeout_ms, true)
FROM fold_position
WHERE holder = :instance OR ticked_at < clock_timestamp() - CAST(:lease AS interval)
FOR UPDATE SKIP LOCKED
""")

WINDOW_END = sa.text("""
SELECT settled.xid AS settled,
       least(settled.xid,
             (SELECT xid + 1 FROM weigh_event WHERE xid >= :lower AND xid < settled.xid
              ORDER BY xid OFFSET :rows_max LIMIT 1),
             (SELECT xid + 1 FROM review_decision WHERE xid >= :lower AND xid < settled.xid
              ORDER BY xid OFFSET :rows_max LIMIT 1),
             (SELECT claimed_xid + 1 FROM weigh_event WHERE claimed_xid >= :lower AND claimed_xid < settled.xid
              ORDER BY claimed_xid OFFSET :rows_max LIMIT 1),
             (SELECT xid + 1 FROM transfer WHERE xid >= :lower AND xid < settled.xid
              ORDER BY xid OFFSET :rows_max LIMIT 1)) AS upper
FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid) AS settled
""")


# The sums as they follow from the rows between two transaction ids; what folds and what checks must not differ.
# A drop counts by the verdict of its insertion, which never changes: as volume, as held, or not at all. The first
# decision on a held one takes it from what is held, and a release, the first or after an appeal, adds it to the volume
# of the time and place that it names. Decisions on coins alone, of drops that were not held, move no volume.
def volume_sums(*, happened: str = "true", placed: str = "true") -> str:
    """By day, site, material and source; `happened` is a condition on events' `occurred_at`, `placed` one on what a
    release says instead."""
    return f"""
SELECT day, site_id, material_id, 'bin' AS source, sum(grams) AS grams, sum(drops) AS drops,
       sum(held_grams) AS held_grams, sum(held_drops) AS held_drops
FROM (SELECT (occurred_at AT TIME ZONE :timezone)::date AS day, site_id, material_id,
             CASE verdict WHEN 'credit' THEN weight_grams ELSE 0 END AS grams,
             CASE verdict WHEN 'credit' THEN 1 ELSE 0 END AS drops,
             CASE verdict WHEN 'hold' THEN weight_grams ELSE 0 END AS held_grams,
             CASE verdict WHEN 'hold' THEN 1 ELSE 0 END AS held_drops
      FROM weigh_event
      WHERE xid >= :lower AND xid < :upper AND verdict <> 'reject' AND {happened}
      UNION ALL
      SELECT (event.occurred_at AT TIME ZONE :timezone)::date, event.site_id, event.material_id,
             0, 0, -event.weight_grams, -1
      FROM review_decision AS decision
      JOIN weigh_event AS event USING (bin_id, event_id)
      WHERE decision.xid >= :lower AND decision.xid < :upper AND decision.ordinal = 1 AND event.verdict = 'hold'
        AND {happened}
      UNION ALL
      SELECT (decision.placed_at AT TIME ZONE :timezone)::date, decision.site_id, event.material_id,
             event.weight_grams, 1, 0, 0
      FROM review_decision AS decision
      JOIN weigh_event AS event USING (bin_id, event_id)
      WHERE decision.xid >= :lower AND decision.xid < :upper AND decision.decision = 'released'
        AND event.verdict = 'hold' AND {placed}) AS counted
GROUP BY 1, 2, 3
"""  # noqa: S608  # our own text


SUM_VOLUME = volume_sums()

# Of such rows by month.
BY_MONTH = """
SELECT site_id, date_trunc('month', day)::date AS month, material_id, source, sum(grams)::bigint AS grams,
       sum(drops)::bigint AS drops, sum(held_grams)::bigint AS held_grams, sum(held_drops)::bigint AS held_drops
"""

# A row is counted by the transaction that credited it: the one that wrote it, or the one that claimed it later. The
# second branch asks for claimed_xid alone, the first excludes whatever has one, also where the claim committed after
# `upper` was read: each row satisfies exactly one branch, in exactly one window.
#
# Each counts by the carbon factors in force on its business day. No choice of factors is ever written for a day on
# which something is folded already, and none while a window is: see carbon/choosing.py.
SUM_RESIDENT_VOLUME = """
SELECT credited.owner_id, credited.material_id, coalesce(in_force.set_id, '') AS set_id, sum(credited.grams) AS grams
FROM (SELECT resident_id AS owner_id, material_id, weight_grams AS grams,
             (occurred_at AT TIME ZONE :timezone)::date AS day
      FROM weigh_event
      WHERE xid >= :lower AND xid < :upper AND claimed_xid IS NULL AND outcome = 'credited'
      UNION ALL
      -- Whatever was held is credited so.
      SELECT event.resident_id, event.material_id, event.weight_grams,
             (coalesce(release.placed_at, event.occurred_at) AT TIME ZONE :timezone)::date
      FROM weigh_event AS event
      LEFT JOIN review_decision AS release
             ON release.bin_id = event.bin_id AND release.event_id = event.event_id AND release.decision = 'released'
      WHERE event.claimed_xid >= :lower AND event.claimed_xid < :upper) AS credited
LEFT JOIN (SELECT set_id, effective_from,
                  lead(effective_from, 1, 'infinity') OVER (ORDER BY effective_from, id) AS superseded_on
           FROM carbon_set_choice) AS in_force
       ON credited.day >= in_force.effective_from AND credited.day < in_force.superseded_on
GROUP BY 1, 2, 3
"""

SUM_COIN_VOLUME = """
SELECT (created_at AT TIME ZONE :timezone)::date AS day, kind,
       CASE owner_id WHEN credit_account_id THEN debit_account_id ELSE credit_account_id END AS account_id,
       coalesce(sum(coins) FILTER (WHERE owner_id = credit_account_id), 0)::bigint AS issued_coins,
       coalesce(sum(coins) FILTER (WHERE owner_id = debit_account_id), 0)::bigint AS spent_coins,
       count(*) AS transfers
FROM transfer
WHERE xid >= :lower AND xid < :upper
GROUP BY 1, 2, 3
"""

# Not folded but written with each credit, under the wallet's lock; here as it follows from what was credited. A drop
# that was held counts as it was released.
SUM_RESIDENT_DAY = """
SELECT event.resident_id AS owner_id,
       (coalesce(release.placed_at, event.occurred_at) AT TIME ZONE :timezone)::date AS day,
       count(*)::integer AS drops, sum(event.weight_grams)::bigint AS grams,
       sum(coalesce(release.coins, event.coins))::bigint AS coins
FROM weigh_event AS event
LEFT JOIN review_decision AS release
       ON release.bin_id = event.bin_id AND release.event_id = event.event_id AND release.decision = 'released'
WHERE event.outcome = 'credited'
GROUP BY 1, 2
"""

# Inserted in the order of their keys, as everywhere: whoever else writes these rows one day cannot deadlock with this.
# One statement, so that both tables get the very same sums.
FOLD_VOLUME = sa.text(f"""
WITH counted AS MATERIALIZED ({SUM_VOLUME}), by_day AS (
    INSERT INTO volume (day, site_id, material_id, source, grams, drops, held_grams, held_drops)
    SELECT day, site_id, material_id, source, grams, drops, held_grams, held_drops FROM counted ORDER BY 1, 2, 3, 4
    ON CONFLICT (day, site_id, material_id, source)
    DO UPDATE SET grams = volume.grams + excluded.grams, drops = volume.drops + excluded.drops,
                  held_grams = volume.held_grams + excluded.held_grams,
                  held_drops = volume.held_drops + excluded.held_drops
)
INSERT INTO volume_month (site_id, month, material_id, source, grams, drops, held_grams, held_drops)
{BY_MONTH} FROM counted GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (site_id, month, material_id, source)
DO UPDATE SET grams = volume_month.grams + excluded.grams, drops = volume_month.drops + excluded.drops,
              held_grams = volume_month.held_grams + excluded.held_grams,
              held_drops = volume_month.held_drops + excluded.held_drops
""")  # noqa: S608  # our own text

FOLD_RESIDENT_VOLUME = sa.text(f"""
INSERT INTO resident_volume (owner_id, material_id, set_id, grams)
{SUM_RESIDENT_VOLUME} ORDER BY 1, 2, 3
ON CONFLICT (owner_id, material_id, set_id)
DO UPDATE SET grams = resident_volume.grams + excluded.grams
""")

FOLD_COIN_VOLUME = sa.text(f"""
INSERT INTO coin_volume (day, kind, account_id, issued_coins, spent_coins, transfers)
{SUM_COIN_VOLUME} ORDER BY 1, 2, 3
ON CONFLICT (day, kind, account_id)
DO UPDATE SET issued_coins = coin_volume.issued_coins + excluded.issued_coins,
              spent_coins = coin_volume.spent_coins + excluded.spent_coins,
              transfers = coin_volume.transfers + excluded.transfers
""")

WALLETS_LESS_FOLDED = sa.text("""
SELECT ((SELECT coalesce(sum(posted), 0) FROM wallet)
        - (SELECT coalesce(sum(issued_coins - spent_coins), 0) FROM coin_volume))::bigint AS coins, xid
FROM fold_position
""")

UNFOLDED_COINS = sa.text("""
SELECT coalesce(sum(CASE owner_id WHEN credit_account_id THEN coins ELSE -coins END), 0)::bigint
FROM transfer
WHERE xid >= :lower
""")

# The planner's statistics know nothing of the newest ids; a scan of all rows for the last few would not end in time.
THROUGH_INDEX = sa.text("SET LOCAL enable_seqscan = off")
AS_PLANNED = sa.text("SET LOCAL enable_seqscan = DEFAULT")

LAG = sa.text("""
SELECT CASE WHEN position.xid > pg_snapshot_xmin(pg_current_snapshot())::text::bigint THEN 'infinity'::float8
            ELSE greatest(0, extract(epoch FROM clock_timestamp() - least(
                (SELECT received_at FROM weigh_event WHERE xid >= position.xid ORDER BY xid LIMIT 1),
                (SELECT decided_at FROM review_decision WHERE xid >= position.xid ORDER BY xid LIMIT 1)
            )))::float8 END
FROM fold_position AS position
""")


async def peek(connection: AsyncConnection, *, instance: str, lease: timedelta, interval: timedelta) -> sa.Row[Any]:
    """What a tick has to do, without a lock or a write: xid, lost, ours, lease_due, rows_due."""
    return (await connection.execute(PEEK, {"instance": instance, "lease": lease, "interval": interval})).one()


async def lock_position(
    connection: AsyncConnection,
    *,
    instance: str,
    lease: timedelta,
    imbalance_interval: timedelta,
    statement_timeout: timedelta,
) -> sa.Row[Any] | None:
    """The position (xid, imbalance_due), locked; None where another holds the lease or is folding at this moment.

    For the rest of the transaction statements may run for `statement_timeout`, and read through the index.
    """
    await connection.execute(THROUGH_INDEX)
    return (
        await connection.execute(
            LOCK_POSITION,
            {
                "instance": instance,
                "lease": lease,
                "imbalance_interval": imbalance_interval,
                "statement_timeout_ms": str(round(statement_timeout.total_seconds() * 1000)),
            },
        )
    ).one_or_none()


async def window_end(connection: AsyncConnection, *, lower: int, rows_max: int) -> sa.Row[Any]:
    """Up to where all is `settled`, and the `upper` end of a window of about `rows_max` rows of each table.

    A window ends behind a whole transaction, so it always makes progress. Asked with the position locked: a snapshot
    older than the lock could be older than the position too.
    """
    return (await connection.execute(WINDOW_END, {"lower": lower, "rows_max": rows_max})).one()


async def fold_volume(connection: AsyncConnection, *, lower: int, upper: int, timezone: str) -> None:
    """Grams and drops of the window, and what is held of them, by business day of the drop, and by month."""
    await connection.execute(FOLD_VOLUME, {"lower": lower, "upper": upper, "timezone": timezone})


async def fold_resident_volume(connection: AsyncConnection, *, lower: int, upper: int, timezone: str) -> None:
    """Grams credited in the window, at once or after waiting for their card, by the factors of their business day."""
    await connection.execute(FOLD_RESIDENT_VOLUME, {"lower": lower, "upper": upper, "timezone": timezone})


async def fold_coin_volume(connection: AsyncConnection, *, lower: int, upper: int, timezone: str) -> None:
    """Coins moved in the window, by business day of the transfer."""
    await connection.execute(FOLD_COIN_VOLUME, {"lower": lower, "upper": upper, "timezone": timezone})


async def move_position(connection: AsyncConnection, *, xid: int, instance: str) -> None:
    """Every row below `xid` is folded, and the lease is this instance's from now."""
    await connection.execute(
        sa.update(fold_position).values(xid=xid, holder=instance, ticked_at=sa.func.clock_timestamp())
    )


async def mark_lost(connection: AsyncConnection, *, seen_xid: int) -> None:
    """Make it stay lost: once this cluster's ids had passed the old position, the rows between would be missed.

    Unless it was rebuilt since `seen_xid` was seen.
    """
    await connection.execute(sa.update(fold_position).where(fold_position.c.xid == seen_xid).values(xid=LOST_XID))


async def read_imbalance(connection: AsyncConnection) -> int:
    """Coins in wallets that no transfer put there; anything but 0 is an error in the ledger.

    To be asked in a snapshot (service.db.snapshot): folded sums, the transfers after them and the wallets must be of
    the same moment.
    """
    folded = (await connection.execute(WALLETS_LESS_FOLDED)).one()
    await connection.execute(THROUGH_INDEX)
    unfolded: int = (await connection.execute(UNFOLDED_COINS, {"lower": folded.xid})).scalar_one()
    await connection.execute(AS_PLANNED)
    imbalance: int = folded.coins - unfolded
    return imbalance


async def record_imbalance(connection: AsyncConnection, *, coins: int, instance: str) -> None:
    await connection.execute(
        sa.update(fold_position)
        .where(fold_position.c.holder == instance)
        .values(imbalance_coins=coins, imbalance_at=sa.func.clock_timestamp())
    )


async def fold_lag_seconds(connection: AsyncConnection) -> float:
    """Age of the oldest event or decision that is not folded yet; 0 where all are, infinite where folding has stopped
    for good."""
    lag: float = (await connection.execute(LAG)).scalar_one()
    return lag


async def holds_lease(connection: AsyncConnection, *, instance: str) -> bool:
    """Whether this instance folds now, and so exports what is read from the database."""
    return bool((await connection.execute(sa.select(fold_position.c.holder == instance))).scalar_one())


LOCK_WRONG_DAYS = sa.text(f"""
SELECT owner_id
FROM wallet
WHERE owner_id IN (
    SELECT owner_id
    FROM (SELECT owner_id, day, drops, grams, coins FROM resident_day) AS kept
    FULL JOIN ({SUM_RESIDENT_DAY}) AS made USING (owner_id, day)
    WHERE (kept.drops, kept.grams, kept.coins) IS DISTINCT FROM (made.drops, made.grams, made.coins)
)
ORDER BY owner_id
FOR NO KEY UPDATE
""")  # noqa: S608  # our own text

# Whoever decided by the old days must see that the wallet has been written since.
TOUCH_WALLETS = sa.text("UPDATE wallet SET posted = posted WHERE owner_id = ANY (:owner_ids)")

DELETE_DAYS = sa.text("DELETE FROM resident_day WHERE owner_id = ANY (:owner_ids)")

INSERT_DAYS = sa.text(f"""
INSERT INTO resident_day (owner_id, day, drops, grams, coins)
SELECT owner_id, day, drops, grams, coins
FROM ({SUM_RESIDENT_DAY}) AS made
WHERE owner_id = ANY (:owner_ids)
""")  # noqa: S608  # our own text


async def rebuild_resident_days(connection: AsyncConnection, *, timezone: str) -> None:
    """Recompute the days of those accounts of which any is wrong; their wallets stay locked until the commit."""
    owner_ids = (await connection.execute(LOCK_WRONG_DAYS, {"timezone": timezone})).scalars().all()
    if owner_ids:
        # Statements of their own: they see what was credited before the locks were had.
        await connection.execute(TOUCH_WALLETS, {"owner_ids": owner_ids})
        await connection.execute(DELETE_DAYS, {"owner_ids": owner_ids})
        await connection.execute(INSERT_DAYS, {"owner_ids": owner_ids, "timezone": timezone})
