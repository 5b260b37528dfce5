"""Invariant 8: no mass stands twice among the inputs, and every published figure follows from what is stored.

The published digits are computed here in SQL, from the record and the inputs it names: another way than the service's.
"""

from typing import Final

from service.indicator.evidence import BINS
from service.indicator.kinds import KINDS
from service.verifying.check import Check

UNITS: Final = {
    "kinds": [kind.id for kind in KINDS.values() if kind.recorded],
    "units": [kind.unit for kind in KINDS.values() if kind.recorded],
}

# A period as it is written, from its days; see service/periods.py.
PERIOD_TEXT: Final = """
CASE WHEN extract(month FROM first_day) = 1 AND extract(month FROM last_day) = 12 THEN to_char(first_day, 'YYYY')
     WHEN extract(month FROM first_day) = extract(month FROM last_day) THEN to_char(first_day, 'YYYY-MM')
     WHEN extract(quarter FROM first_day) = extract(quarter FROM last_day)
      AND extract(month FROM last_day) - extract(month FROM first_day) = 2 THEN to_char(first_day, 'YYYY-"Q"Q')
     ELSE to_char(first_day, 'YYYY-MM/') || to_char(last_day, 'YYYY-MM') END
"""

# The latest version of each input that is not withdrawn, and each area with all that it lies in.
COUNTING: Final = """
counting AS (
    SELECT *
    FROM (SELECT DISTINCT ON (area_id, first_day, last_day, kind, source, material_id) *
          FROM indicator_input
          ORDER BY area_id, first_day, last_day, kind, source, material_id, version DESC) AS latest
    WHERE num_nonnulls(grams, ppm) = 1
),
above (id, above_id) AS (
    SELECT id, id FROM area
    UNION ALL
    SELECT above.id, area.parent_id FROM above JOIN area ON area.id = above.above_id WHERE area.parent_id IS NOT NULL
)
"""

# Each quantity of a published record with its grams, and what its inputs come to.
PUBLISHED: Final = """
published AS (
    SELECT id, number, digest, record, record::jsonb -> 'figure' AS figure FROM publication WHERE number IS NOT NULL
),
used AS (
    SELECT published.number, quantity.position, quantity.value AS quantity, input.value AS input,
           nullif(input.value -> 'share', 'null') AS share
    FROM published
    CROSS JOIN jsonb_array_elements(figure -> 'quantities') WITH ORDINALITY AS quantity (value, position)
    LEFT JOIN jsonb_array_elements(quantity.value -> 'inputs') AS input (value) ON true
),
summed AS (
    SELECT number, coalesce(quantity ->> 'stands_in_for', quantity ->> 'id') AS name,
           (quantity ->> 'grams')::numeric AS grams,
           coalesce(sum((input ->> 'grams')::numeric * coalesce((share ->> 'ppm')::numeric, 1000000) / 1000000), 0)
             AS grams_of_inputs
    FROM used
    GROUP BY number, position, quantity
),
computed AS (
    SELECT published.number, figure,
           CASE figure #>> '{formula,id}'
                WHEN 'cn.net_residue' THEN r + k - residue
                WHEN 'cn.resource_utilisation' THEN r + used_by_ways
                WHEN 'eu.2019_1004' THEN r - rejects
                WHEN 'us.epa1997' THEN r
                ELSE r + k END AS numerator,
           CASE figure #>> '{formula,id}'
                WHEN 'cn.generated' THEN g
                WHEN 'eu.2019_1004' THEN g
                WHEN 'us.epa1997' THEN r + disposed + exported - imported
                ELSE c + r END AS denominator
    FROM published
    JOIN (
        SELECT number, max(grams) FILTER (WHERE name = 'recovered') AS r,
               max(grams) FILTER (WHERE name = 'kitchen_treated') AS k,
               max(grams) FILTER (WHERE name = 'cleared') AS c,
               max(grams) FILTER (WHERE name = 'generated') AS g,
               max(grams) FILTER (WHERE name = 'kitchen_residue') AS residue,
               coalesce(max(grams) FILTER (WHERE name = 'yard_rejects'), 0) AS rejects,
               sum(grams) FILTER (WHERE name IN ('burned_used', 'kitchen_used', 'landfilled_used')) AS used_by_ways,
               max(grams) FILTER (WHERE name = 'disposed') AS disposed,
               max(grams) FILTER (WHERE name = 'exported') AS exported,
               max(grams) FILTER (WHERE name = 'imported') AS imported
        FROM summed
        GROUP BY number
    ) AS amounts USING (number)
)
"""

