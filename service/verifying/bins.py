"""Invariants 2 and 8, as far as bins' keys and places go."""

from typing import Final

from service.fleet.rules import VALID_KEYS_MAX
from service.verifying.check import Check

# Where the bin stood when the event occurred, of what was written down by then: a move that is told later moves
# nothing. Where it was put first is for all that was before.
SITE_BY: Final = """
coalesce((SELECT site_id
          FROM bin_placement
          WHERE bin_id = event.bin_id AND effective_from <= event.occurred_at AND created_at <= {by}
          ORDER BY effective_from DESC
          LIMIT 1),
         placed.first_site_id)
"""

CHECKS: Final = (
    Check(
        2,
        "bins_sign_with_their_keys",
        "No bin has more than two valid keys; one that nobody has claimed and one that is retired have none, and the"
        " latter no claim code.",
        """
        SELECT bin.id AS bin_id, bin.state, count(bin_key.id) AS valid_keys, bool_or(claim.is_open) AS claim_code
        FROM bin
        LEFT JOIN bin_key ON bin_key.bin_id = bin.id AND bin_key.valid_from <= now()
                         AND (bin_key.valid_until IS NULL OR bin_key.valid_until > now())
        LEFT JOIN LATERAL (SELECT true AS is_open
                           FROM bin_claim
                           WHERE bin_id = bin.id AND claimed_at IS NULL AND withdrawn_at IS NULL) AS claim ON true
        GROUP BY bin.id
        HAVING count(bin_key.id) > CASE WHEN bin.state IN ('active', 'suspended') THEN :valid_keys_max ELSE 0 END
            OR bin.state = 'retired' AND bool_or(claim.is_open)
        """,
        {"valid_keys_max": VALID_KEYS_MAX},
    ),
    Check(
        8,
        "bins_stand_where_they_were_put",
        "Each bin stands where it was put last, since then.",
        """
        SELECT bin.id AS bin_id, bin.site_id, bin.placed_at, placement.site_id AS put_at, placement.effective_from
        FROM bin
        LEFT JOIN (SELECT DISTINCT ON (bin_id) bin_id, site_id, effective_from
                   FROM bin_placement
                   ORDER BY bin_id, effective_from DESC) AS placement ON placement.bin_id = bin.id
        WHERE (bin.site_id, bin.placed_at) IS DISTINCT FROM (placement.site_id, placement.effective_from)
        """,
    ),
    Check(
        8,
        "events_are_of_the_site_of_their_time",
        "Each drop and each emptying is of the site where its bin stood at its own time, by what was written down when"
        " it came.",
        # Only of a bin that was moved is it asked event by event. A batch that was on its way when the move was
        # written down may have it either way.
        f"""
        SELECT event.bin_id, event.event_id, event.site_id
        FROM (SELECT bin_id, event_id, site_id, occurred_at, received_at FROM weigh_event
              UNION ALL
              SELECT bin_id, event_id, site_id, occurred_at, received_at FROM clearance) AS event
        LEFT JOIN (SELECT bin_id, (array_agg(site_id ORDER BY effective_from))[1] AS first_site_id,
                          count(*) > 1 AS moved
                   FROM bin_placement
                   GROUP BY bin_id) AS placed ON placed.bin_id = event.bin_id
        WHERE CASE WHEN placed.moved
                   THEN event.site_id <> {SITE_BY.format(by="event.received_at")}
                        AND event.site_id <> {SITE_BY.format(by="event.received_at - interval '1 minute'")}
                   ELSE event.site_id IS DISTINCT FROM placed.first_site_id END
        """,  # noqa: S608  # our own text
    ),
)
