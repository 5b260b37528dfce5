"""Invariant 8, of carbon: what was told of a day that has begun is what it will be for ever."""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        8,
        "factor_sets_are_as_imported",
        "Each carbon factor set is what was imported: its names, source and factors come to its digest.",
        r"""
        SELECT factors.id, encode(factors.digest, 'hex') AS digest, encode(made.digest, 'hex') AS digest_of_rows
        FROM carbon_factor_set AS factors
        CROSS JOIN LATERAL (
            SELECT sha256(convert_to(
                       concat_ws(E'\n', factors.id, factors.name, factors.name_en, factors.source,
                                 coalesce(factors.note, ''),
                                 string_agg(concat_ws(E'\t', material_id, milligrams_co2e_per_kg, stands_for), E'\n'
                                            ORDER BY material_id COLLATE "C")), 'UTF8')) AS digest
            FROM carbon_factor
            WHERE set_id = factors.id
        ) AS made
        WHERE made.digest <> factors.digest
        """,
    ),
    Check(
        8,
        "factor_sets_were_chosen_in_advance",
        "Each choice of a carbon factor set was made before its business day began, but for a first one since ever.",
        """
        SELECT id, effective_from, set_id
        FROM carbon_set_choice
        WHERE effective_from <= date(timezone(:timezone, created_at))
          AND NOT (effective_from = DATE '-infinity' AND id = (SELECT min(id) FROM carbon_set_choice))
        """,
    ),
)
