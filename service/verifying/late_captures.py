"""Invariants 4 and 6: who bears a late capture (docs/decisions/0009)."""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        4,
        "covers_stand_beside_late_captures",
        "The scheme covers only what a machine told late, in that moment, and no more than that.",
        """
        SELECT cover.owner_id, cover.id AS transfer_id, cover.coins, captured.coins AS captured_coins
        FROM transfer AS cover
        LEFT JOIN transfer AS captured
          ON captured.kind = 'redemption' AND captured.owner_id = cover.owner_id
         AND captured.redemption_id = cover.redemption_id
        LEFT JOIN hold_resolution
          ON hold_resolution.owner_id = cover.owner_id AND hold_resolution.redemption_id = cover.redemption_id
        WHERE cover.kind = 'cover'
          AND (captured.id IS NULL OR cover.coins > captured.coins OR cover.created_at <> captured.created_at
               OR hold_resolution.outcome IS DISTINCT FROM 'expired')
        """,
    ),
    Check(
        4,
        "covers_were_needed",
        "The scheme covered no more and no less than what was missing: a late capture that it covered left its resident"
        " what was held for others, and nothing else.",
        # Holds that were placed or resolved in that moment may have been so before or after.
        """
        WITH moved AS (
            SELECT owner_id, id, kind, redemption_id,
                   sum(CASE owner_id WHEN credit_account_id THEN coins ELSE -coins END)
                     OVER (PARTITION BY owner_id ORDER BY id) AS posted
            FROM transfer
            WHERE owner_id IN (SELECT owner_id FROM transfer WHERE kind = 'cover')
        )
        SELECT cover.owner_id, cover.id AS transfer_id, cover.coins, captured.posted, held_min, held_max
        FROM transfer AS cover
        JOIN moved AS captured
          ON captured.kind = 'redemption' AND captured.owner_id = cover.owner_id
         AND captured.redemption_id = cover.redemption_id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(coins) FILTER (
                       WHERE held_at < cover.created_at AND resolved_at > cover.created_at), 0) AS held_min,
                   coalesce(sum(coins), 0) AS held_max
            FROM (SELECT coins, held_at, resolved_at
                  FROM hold_resolution
                  WHERE hold_resolution.owner_id = cover.owner_id
                  UNION ALL
                  SELECT coins, held_at, 'infinity'
                  FROM hold
                  WHERE hold.owner_id = cover.owner_id) AS others
            WHERE held_at <= cover.created_at AND resolved_at >= cover.created_at
        ) AS held
        WHERE cover.kind = 'cover' AND captured.posted NOT BETWEEN held_min AND held_max
        """,
    ),
    Check(
        4,
        "cover_refunds_follow_refunds",
        "Of what is refunded the scheme has back exactly what is more than the resident paid, and never more than it"
        " covered.",
        """
        SELECT owner_id, redemption_id, covered.coins AS covered_coins, captured.coins AS captured_coins,
               coalesce(refunded.coins, 0) AS refunded_coins, coalesce(returned.coins, 0) AS returned_coins
        FROM (SELECT owner_id, redemption_id, id, coins FROM transfer WHERE kind = 'cover') AS covered
        FULL JOIN (
            SELECT owner_id, redemption_id, sum(coins) AS coins, min(reverses_id) AS first_cover_id,
                   max(reverses_id) AS last_cover_id
            FROM transfer
            WHERE kind = 'cover_refund'
            GROUP BY owner_id, redemption_id
        ) AS returned USING (owner_id, redemption_id)
        LEFT JOIN (SELECT owner_id, redemption_id, coins
                   FROM transfer
                   WHERE kind = 'redemption') AS captured USING (owner_id, redemption_id)
        LEFT JOIN (SELECT owner_id, redemption_id, sum(coins) AS coins
                   FROM transfer
                   WHERE kind = 'refund'
                   GROUP BY owner_id, redemption_id) AS refunded USING (owner_id, redemption_id)
        WHERE covered.id IS NULL
           OR returned.first_cover_id <> covered.id OR returned.last_cover_id <> covered.id
           OR returned.coins > covered.coins
           OR coalesce(returned.coins, 0)
              <> greatest(0, coalesce(refunded.coins, 0) - (captured.coins - covered.coins))
        """,
    ),
    Check(
        6,
        "uncovered_captures_took_nothing",
        "What a merchant bears was told by the machine that asked for the hold, after its time was over, and is no more"
        " than was held; no coins were taken for it, then or later.",
        """
        SELECT uncovered.owner_id, uncovered.redemption_id, uncovered.coins, captured.id AS transfer_id,
               CASE WHEN redemption.id IS NULL THEN 'no redemption'
                    WHEN captured.id IS NOT NULL THEN 'captured'
                    WHEN resolved.outcome IS DISTINCT FROM 'expired' THEN 'not expired'
                    WHEN uncovered.coins > redemption.coins THEN 'more than was held'
                    WHEN uncovered.received_at < redemption.expires_at THEN 'in time'
                    ELSE 'another machine or merchant' END AS problem
        FROM uncovered_capture AS uncovered
        LEFT JOIN redemption ON redemption.owner_id = uncovered.owner_id AND redemption.id = uncovered.redemption_id
        LEFT JOIN hold_resolution AS resolved
          ON resolved.owner_id = uncovered.owner_id AND resolved.redemption_id = uncovered.redemption_id
        LEFT JOIN transfer AS captured
          ON captured.kind = 'redemption' AND captured.owner_id = uncovered.owner_id
         AND captured.redemption_id = uncovered.redemption_id
        WHERE redemption.id IS NULL
           OR captured.id IS NOT NULL
           OR resolved.outcome IS DISTINCT FROM 'expired'
           OR uncovered.coins > redemption.coins
           OR uncovered.received_at < redemption.expires_at
           OR redemption.machine_id IS DISTINCT FROM uncovered.machine_id
           OR redemption.merchant_id <> uncovered.merchant_id
        """,
    ),
)
