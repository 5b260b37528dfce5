"""Invariant 8: the folded sums are what the rows add up to.

Folded is what a transaction below the fold position wrote; an event that waited for its card counts for its resident
from the transaction that claimed it. What is not folded yet is no breach.
"""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        8,
        "fold_position_is_sound",
        "The fold position is not ahead of what has committed, and every row can still come below it.",
        # Rows that were restored into another cluster keep their ids, which may lie in its future.
        """
        SELECT place.name AS place, place.xid, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_xid
        FROM (SELECT 'fold_position' AS name, (SELECT max(xid) FROM fold_position) AS xid,
                     pg_snapshot_xmin(pg_current_snapshot())::text::bigint + 1 AS bound
              UNION ALL
              SELECT sums.name, sums.xid, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
              FROM (VALUES ('weigh_event.xid', (SELECT max(xid) FROM weigh_event)),
                           ('weigh_event.claimed_xid', (SELECT max(claimed_xid) FROM weigh_event)),
                           ('review_decision.xid', (SELECT max(xid) FROM review_decision)),
                           ('transfer.xid', (SELECT max(xid) FROM transfer))) AS sums (name, xid)) AS place
        WHERE place.xid >= place.bound OR place.name = 'fold_position' AND place.xid IS NULL
        """,
    ),
    Check(
        8,
        "volumes_equal_events",
        "Grams and drops by day, site, material and source, and beside them what is held, are what the folded events"
        " and decisions add up to.",
        """
        SELECT day, site_id, material_id, source, volume.grams, volume.drops,
               recomputed.grams AS grams_of_events, recomputed.drops AS drops_of_events,
               volume.held_grams, volume.held_drops,
               recomputed.held_grams AS held_grams_of_events, recomputed.held_drops AS held_drops_of_events
        FROM volume
        FULL JOIN (
            SELECT date(timezone(:timezone, at)) AS day, site_id, material_id, 'bin' AS source,
                   sum(grams * counted) AS grams, sum(counted) AS drops,
                   sum(grams * held) AS held_grams, sum(held) AS held_drops
            FROM (
                SELECT occurred_at AS at, site_id, material_id, weight_grams AS grams, 1 AS counted, 0 AS held
                FROM weigh_event
                WHERE verdict = 'credit' AND xid < (SELECT xid FROM fold_position)
                UNION ALL
                -- Held from the event until the first decision; whichever of them folding has come to first.
                SELECT event.occurred_at, event.site_id, event.material_id, event.weight_grams, 0,
                       (event.xid < position.xid)::int - coalesce(first.xid < position.xid, false)::int
                FROM fold_position AS position
                CROSS JOIN weigh_event AS event
                LEFT JOIN review_decision AS first
                  ON first.bin_id = event.bin_id AND first.event_id = event.event_id AND first.ordinal = 1
                WHERE event.verdict = 'hold' AND (event.xid < position.xid OR first.xid < position.xid)
                UNION ALL
                SELECT release.placed_at, release.site_id, event.material_id, event.weight_grams, 1, 0
                FROM weigh_event AS event
                JOIN review_decision AS release USING (bin_id, event_id)
                WHERE event.verdict = 'hold' AND release.decision = 'released'
                  AND release.xid < (SELECT xid FROM fold_position)
            ) AS event
            GROUP BY 1, 2, 3
        ) AS recomputed USING (day, site_id, material_id, source)
        WHERE volume.grams IS DISTINCT FROM recomputed.grams OR volume.drops IS DISTINCT FROM recomputed.drops
           OR volume.held_grams IS DISTINCT FROM recomputed.held_grams
           OR volume.held_drops IS DISTINCT FROM recomputed.held_drops
        """,
    ),
    Check(
        8,
        "month_volumes_equal_volumes",
        "Grams and drops by site, month, material and source, and beside them what is held, are what the volumes of"
        " its days add up to.",
        """
        SELECT site_id, month, material_id, source, volume_month.grams, volume_month.drops,
               recomputed.grams AS grams_of_days, recomputed.drops AS drops_of_days,
               volume_month.held_grams, volume_month.held_drops,
               recomputed.held_grams AS held_grams_of_days, recomputed.held_drops AS held_drops_of_days
        FROM volume_month
        FULL JOIN (
            SELECT site_id, make_date(extract(year FROM day)::int, extract(month FROM day)::int, 1) AS month,
                   material_id, source, sum(grams) AS grams, sum(drops) AS drops,
                   sum(held_grams) AS held_grams, sum(held_drops) AS held_drops
            FROM volume
            GROUP BY 1, 2, 3, 4
        ) AS recomputed USING (site_id, month, material_id, source)
        WHERE volume_month.grams IS DISTINCT FROM recomputed.grams
           OR volume_month.drops IS DISTINCT FROM recomputed.drops
           OR volume_month.held_grams IS DISTINCT FROM recomputed.held_grams
           OR volume_month.held_drops IS DISTINCT FROM recomputed.held_drops
        """,
    ),
    Check(
        8,
        "resident_volumes_equal_events",
        "Each resident's grams by material and carbon factor set are what their folded, credited events add up to, each"
        " by the set that was in force on its business day.",
        """
        SELECT owner_id, material_id, set_id, resident_volume.grams, recomputed.grams AS grams_of_events
        FROM resident_volume
        FULL JOIN (
            SELECT credited.owner_id, credited.material_id, coalesce(in_force.set_id, '') AS set_id,
                   sum(credited.grams) AS grams
            FROM (
                SELECT resident_id AS owner_id, material_id, weight_grams AS grams,
                       date(timezone(:timezone, coalesce(release.placed_at, occurred_at))) AS day
                FROM weigh_event
                LEFT JOIN (SELECT bin_id, event_id, placed_at
                           FROM review_decision
                           WHERE decision = 'released') AS release USING (bin_id, event_id)
                WHERE outcome = 'credited' AND coalesce(claimed_xid, xid) < (SELECT xid FROM fold_position)
            ) AS credited
            LEFT JOIN (
                SELECT set_id, effective_from, lead(effective_from) OVER (ORDER BY effective_from, id) AS superseded_on
                FROM carbon_set_choice
            ) AS in_force
              ON credited.day >= in_force.effective_from
             AND (in_force.superseded_on IS NULL OR credited.day < in_force.superseded_on)
            GROUP BY 1, 2, 3
        ) AS recomputed USING (owner_id, material_id, set_id)
        WHERE resident_volume.grams IS DISTINCT FROM recomputed.grams
        """,
    ),
    Check(
        8,
        "resident_days_equal_events",
        "What each account was credited for on a business day is what its credited events of that day add up to: drops,"
        " grams and coins, of those that were held as they were released.",
        """
        SELECT owner_id, day, resident_day.drops, resident_day.grams, resident_day.coins,
               recomputed.drops AS drops_of_events, recomputed.grams AS grams_of_events,
               recomputed.coins AS coins_of_events
        FROM resident_day
        FULL JOIN (
            SELECT resident_id AS owner_id,
                   date(timezone(:timezone, coalesce(release.placed_at, occurred_at))) AS day, count(*) AS drops,
                   sum(weight_grams) AS grams, sum(coalesce(release.coins, weigh_event.coins)) AS coins
            FROM weigh_event
            LEFT JOIN (SELECT bin_id, event_id, placed_at, coins
                       FROM review_decision
                       WHERE decision = 'released') AS release USING (bin_id, event_id)
            WHERE outcome = 'credited'
            GROUP BY 1, 2
        ) AS recomputed USING (owner_id, day)
        WHERE resident_day.drops IS DISTINCT FROM recomputed.drops
           OR resident_day.grams IS DISTINCT FROM recomputed.grams
           OR resident_day.coins IS DISTINCT FROM recomputed.coins
        """,
    ),
    Check(
        8,
        "coin_volumes_equal_transfers",
        "Coins by day, kind and account are what the folded transfers add up to.",
        """
        SELECT day, kind, account_id, coin_volume.issued_coins, coin_volume.spent_coins, coin_volume.transfers,
               recomputed.issued_coins AS issued_by_transfers, recomputed.spent_coins AS spent_by_transfers,
               recomputed.transfers AS transfers_counted
        FROM coin_volume
        FULL JOIN (
            SELECT day, kind, account_id, sum(into_wallet) AS issued_coins, sum(coins - into_wallet) AS spent_coins,
                   count(coins) AS transfers
            FROM (SELECT date(timezone(:timezone, created_at)) AS day, kind, coins,
                         debit_account_id + credit_account_id - owner_id AS account_id,
                         CASE WHEN credit_account_id = owner_id THEN coins ELSE 0 END AS into_wallet
                  FROM transfer
                  WHERE xid < (SELECT xid FROM fold_position)) AS folded
            GROUP BY day, kind, account_id
        ) AS recomputed USING (day, kind, account_id)
        WHERE coin_volume.issued_coins IS DISTINCT FROM recomputed.issued_coins
           OR coin_volume.spent_coins IS DISTINCT FROM recomputed.spent_coins
           OR coin_volume.transfers IS DISTINCT FROM recomputed.transfers
        """,
    ),
    Check(
        8,
        "wallets_hold_what_was_issued",
        "All wallets together hold what was issued less what was spent: what is folded, and the transfers since.",
        """
        SELECT wallets.coins AS coins_in_wallets, folded.coins + since.coins AS coins_issued_less_spent
        FROM (SELECT coalesce(sum(posted), 0) AS coins FROM wallet) AS wallets,
             (SELECT coalesce(sum(issued_coins - spent_coins), 0) AS coins FROM coin_volume) AS folded,
             (SELECT coalesce(sum(CASE WHEN credit_account_id = owner_id THEN coins ELSE -coins END), 0) AS coins
              FROM transfer
              WHERE xid >= (SELECT xid FROM fold_position)) AS since
        WHERE wallets.coins <> folded.coins + since.coins
        """,
    ),
)
