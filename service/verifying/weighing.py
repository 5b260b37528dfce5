"""Invariant 2: a weigh event is credited at most once, with its own coins, to its own resident."""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        2,
        "credited_events_match_transfers",
        "Each credited event with coins has its credit transfer, of the same owner and coins, those of its release"
        " where it was held; no transfer lacks its credited event.",
        """
        SELECT bin_id, event_id, credit.id AS transfer_id,
               CASE WHEN credit.id IS NULL THEN 'no transfer'
                    WHEN event.coins IS NULL THEN 'no credited event'
                    WHEN event.resident_id IS DISTINCT FROM credit.owner_id THEN 'another owner'
                    ELSE 'other coins' END AS problem
        FROM (SELECT bin_id, event_id, resident_id, coalesce(release.coins, weigh_event.coins) AS coins
              FROM weigh_event
              LEFT JOIN (SELECT bin_id, event_id, coins
                         FROM review_decision
                         WHERE decision = 'released') AS release USING (bin_id, event_id)
              WHERE outcome = 'credited' AND coalesce(release.coins, weigh_event.coins) > 0) AS event
        FULL JOIN (SELECT bin_id, event_id, id, owner_id, coins
                   FROM transfer
                   WHERE kind = 'credit') AS credit USING (bin_id, event_id)
        WHERE credit.id IS NULL
           OR event.coins IS NULL
           OR event.resident_id IS DISTINCT FROM credit.owner_id
           OR event.coins <> credit.coins
        """,
    ),
    Check(
        2,
        "events_are_credited_once",
        "No event has two credit transfers.",
        """
        SELECT bin_id, event_id, count(*) AS transfers, min(id) AS first_transfer_id, max(id) AS last_transfer_id
        FROM transfer
        WHERE kind = 'credit'
        GROUP BY bin_id, event_id
        HAVING count(*) > 1
        """,
    ),
    Check(
        2,
        "coins_follow_from_weight_and_tariff",
        "Each event's coins are its grams times its tariff, rounded down, and its tariff is the one that was in force"
        " when it occurred.",
        # Where none was in force an event is held; a tariff that is entered later does not make that wrong, nor what
        # was written of a time that was yet to come.
        """
        SELECT event.bin_id, event.event_id, event.coins_per_kg, period.coins_per_kg AS coins_per_kg_in_force,
               event.weight_grams, event.coins
        FROM weigh_event AS event
        LEFT JOIN (
            SELECT material_id, coins_per_kg, effective_from,
                   lead(effective_from, 1, 'infinity') OVER (PARTITION BY material_id ORDER BY effective_from)
                     AS effective_until
            FROM tariff
        ) AS period ON period.material_id = event.material_id
                   AND event.occurred_at >= period.effective_from
                   AND event.occurred_at < period.effective_until
        WHERE event.coins IS DISTINCT FROM coalesce(div(event.weight_grams::numeric * event.coins_per_kg, 1000), 0)
           OR event.coins_per_kg IS DISTINCT FROM period.coins_per_kg AND event.verdict = 'credit'
           OR event.coins_per_kg <> period.coins_per_kg AND event.occurred_at <= event.received_at
        """,
    ),
    Check(
        2,
        "events_are_whole",
        "Each event names a bin, a site, a material unless it was rejected for that, and, where it is credited and only"
        " there, a resident that exist.",
        """
        SELECT event.bin_id, event.event_id,
               CASE WHEN bin.id IS NULL THEN 'no such bin'
                    WHEN site.id IS NULL THEN 'no such site'
                    WHEN material.id IS NULL THEN 'no such material'
                    WHEN event.weight_grams <= 0 THEN 'no weight'
                    WHEN event.outcome NOT IN ('credited', 'unclaimed', 'held', 'rejected') THEN 'no such outcome'
                    WHEN event.outcome = 'credited' AND resident.id IS NULL THEN 'no such resident'
                    ELSE 'a resident, and not credited' END AS problem
        FROM weigh_event AS event
        LEFT JOIN bin ON bin.id = event.bin_id
        LEFT JOIN site ON site.id = event.site_id
        LEFT JOIN material ON material.id = event.material_id
        LEFT JOIN resident ON resident.id = event.resident_id
        WHERE bin.id IS NULL OR site.id IS NULL
           OR material.id IS NULL AND (event.outcome, event.code) IS DISTINCT FROM ('rejected', 'unknown_material')
           OR event.weight_grams <= 0
           OR event.outcome NOT IN ('credited', 'unclaimed', 'held', 'rejected')
           OR (event.outcome = 'credited') <> (resident.id IS NOT NULL)
           OR event.outcome <> 'credited' AND event.resident_id IS NOT NULL
        """,
    ),
    Check(
        2,
        "conflicts_differ_from_their_event",
        "Each conflict names a stored event that has another content.",
        """
        SELECT conflict.bin_id, conflict.event_id, encode(conflict.content_digest, 'hex') AS content_digest,
               CASE WHEN event.bin_id IS NULL THEN 'no such event' ELSE 'the same content' END AS problem
        FROM weigh_event_conflict AS conflict
        LEFT JOIN weigh_event AS event ON event.bin_id = conflict.bin_id AND event.event_id = conflict.event_id
        WHERE event.bin_id IS NULL OR event.content_digest = conflict.content_digest
        """,
    ),
)
