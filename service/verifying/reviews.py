"""Invariant 2 of drops that were held: each is decided by its operators, once and again after an appeal, and what
became of it is what they decided."""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        2,
        "held_events_have_their_review",
        "Each event that was held has a review, with its code among the findings; what became of an event is what was"
        " decided about it, and of one whose coins alone waited, that its volume counts.",
        """
        SELECT bin_id, event_id,
               CASE WHEN review.state IS NULL THEN 'no review'
                    WHEN event.verdict IS NULL THEN 'no event'
                    WHEN event.resident_id <> review.resident_id THEN 'another resident'
                    WHEN event.verdict = 'hold' AND NOT review.findings @> event.finding THEN 'another code'
                    ELSE 'another outcome' END AS problem
        FROM (SELECT bin_id, event_id FROM weigh_event WHERE verdict = 'hold') AS held
        FULL JOIN held_event AS review USING (bin_id, event_id)
        LEFT JOIN (
            SELECT bin_id, event_id, verdict, outcome, resident_id,
                   jsonb_build_array(jsonb_build_object('code', code)) AS finding
            FROM weigh_event
        ) AS event USING (bin_id, event_id)
        LEFT JOIN (SELECT DISTINCT bin_id, event_id FROM review_decision) AS decided USING (bin_id, event_id)
        WHERE review.state IS NULL OR event.verdict IS NULL OR event.verdict = 'reject'
           OR event.resident_id <> review.resident_id
           OR event.verdict = 'hold' AND NOT review.findings @> event.finding
           OR CASE WHEN review.state = 'released' THEN event.outcome NOT IN ('credited', 'unclaimed')
                   WHEN event.verdict = 'credit' THEN event.outcome <> 'unclaimed'
                   WHEN decided.bin_id IS NULL THEN event.outcome <> 'held'
                   ELSE event.outcome <> 'rejected' END
        """,
    ),
    Check(
        2,
        "reviews_follow_their_decisions",
        "Each review is in the state that its decisions and its appeal make of it; they came one after the other, a"
        " second only after an appeal against a rejection, and by another operator; all who decided are known.",
        """
        SELECT bin_id, event_id, review.state, first.decision AS first_decision, second.decision AS second_decision,
               CASE WHEN review.state IS NULL THEN 'no review'
                    WHEN first.key_id IS NULL AND first.decision IS NOT NULL
                      OR second.key_id IS NULL AND second.decision IS NOT NULL THEN 'nobody knows by whom'
                    WHEN second.plain_name = first.plain_name THEN 'the same operator'
                    WHEN second.decision IS NOT NULL AND first.decision IS DISTINCT FROM 'rejected'
                      THEN 'nothing to decide again'
                    WHEN first.decided_at < review.held_at OR second.decided_at < review.appealed_at
                      OR second.decided_at IS NOT NULL AND review.appealed_at IS NULL THEN 'out of order'
                    ELSE 'another state' END AS problem
        FROM held_event AS review
        FULL JOIN (
            SELECT DISTINCT bin_id, event_id FROM review_decision
        ) AS decided USING (bin_id, event_id)
        LEFT JOIN (
            SELECT review_decision.*, api_key.id AS key_id, api_key.plain_name
            FROM review_decision LEFT JOIN api_key ON api_key.id = decided_by
            WHERE ordinal = 1
        ) AS first USING (bin_id, event_id)
        LEFT JOIN (
            SELECT review_decision.*, api_key.id AS key_id, api_key.plain_name
            FROM review_decision LEFT JOIN api_key ON api_key.id = decided_by
            WHERE ordinal = 2
        ) AS second USING (bin_id, event_id)
        WHERE review.state IS NULL
           OR first.key_id IS NULL AND first.decision IS NOT NULL
           OR second.key_id IS NULL AND second.decision IS NOT NULL
           OR second.plain_name = first.plain_name
           OR second.decision IS NOT NULL AND first.decision IS DISTINCT FROM 'rejected'
           OR first.decided_at < review.held_at OR second.decided_at < review.appealed_at
           OR second.decided_at IS NOT NULL AND review.appealed_at IS NULL
           OR review.state <> CASE
                WHEN coalesce(second.decision, first.decision) = 'released' THEN 'released'
                WHEN second.decision = 'rejected' OR review.appealed_at < first.decided_at THEN 'upheld'
                WHEN review.appealed_at IS NOT NULL THEN 'appealed'
                WHEN first.decision = 'rejected' THEN 'rejected'
                ELSE 'open' END
        """,
    ),
    Check(
        2,
        "released_drops_earn_by_their_tariff",
        "What a released drop earned is its grams times the tariff that was in force when it counts as weighed, rounded"
        " down; or, where none was, times what its operator set. It counts at a site that there is, and not before it"
        " was weighed; one whose coins alone waited counts at its own time and site.",
        """
        SELECT event.bin_id, event.event_id, release.placed_at, release.site_id, release.coins_per_kg,
               period.coins_per_kg AS coins_per_kg_in_force, event.weight_grams, release.coins
        FROM review_decision AS release
        JOIN weigh_event AS event USING (bin_id, event_id)
        LEFT JOIN (
            SELECT material_id, coins_per_kg, effective_from,
                   lead(effective_from, 1, 'infinity') OVER (PARTITION BY material_id ORDER BY effective_from)
                     AS effective_until
            FROM tariff
        ) AS period ON period.material_id = event.material_id
                   AND release.placed_at >= period.effective_from
                   AND release.placed_at < period.effective_until
        WHERE release.decision = 'released'
          AND (release.coins <> div(event.weight_grams::numeric * release.coins_per_kg, 1000)
               OR release.coins_per_kg <> period.coins_per_kg
               OR release.site_id NOT IN (SELECT id FROM site)
               OR release.placed_at > release.decided_at
               OR release.placed_at <> event.occurred_at AND release.placed_at > event.received_at
               OR event.verdict = 'credit'
                  AND (release.placed_at <> event.occurred_at OR release.site_id <> event.site_id))
        """,
    ),
)
