"""Invariant 7: a redemption happens once, with its transfer and its stored answer, in one transaction."""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        7,
        "redemptions_match_transfers",
        "Each redemption taken at once has one transfer of its coins, one that was held at most one of no more, to its"
        " merchant; no redemption transfer lacks its redemption.",
        """
        SELECT owner_id, redemption_id, spent.id AS transfer_id,
               CASE WHEN spent.id IS NULL THEN 'no transfer'
                    WHEN redemption.coins IS NULL THEN 'no redemption'
                    WHEN spent.times > 1 THEN 'two transfers'
                    WHEN merchant.account_id IS DISTINCT FROM spent.credit_account_id THEN 'another merchant'
                    WHEN redemption.coins <> spent.coins THEN 'other coins'
                    ELSE 'another merchant''s machine' END AS problem
        FROM (SELECT owner_id, id AS redemption_id, merchant_id, machine_id, coins, expires_at
              FROM redemption) AS redemption
        FULL JOIN (
            SELECT owner_id, redemption_id, id, coins, credit_account_id,
                   count(*) OVER (PARTITION BY owner_id, redemption_id) AS times
            FROM transfer
            WHERE kind = 'redemption'
        ) AS spent USING (owner_id, redemption_id)
        LEFT JOIN merchant ON merchant.id = redemption.merchant_id
        LEFT JOIN machine ON machine.id = redemption.machine_id
        WHERE spent.id IS NULL AND redemption.expires_at IS NULL
           OR redemption.coins IS NULL
           OR spent.times > 1
           OR redemption.coins < spent.coins
           OR redemption.coins > spent.coins AND redemption.expires_at IS NULL
           OR merchant.account_id <> spent.credit_account_id OR merchant.account_id IS NULL
           OR redemption.machine_id IS NOT NULL AND machine.merchant_id IS DISTINCT FROM redemption.merchant_id
        """,
    ),
    Check(
        7,
        "redemptions_are_of_their_merchants_offer",
        "Each redemption by an offer names one that is there, of the same merchant.",
        """
        SELECT redemption.owner_id, redemption.id AS redemption_id, redemption.merchant_id, redemption.offer_id,
               offer.merchant_id AS offered_by
        FROM redemption
        LEFT JOIN offer ON offer.id = redemption.offer_id
        WHERE redemption.offer_id IS NOT NULL AND offer.merchant_id IS DISTINCT FROM redemption.merchant_id
        """,
    ),
    Check(
        7,
        "redemptions_match_answers",
        "Each redemption is in one stored answer, to whoever asked for it; each answer that grants one names it.",
        # The answer is read as text: of one that is not JSON, parsing would end the whole verification. A redemption's
        # has its state next to its id, and then its merchant or coins; what is answered to other calls has not.
        """
        SELECT redemption.owner_id, redemption.id AS redemption_id, answer.actor, answer.created_at AS answered_at,
               CASE WHEN answer.actor IS NULL THEN 'no answer'
                    WHEN redemption.id IS NULL THEN 'no redemption'
                    WHEN answer.times > 1 THEN 'two answers'
                    ELSE 'another actor' END AS problem
        FROM (
            SELECT actor, created_at, redemption_id, count(*) OVER (PARTITION BY redemption_id) AS times
            FROM (SELECT actor, created_at,
                         substring(answer FROM '^[{]"id":"([^"]*)","state":"[^"]*","(merchant|coins)"') AS redemption_id
                  FROM idempotency_key
                  WHERE status = 201 AND actor NOT LIKE 'key:%') AS granted
            WHERE redemption_id IS NOT NULL
        ) AS answer
        FULL JOIN redemption ON redemption.id::text = answer.redemption_id
        WHERE answer.actor IS NULL
           OR redemption.id IS NULL
           OR answer.times > 1
           OR answer.actor IS DISTINCT FROM 'resident:' || redemption.owner_id
              AND answer.actor IS DISTINCT FROM 'merchant:' || redemption.merchant_id
              AND answer.actor IS DISTINCT FROM 'machine:' || redemption.machine_id
        """,
    ),
    Check(
        7,
        "used_pay_codes_paid",
        "Each pay-code was used before it expired, and for a redemption of its owner at that moment.",
        # Both times are of one transaction, so they are equal.
        """
        SELECT pay_code.owner_id, pay_code.created_at, pay_code.used_at,
               CASE WHEN redemption.id IS NULL THEN 'no redemption' ELSE 'not good then' END AS problem
        FROM pay_code
        LEFT JOIN redemption ON redemption.owner_id = pay_code.owner_id AND redemption.created_at = pay_code.used_at
        WHERE pay_code.used_at IS NOT NULL
          AND (redemption.id IS NULL
               OR pay_code.used_at < pay_code.created_at
               OR pay_code.used_at > pay_code.expires_at)
        """,
    ),
)
