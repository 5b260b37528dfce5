"""Invariant 5: what limits on spending let through."""

from typing import Final

from service.verifying.check import Check

# The limit of a kind, at a merchant, at a moment. A merchant's own stands before the general one; of two from the same
# moment the later written holds.
IN_FORCE: Final = """
SELECT coins
FROM spending_limit
WHERE kind = '{kind}' AND effective_from <= {at}
  AND (spending_limit.merchant_id = {merchant_id} OR spending_limit.merchant_id IS NULL)
ORDER BY spending_limit.merchant_id IS NULL, effective_from DESC, id DESC
LIMIT 1
"""
# Limits of a day hold for whole business days, so the one of the first redemption is the one of all. A late capture is
# not asked whether it is within a limit.
DAYS: Final = """
SELECT '{kind}' AS kind, {owner_id} AS owner_id, {merchant_id} AS merchant_id, day, NULL::uuid AS redemption_id,
       granted.coins, limited.coins AS limit_coins
FROM (SELECT {subject}, day, sum(coins) AS coins, min(created_at) AS first_at
      FROM granted
      GROUP BY {subject}, day
      HAVING sum(coins) > (SELECT min(coins) FROM spending_limit WHERE kind = '{kind}')) AS granted
JOIN LATERAL ({in_force}) AS limited ON granted.coins > limited.coins
"""
RESIDENT_DAYS: Final = DAYS.format(
    kind="resident_day",
    owner_id="granted.owner_id",
    merchant_id="NULL",
    subject="owner_id",
    in_force=IN_FORCE.format(kind="resident_day", at="granted.first_at", merchant_id="NULL"),
)
MERCHANT_DAYS: Final = DAYS.format(
    kind="merchant_day",
    owner_id="NULL",
    merchant_id="granted.merchant_id",
    subject="merchant_id",
    in_force=IN_FORCE.format(kind="merchant_day", at="granted.first_at", merchant_id="granted.merchant_id"),
)

CHECKS: Final = (
    Check(
        5,
        "limits_were_kept",
        "No redemption, no resident's day and no merchant's day is above the limit that was in force, but for late"
        " captures, which no limit keeps from being told.",
        f"""
        WITH granted AS (
            SELECT redemption.owner_id, redemption.merchant_id, redemption.created_at,
                   (redemption.created_at AT TIME ZONE :timezone)::date AS day,
                   coalesce(captured.coins, hold.coins) AS coins
            FROM redemption
            LEFT JOIN hold ON hold.owner_id = redemption.owner_id AND hold.redemption_id = redemption.id
            LEFT JOIN hold_resolution AS resolved
              ON resolved.owner_id = redemption.owner_id AND resolved.redemption_id = redemption.id
            LEFT JOIN transfer AS captured
              ON captured.kind = 'redemption' AND captured.owner_id = redemption.owner_id
             AND captured.redemption_id = redemption.id
            WHERE resolved.outcome IS DISTINCT FROM 'expired'
              AND EXISTS (SELECT FROM spending_limit WHERE kind <> 'redemption')
        )
        SELECT 'redemption' AS kind, redemption.owner_id, redemption.merchant_id, NULL::date AS day,
               redemption.id AS redemption_id, redemption.coins, limited.coins AS limit_coins
        FROM redemption
        JOIN LATERAL ({
            IN_FORCE.format(kind="redemption", at="redemption.created_at", merchant_id="redemption.merchant_id")
        }) AS limited ON redemption.coins > limited.coins
        WHERE redemption.coins > (SELECT min(coins) FROM spending_limit WHERE kind = 'redemption')
        UNION ALL
        {RESIDENT_DAYS}
        UNION ALL
        {MERCHANT_DAYS}
        """,  # noqa: S608  # statements of this module only
    ),
    Check(
        5,
        "limited_days_are_counted",
        "For each business day on which a merchant's limit was in force and something was granted, what it let through"
        " is kept.",
        f"""
        SELECT granted.merchant_id, granted.day, limited.coins AS limit_coins
        FROM (
            SELECT merchant_id, (created_at AT TIME ZONE :timezone)::date AS day, min(created_at) AS first_at
            FROM redemption
            WHERE EXISTS (SELECT FROM spending_limit WHERE kind = 'merchant_day')
            GROUP BY 1, 2
        ) AS granted
        JOIN LATERAL ({
            IN_FORCE.format(kind="merchant_day", at="granted.first_at", merchant_id="granted.merchant_id")
        }) AS limited ON limited.coins IS NOT NULL
        LEFT JOIN merchant_day ON merchant_day.merchant_id = granted.merchant_id AND merchant_day.day = granted.day
        WHERE merchant_day.merchant_id IS NULL
        """,  # noqa: S608  # statements of this module only
    ),
)
