"""Invariant 2, as far as it rests on what is remembered of bins: their counts, what is missing of these, and what was
in their boxes."""

from typing import Final

from service.plausibility.sequences import OPEN_GAPS_MAX
from service.verifying.check import Check

# What bins number; of no count are those whose number was used before.
TOLD: Final = """
SELECT bin_id, event_id, 'drop' AS kind, epoch, sequence FROM weigh_event WHERE epoch IS NOT NULL
UNION ALL
SELECT bin_id, event_id, 'emptying', epoch, sequence FROM clearance WHERE epoch IS NOT NULL
"""

CHECKS: Final = (
    Check(
        2,
        "bins_are_remembered",
        "Each bin has its memory, which whoever writes an event of it locks first, and each memory its bin.",
        """
        SELECT coalesce(bin.id, bin_memory.bin_id) AS bin_id,
               CASE WHEN bin.id IS NULL THEN 'no such bin' ELSE 'no memory' END AS problem
        FROM bin
        FULL JOIN bin_memory ON bin_memory.bin_id = bin.id
        WHERE bin.id IS NULL OR bin_memory.bin_id IS NULL
        """,
    ),
    Check(
        2,
        "events_are_within_the_count",
        "Each drop and each emptying is of a count that its bin has begun, and in the present one numbered no higher"
        " than the highest.",
        f"""
        SELECT told.bin_id, told.event_id, told.kind, told.epoch, told.sequence,
               memory.epoch AS epoch_remembered, memory.sequence AS sequence_remembered
        FROM ({TOLD}) AS told
        JOIN bin_memory AS memory ON memory.bin_id = told.bin_id
        WHERE told.epoch > memory.epoch
           OR told.epoch = memory.epoch AND (memory.sequence IS NULL OR told.sequence > memory.sequence)
        """,  # noqa: S608  # our own text
    ),
    Check(
        2,
        "nothing_is_missing_that_came",
        "No gap that is open contains the number of a drop or an emptying that is stored.",
        f"""
        SELECT gap.bin_id, gap.id AS gap_id, gap.epoch, gap.first_sequence, gap.last_sequence, told.event_id, told.kind,
               told.sequence
        FROM sequence_gap AS gap
        JOIN ({TOLD}) AS told ON told.bin_id = gap.bin_id AND told.epoch = gap.epoch
                             AND told.sequence BETWEEN gap.first_sequence AND gap.last_sequence
        WHERE gap.closed_at IS NULL
        """,  # noqa: S608  # our own text
    ),
    Check(
        2,
        "gaps_are_counted",
        "Of each bin as many gaps are open as it remembers, which are no more than are kept, within its counts, and"
        " none reaches over another.",
        """
        SELECT memory.bin_id, memory.gaps_open, coalesce(found.gaps, 0) AS gaps_found, found.overlapping, found.beyond
        FROM bin_memory AS memory
        LEFT JOIN (
            SELECT gap.bin_id, count(*) AS gaps,
                   count(*) FILTER (WHERE first_sequence <= previous) AS overlapping,
                   count(*) FILTER (WHERE (gap.epoch, last_sequence) >= (present.epoch, present.sequence)) AS beyond
            FROM (SELECT bin_id, epoch, first_sequence, last_sequence,
                         max(last_sequence) OVER (PARTITION BY bin_id, epoch ORDER BY first_sequence, id
                                                  ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous
                  FROM sequence_gap
                  WHERE closed_at IS NULL) AS gap
            LEFT JOIN bin_memory AS present ON present.bin_id = gap.bin_id
            GROUP BY gap.bin_id
        ) AS found ON found.bin_id = memory.bin_id
        WHERE memory.gaps_open <> coalesce(found.gaps, 0)
           OR found.gaps > :gaps_max OR found.overlapping > 0 OR found.beyond > 0
        """,
        {"gaps_max": OPEN_GAPS_MAX},
    ),
    Check(
        2,
        "emptyings_are_whole",
        "Each emptying names a bin, a site and, unless it was rejected for that, a material that exist; each conflict"
        " with one names an emptying that has another content.",
        """
        SELECT clearance.bin_id, clearance.event_id,
               CASE WHEN bin.id IS NULL THEN 'no such bin'
                    WHEN site.id IS NULL THEN 'no such site'
                    ELSE 'no such material' END AS problem
        FROM clearance
        LEFT JOIN bin ON bin.id = clearance.bin_id
        LEFT JOIN site ON site.id = clearance.site_id
        LEFT JOIN material ON material.id = clearance.material_id
        WHERE bin.id IS NULL OR site.id IS NULL
           OR material.id IS NULL AND (clearance.outcome, clearance.code) <> ('rejected', 'unknown_material')
        UNION ALL
        SELECT conflict.bin_id, conflict.event_id,
               CASE WHEN clearance.bin_id IS NULL THEN 'a conflict with nothing' ELSE 'a conflict that is none' END
        FROM clearance_conflict AS conflict
        LEFT JOIN clearance ON clearance.bin_id = conflict.bin_id AND clearance.event_id = conflict.event_id
        WHERE clearance.bin_id IS NULL OR clearance.content_digest = conflict.content_digest
        """,
    ),
    Check(
        2,
        "emptyings_are_held_against_the_drops",
        "What is said to have been in a box when it was emptied is what was left at the emptying before and the drops"
        " since, by their numbers.",
        # Only where nothing between was missing is anything said, so all of it is here; but of a count in which gaps
        # were given up, a replay may have come on top of it.
        """
        SELECT bin_id, event_id, epoch, sequence, expected_grams,
               dropped - dropped_before + left_before AS grams_of_drops
        FROM (
            SELECT bin_id, event_id, epoch, sequence, expected_grams, dropped,
                   lag(dropped) OVER box AS dropped_before, lag(mass_after_grams) OVER box AS left_before
            FROM (
                SELECT bin_id, event_id, epoch, material_id, sequence, expected_grams, mass_after_grams,
                       sum(grams) OVER (PARTITION BY bin_id, epoch, material_id ORDER BY sequence) AS dropped
                FROM (
                    SELECT bin_id, event_id, epoch, material_id, sequence, expected_grams, mass_after_grams, 0 AS grams
                    FROM clearance
                    WHERE epoch IS NOT NULL
                    UNION ALL
                    SELECT bin_id, event_id, epoch, material_id, sequence, NULL, NULL, weight_grams
                    FROM weigh_event
                    WHERE epoch IS NOT NULL
                      AND bin_id IN (SELECT bin_id FROM clearance WHERE expected_grams IS NOT NULL)
                ) AS told
            ) AS told
            WHERE mass_after_grams IS NOT NULL
            WINDOW box AS (PARTITION BY bin_id, epoch, material_id ORDER BY sequence)
        ) AS emptied
        WHERE expected_grams IS NOT NULL AND expected_grams IS DISTINCT FROM dropped - dropped_before + left_before
          AND NOT EXISTS (SELECT 1
                          FROM sequence_gap AS gap
                          WHERE gap.bin_id = emptied.bin_id AND gap.epoch = emptied.epoch AND gap.given_up)
        """,
    ),
)
