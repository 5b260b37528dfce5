"""Invariants 5 and 6: holds and what became of them, refunds, stock and what merchants' limits let through."""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        5,
        "holds_add_up",
        "Each wallet's held coins are its open holds, and posted coins cover them.",
        """
        SELECT owner_id, wallet.posted, coalesce(wallet.held, 0) AS held, coalesce(open.coins, 0) AS held_by_holds
        FROM wallet
        FULL JOIN (SELECT owner_id, sum(coins) AS coins FROM hold GROUP BY owner_id) AS open USING (owner_id)
        WHERE wallet.held IS DISTINCT FROM coalesce(open.coins, 0) OR wallet.posted < wallet.held
        """,
    ),
    Check(
        6,
        "holds_are_resolved_once",
        "Each redemption that held coins has one hold, open or resolved, of its coins and its time, which is no longer"
        " than a day; it was not resolved before it was placed.",
        """
        SELECT owner_id, redemption_id,
               CASE WHEN redemption.coins IS NULL THEN 'no redemption'
                    WHEN open.coins IS NULL AND closed.coins IS NULL THEN 'no hold'
                    WHEN open.coins IS NOT NULL AND closed.coins IS NOT NULL THEN 'open and resolved'
                    WHEN redemption.expires_at > redemption.created_at + interval '86400 seconds' THEN 'too long'
                    WHEN closed.resolved_at < redemption.created_at THEN 'resolved before'
                    ELSE 'other coins or time' END AS problem
        FROM (SELECT owner_id, id AS redemption_id, coins, created_at, expires_at
              FROM redemption
              WHERE expires_at IS NOT NULL) AS redemption
        FULL JOIN (SELECT owner_id, redemption_id, coins, held_at, expires_at FROM hold) AS open
            USING (owner_id, redemption_id)
        FULL JOIN (SELECT owner_id, redemption_id, coins, held_at, expires_at, resolved_at
                   FROM hold_resolution) AS closed USING (owner_id, redemption_id)
        WHERE redemption.coins IS NULL
           OR num_nonnulls(open.coins, closed.coins) <> 1
           OR redemption.expires_at > redemption.created_at + interval '86400 seconds'
           OR closed.resolved_at < redemption.created_at
           OR (redemption.coins, redemption.created_at, redemption.expires_at)
              IS DISTINCT FROM (coalesce(open.coins, closed.coins), coalesce(open.held_at, closed.held_at),
                                coalesce(open.expires_at, closed.expires_at))
        """,
    ),
    Check(
        6,
        "resolutions_match_transfers",
        "What a hold's resolution says was captured was transferred; after a void nothing was, and after an expiry only"
        " a machine's late capture.",
        """
        SELECT resolved.owner_id, resolved.redemption_id, resolved.outcome, resolved.captured_coins,
               captured.coins AS transferred_coins
        FROM hold_resolution AS resolved
        LEFT JOIN redemption
          ON redemption.owner_id = resolved.owner_id AND redemption.id = resolved.redemption_id
        LEFT JOIN transfer AS captured
          ON captured.kind = 'redemption' AND captured.owner_id = resolved.owner_id
         AND captured.redemption_id = resolved.redemption_id
        WHERE CASE resolved.outcome
                WHEN 'captured' THEN captured.coins IS DISTINCT FROM resolved.captured_coins
                WHEN 'voided' THEN captured.id IS NOT NULL
                ELSE captured.id IS NOT NULL AND redemption.machine_id IS NULL END
        """,
    ),
    Check(
        6,
        "captures_were_in_time",
        "What was taken at once was captured in the moment in which it was granted; what was held before its time was"
        " over, in the moment in which its hold was resolved; a late capture came after that moment, and within the"
        " longest grace that there can be, 30 days.",
        # The grace of that moment is not kept, and the merchant's may have been changed since.
        """
        SELECT redemption.owner_id, redemption.id AS redemption_id, captured.id AS transfer_id, resolved.outcome,
               redemption.expires_at, captured.created_at AS captured_at
        FROM redemption
        JOIN transfer AS captured
          ON captured.kind = 'redemption' AND captured.owner_id = redemption.owner_id
         AND captured.redemption_id = redemption.id
        LEFT JOIN hold_resolution AS resolved
          ON resolved.owner_id = redemption.owner_id AND resolved.redemption_id = redemption.id
        WHERE CASE WHEN redemption.expires_at IS NULL THEN captured.created_at <> redemption.created_at
                   WHEN resolved.outcome = 'captured' THEN captured.created_at <> resolved.resolved_at
                                                          OR captured.created_at >= redemption.expires_at
                   WHEN resolved.outcome = 'expired'
                   THEN captured.created_at < resolved.resolved_at
                        OR captured.created_at >= redemption.expires_at + interval '2592000 seconds'
                   WHEN resolved.outcome = 'voided' THEN false
                   ELSE true END
        """,
    ),
    Check(
        4,
        "refunds_name_their_capture",
        "Each refund goes back from the merchant that captured, and all of a capture's refunds are no more than it.",
        # As redemptions were given back before there were refunds: a reversal is one too.
        """
        SELECT refund.owner_id, refund.id AS transfer_id, refund.reverses_id, refund.refunded_coins,
               captured.coins AS captured_coins
        FROM (SELECT *, sum(coins) OVER (PARTITION BY owner_id, reverses_id) AS refunded_coins
              FROM transfer
              WHERE kind IN ('refund', 'reversal')) AS refund
        LEFT JOIN transfer AS captured ON captured.owner_id = refund.owner_id AND captured.id = refund.reverses_id
        WHERE refund.kind = 'refund'
          AND (captured.kind IS DISTINCT FROM 'redemption'
           OR captured.redemption_id IS DISTINCT FROM refund.redemption_id
           OR captured.credit_account_id <> refund.debit_account_id
           OR refund.refunded_coins > captured.coins
           OR captured.id >= refund.id)
        """,
    ),
    Check(
        5,
        "stock_is_what_was_taken",
        "Each offer's stock is what was put there less its redemptions that were not voided and did not expire.",
        """
        SELECT offer.id AS offer_id, offer.stock_added, offer.stock_taken, coalesce(taken.pieces, 0) AS pieces
        FROM offer
        LEFT JOIN (
            SELECT redemption.offer_id, count(*) AS pieces
            FROM redemption
            LEFT JOIN hold_resolution
              ON hold_resolution.owner_id = redemption.owner_id AND hold_resolution.redemption_id = redemption.id
            WHERE redemption.from_stock AND coalesce(hold_resolution.outcome, 'captured') = 'captured'
            GROUP BY redemption.offer_id
        ) AS taken ON taken.offer_id = offer.id
        WHERE offer.stock_taken <> coalesce(taken.pieces, 0)
           OR offer.stock_taken > coalesce(offer.stock_added, 0)
        """,
    ),
    Check(
        5,
        "merchant_days_add_up",
        "What a merchant's limit of a day let through is what was captured or is held of that day's redemptions.",
        """
        SELECT merchant_day.merchant_id, merchant_day.day, merchant_day.coins,
               coalesce(sum(counted.coins), 0) AS counted_coins
        FROM merchant_day
        LEFT JOIN (
            SELECT redemption.merchant_id, (redemption.created_at AT TIME ZONE :timezone)::date AS day,
                   coalesce(captured.coins, hold.coins, 0) AS coins
            FROM redemption
            LEFT JOIN hold ON hold.owner_id = redemption.owner_id AND hold.redemption_id = redemption.id
            LEFT JOIN transfer AS captured
              ON captured.kind = 'redemption' AND captured.owner_id = redemption.owner_id
             AND captured.redemption_id = redemption.id
            WHERE EXISTS (SELECT FROM merchant_day)
        ) AS counted ON counted.merchant_id = merchant_day.merchant_id AND counted.day = merchant_day.day
        GROUP BY merchant_day.merchant_id, merchant_day.day, merchant_day.coins
        HAVING merchant_day.coins <> coalesce(sum(counted.coins), 0)
        """,
    ),
)
