"""Invariants 1, 3, 4 and 8, as far as the server's settings, privileges and constraints guarantee them."""

from typing import Final

import sqlalchemy as sa

from service.tables import metadata
from service.verifying.check import Check

# What the application's role may not have, and neither may any role that it could become by SET ROLE.
CHANGES_ROWS: Final = """
SELECT role_name, may
FROM (
    SELECT role.rolname AS role_name,
           CASE WHEN role.rolsuper THEN 'everything, as a superuser'
                WHEN relation.relowner = role.oid THEN 'everything, as the owner'
                ELSE concat_ws(', ',
                               CASE WHEN has_any_column_privilege(role.oid, relation.oid, 'UPDATE') THEN 'UPDATE' END,
                               CASE WHEN has_table_privilege(role.oid, relation.oid, 'DELETE') THEN 'DELETE' END,
                               CASE WHEN has_table_privilege(role.oid, relation.oid, 'TRUNCATE') THEN 'TRUNCATE' END)
                END AS may
    FROM pg_roles AS role
    JOIN pg_class AS relation ON relation.oid = to_regclass(:relation)
    WHERE pg_has_role(current_user, role.oid, 'MEMBER')
) AS role
WHERE may <> ''
"""

CONSTRAINT_TYPES: Final = {
    sa.CheckConstraint: "c",
    sa.PrimaryKeyConstraint: "p",
    sa.UniqueConstraint: "u",
    sa.ForeignKeyConstraint: "f",
}


def _expected_guards() -> dict[str, list[str]]:
    """Table, name and type ('i' for a unique index) of each constraint and unique index, as three columns."""
    # The names as the database has them: of one that is too long, the end is cut off and replaced.
    preparer = sa.make_url("postgresql+asyncpg://").get_dialect()().identifier_preparer
    guards = [
        (table.name, preparer.format_constraint(constraint), CONSTRAINT_TYPES[type(constraint)])
        for table in metadata.sorted_tables
        for constraint in table.constraints
    ] + [
        (table.name, preparer.format_index(index), "i")
        for table in metadata.sorted_tables
        for index in table.indexes
        if index.unique
    ]
    relations, names, types = zip(*guards, strict=True)
    return {"relations": list(relations), "names": list(names), "types": list(types)}


CHECKS: Final = (
    Check(
        1,
        "commits_are_durable",
        "The server writes each commit to disk before it is acknowledged.",
        """
        SELECT name AS setting, current_setting(name) AS value
        FROM (VALUES ('fsync'), ('full_page_writes'), ('synchronous_commit')) AS needed (name)
        -- remote_apply waits for more than on does.
        WHERE current_setting(name) NOT IN ('on', 'remote_apply')
        """,
    ),
    Check(
        3,
        "transfers_cannot_be_changed",
        "The application's role may add transfers, and neither change nor delete them.",
        CHANGES_ROWS,
        {"relation": "transfer"},
    ),
    Check(
        4,
        "constraints_are_in_place",
        "Every constraint and unique index that the invariants rest on exists and was checked against all rows.",
        """
        SELECT expected.relation, expected.name,
               CASE WHEN found.valid IS NULL THEN 'missing' ELSE 'not valid' END AS problem
        FROM unnest(CAST(:relations AS text[]), CAST(:names AS text[]), CAST(:types AS text[]))
          AS expected (relation, name, type)
        LEFT JOIN (
            SELECT conrelid AS relation_id, conname AS name, contype::text AS type, convalidated AS valid
            FROM pg_constraint
            UNION ALL
            SELECT pg_index.indrelid, pg_class.relname, 'i', pg_index.indisvalid AND pg_index.indisunique
            FROM pg_index
            JOIN pg_class ON pg_class.oid = pg_index.indexrelid
        ) AS found ON found.relation_id = to_regclass(quote_ident(expected.relation))
                  AND found.name = expected.name AND found.type = expected.type
        WHERE found.valid IS NOT TRUE
        """,
        _expected_guards(),
    ),
    Check(
        8,
        "inputs_cannot_be_changed",
        "The application's role may add indicator inputs, and neither change nor delete them.",
        CHANGES_ROWS,
        {"relation": "indicator_input"},
    ),
)