CHECKS: Final = (
    Check(
        8,
        "inputs_are_of_their_kinds",
        "Each input is of a kind that is recorded, in the unit of its kind; its versions count from 1 without a gap.",
        """
        SELECT input.id, input.kind,
               CASE WHEN known.unit IS NULL THEN 'no such kind' WHEN place <> version THEN 'a version is missing'
                    ELSE 'another unit' END AS problem
        FROM (SELECT *, row_number() OVER (PARTITION BY area_id, first_day, last_day, kind, source, material_id
                                           ORDER BY version) AS place
              FROM indicator_input) AS input
        LEFT JOIN unnest(CAST(:kinds AS text[]), CAST(:units AS text[])) AS known (kind, unit) USING (kind)
        WHERE known.unit IS NULL OR place <> version OR known.unit = 'grams' AND ppm IS NOT NULL
           OR known.unit = 'ppm' AND grams IS NOT NULL
        """,
        UNITS,
    ),
    Check(
        8,
        "inputs_stand_once",
        "No mass stands twice: of inputs that count, of one kind and source, none shares a month with another of the"
        " same area or of one around it; and an area has one share for a month.",
        f"""
        WITH RECURSIVE {COUNTING}
        SELECT one.id, other.id AS other_id, one.kind, one.area_id, other.area_id AS other_area_id
        FROM counting AS one
        JOIN above ON above.id = one.area_id
        JOIN counting AS other
          ON other.area_id = above.above_id AND other.kind = one.kind AND other.id <> one.id
         AND other.first_day <= one.last_day AND other.last_day >= one.first_day
        WHERE CASE WHEN one.ppm IS NOT NULL THEN other.area_id = one.area_id AND other.id > one.id
                   ELSE other.source = one.source AND (other.area_id <> one.area_id OR other.id > one.id)
                    AND (one.material_id IS NULL OR other.material_id IS NULL OR one.material_id = other.material_id)
              END
        """,  # noqa: S608  # our own text
    ),
    Check(
        8,
        "targets_say_who_set_them",
        "The versions of each target count from 1 without a gap, in the order in which they were set; each was set by"
        " an operator, but for those that are older than this is kept, and there is none to withdraw what was not set.",
        """
        SELECT target.area_id, target.year, version,
               CASE WHEN place <> version THEN 'a version is missing'
                    WHEN id < id_before THEN 'set before the one that it supersedes'
                    WHEN rate_per_mille IS NULL AND rate_before IS NULL THEN 'nothing to withdraw'
                    ELSE 'nobody knows by whom' END AS problem
        FROM (SELECT *, row_number() OVER of_year AS place, lag(id) OVER of_year AS id_before,
                     lag(recorded_by) OVER of_year AS set_by_before, lag(rate_per_mille) OVER of_year AS rate_before
              FROM target
              WINDOW of_year AS (PARTITION BY area_id, year ORDER BY version)) AS target
        LEFT JOIN (SELECT id AS setter_id FROM api_key
                   WHERE role IN ('operator', 'admin')) AS setter ON setter_id = recorded_by
        WHERE place <> version OR id < id_before OR rate_per_mille IS NULL AND rate_before IS NULL
           OR setter_id IS NULL AND num_nonnulls(recorded_by, set_by_before) > 0
        """,
    ),
    Check(
        8,
        "publications_keep_their_digest",
        "The record of each publication and proposal is the one whose digest stands beside it.",
        """
        SELECT id, number FROM publication WHERE sha256(convert_to(record, 'UTF8')) <> digest
        """,
    ),
    Check(
        8,
        "publications_have_two_operators",
        "Publications are numbered from 1 on without a gap, each published by another operator than proposed it; what"
        " one restates is an earlier one of the same area, period and formula.",
        """
        SELECT publication.number, publication.id,
               CASE WHEN proposer.id IS NULL OR decider.id IS NULL THEN 'nobody knows by whom'
                    WHEN proposer.plain_name = decider.plain_name THEN 'the same operator'
                    WHEN publication.number <> place THEN 'a number is missing'
                    ELSE 'restates another figure' END AS problem
        FROM (SELECT *, row_number() OVER (ORDER BY number) AS place
              FROM publication
              WHERE number IS NOT NULL) AS publication
        LEFT JOIN api_key AS proposer ON proposer.id = publication.proposed_by
        LEFT JOIN api_key AS decider ON decider.id = publication.decided_by
        LEFT JOIN publication AS old ON old.number = publication.restates
        WHERE proposer.id IS NULL OR decider.id IS NULL OR proposer.plain_name = decider.plain_name
           OR publication.number <> place
           OR old.id IS NOT NULL AND NOT (old.number < publication.number
              AND (old.area_id, old.first_day, old.last_day, old.formula_id)
                = (publication.area_id, publication.first_day, publication.last_day, publication.formula_id))
        """,
    ),
    Check(
        8,
        "publications_are_decided_once",
        "The database lets each proposal be decided on once, and a publication be changed in no other way.",
        """
        SELECT expected.name AS trigger,
               CASE WHEN found.oid IS NULL THEN 'missing' WHEN found.tgenabled NOT IN ('O', 'A') THEN 'disabled'
                    ELSE 'another one' END AS problem
        FROM (VALUES ('publication_is_decided_once')) AS expected (name)
        LEFT JOIN pg_trigger AS found
          ON found.tgrelid = to_regclass('publication') AND found.tgname = expected.name AND NOT found.tgisinternal
        LEFT JOIN pg_proc AS called ON called.oid = found.tgfoid
        -- 19: of each row, before, and of updates only; of all columns and whatever the values.
        WHERE (found.tgenabled IN ('O', 'A') AND found.tgtype = 19 AND found.tgqual IS NULL
               AND cardinality(found.tgattr::smallint[]) = 0 AND called.proname = expected.name) IS NOT TRUE
        """,
    ),
    Check(
        8,
        "publications_say_what_they_froze",
        "What stands beside the record of a publication or proposal is what the record says: area, period, formula, way"
        " of counting, digits, code, and of a restatement what it restates and why.",
        f"""
        SELECT number, id, said.name AS column, said.beside, said.frozen
        FROM (SELECT *, record::jsonb AS content, record::jsonb -> 'figure' AS figure, {PERIOD_TEXT} AS period
              FROM publication) AS publication
        CROSS JOIN LATERAL (VALUES
            ('area_id', area_id, figure ->> 'area'),
            ('period', period, figure ->> 'period'),
            ('first_day', first_day::text, figure ->> 'first_day'),
            ('last_day', last_day::text, figure ->> 'last_day'),
            ('formula_id', formula_id, figure #>> '{{formula,id}}'),
            ('formula_version', formula_version::text, figure #>> '{{formula,version}}'),
            ('counted_at', counted_at, figure ->> 'counted_at'),
            ('rate', rate, figure ->> 'rate'),
            ('rate_percent', rate_percent, figure ->> 'rate_percent'),
            ('numerator_grams', numerator_grams, figure ->> 'numerator_grams'),
            ('denominator_grams', denominator_grams, figure ->> 'denominator_grams'),
            ('code_version', code_version, content ->> 'code_version'),
            ('restates', restates::text, content ->> 'restates'),
            ('reason', reason, content ->> 'reason')
        ) AS said (name, beside, frozen)
        WHERE said.beside IS DISTINCT FROM said.frozen
        """,  # noqa: S608  # our own text
    ),
    Check(
        8,
        "publications_name_stored_inputs",
        "Each input that a published figure was made of is stored as it was used: area, period, kind, source, material,"
        " version, amount; only what bins weighed is none that was recorded.",
        f"""
        WITH {PUBLISHED},
        named AS (
            SELECT number, input AS used, (input ->> 'grams')::bigint AS grams, NULL::integer AS ppm FROM used
            UNION ALL
            SELECT number, share, NULL, (share ->> 'ppm')::integer FROM used
        )
        SELECT DISTINCT named.number, (used ->> 'id')::bigint AS input_id, used ->> 'kind' AS kind
        FROM named
        LEFT JOIN (SELECT *, {PERIOD_TEXT} AS period FROM indicator_input) AS stored
          ON stored.id = (used ->> 'id')::bigint
        WHERE used IS NOT NULL AND (used ->> 'id' IS NOT NULL OR used ->> 'kind' IS DISTINCT FROM '{BINS}')
          AND (stored.area_id, stored.period, stored.kind, stored.source, stored.material_id, stored.version::text,
               stored.grams, stored.ppm)
              IS DISTINCT FROM
              (used ->> 'area', used ->> 'period', used ->> 'kind', used ->> 'source', used ->> 'material',
               used ->> 'version', named.grams, named.ppm)
        """,  # noqa: S608  # our own text
    ),
    Check(
        8,
        "publications_name_an_input_once",
        "No quantity of a published figure is made of the same input twice, nor of the same months of the same bins.",
        f"""
        WITH {PUBLISHED}
        SELECT number, quantity ->> 'id' AS quantity, (input ->> 'id')::bigint AS input_id, input ->> 'kind' AS kind,
               input ->> 'area' AS area_id, input ->> 'period' AS period, count(*) AS times
        FROM used
        WHERE input IS NOT NULL
        GROUP BY number, position, 2, 3, 4, 5, 6
        HAVING count(*) > 1
        """,  # noqa: S608  # our own text
    ),
    Check(
        8,
        "publications_add_up",
        "Each published quantity is what its inputs add up to, and the published rate is its formula's of those"
        " quantities, to the last digit.",
        f"""
        WITH {PUBLISHED}
        SELECT number, name AS quantity, grams AS published, grams_of_inputs AS recomputed
        FROM summed
        WHERE grams IS DISTINCT FROM grams_of_inputs
        UNION ALL
        SELECT number, 'numerator', (figure ->> 'numerator_grams')::numeric, numerator
        FROM computed
        WHERE (figure ->> 'numerator_grams')::numeric IS DISTINCT FROM numerator
        UNION ALL
        SELECT number, 'denominator', (figure ->> 'denominator_grams')::numeric, denominator
        FROM computed
        WHERE (figure ->> 'denominator_grams')::numeric IS DISTINCT FROM denominator
        UNION ALL
        SELECT number, 'rate', (figure ->> 'rate')::numeric, numerator / nullif(denominator, 0)
        FROM computed
        -- Half a digit is the most that rounding changes.
        WHERE abs((figure ->> 'rate')::numeric * denominator - numerator) <= 0.0000005 * denominator IS NOT TRUE
           OR abs((figure ->> 'rate_percent')::numeric * denominator - 100 * numerator) <= 0.005 * denominator
              IS NOT TRUE
        """,  # noqa: S608  # our own text
    ),
)
