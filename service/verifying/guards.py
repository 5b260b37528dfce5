"""Invariants 1, 3, 4 and 8, as far as the server's settings, privileges and constraints guarantee them."""

from typing import Final

import sqlalchemy as sa

from service.tables.columns import metadata
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

# All of what the application's role may change or delete, by table: columns, '*' for every one, and DELETE. To what is
# not named here it only adds.
CHANGES: Final[dict[str, tuple[str, ...]]] = {
    "adjustment": ("decision", "decided_by", "decided_at", "decision_reason"),
    "api_key": ("revoked_at",),
    "bin": (
        *("state", "site_id", "placed_at", "model", "verification_interval_grams", "capacity_grams"),
        *("box_capacity_grams", "certificate_expires_on", "serviced_at"),
    ),
    "bin_alarm": ("closed_at",),
    "bin_claim": ("claimed_at", "withdrawn_at"),
    "bin_key": ("valid_from", "valid_until"),
    "bin_memory": ("epoch", "sequence", "sequence_at", "gaps_open", "heard_at", "boxes", "hours", "counts"),
    "bin_status": ("*",),
    "bin_telemetry": ("DELETE",),
    "coin_volume": ("*",),
    "expiry_position": ("*",),
    "fold_position": ("*",),
    "held_event": ("resident_id", "state", "appeal", "appealed_at"),
    "hold": ("DELETE",),
    "machine_key": ("valid_until",),
    "merchant": ("site_id", "hold_seconds", "capture_grace_seconds"),
    "merchant_day": ("coins",),
    "offer": (
        *("title", "title_en", "unit", "unit_en", "coins", "valid_until", "resident_day_max"),
        *("stock_added", "stock_taken"),
    ),
    "pay_code": ("digest", "expires_at", "used_at", "created_at", "DELETE"),
    "publication": ("decision", "decided_by", "decided_at", "decision_reason", "number"),
    "reference_revision": ("*",),
    "resident": ("kind",),
    "resident_day": ("drops", "grams", "coins"),
    "resident_volume": ("*",),
    "scrap_station": ("name", "name_en", "reports_until"),
    "sequence_gap": ("first_sequence", "last_sequence", "closed_at", "given_up"),
    "session": ("DELETE",),
    "site": ("latitude", "longitude"),
    "volume": ("*",),
    "volume_month": ("*",),
    "wallet": ("posted", "held"),
    "webhook_delivery": ("state", "attempts", "next_attempt_at", "settled_at"),
    "webhook_endpoint": ("secret", "disabled_at", "disabled_because"),
    "webhook_message": ("DELETE",),
    "weigh_event": ("outcome", "resident_id", "claimed_xid"),
}
# They have checks of their own.
NAMED: Final = ("transfer", "indicator_input")

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


def _other_tables() -> dict[str, list[str]]:
    """Each table that is not NAMED, and what may be changed in it, with commas; as two columns."""
    names = [table.name for table in metadata.sorted_tables if table.name not in NAMED]
    return {"relations": names, "changes": [",".join(CHANGES.get(name, ())) for name in names]}


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
        3,
        "records_cannot_be_changed",
        "To every other table the application's role may only add rows, but for the columns that change in service and"
        " the rows that do not stay.",
        """
        SELECT relation_name, role_name, may
        FROM (
            SELECT expected.relation AS relation_name, role.rolname AS role_name,
                   CASE WHEN role.rolsuper THEN 'everything, as a superuser'
                        WHEN relation.relowner = role.oid THEN 'everything, as the owner'
                        ELSE concat_ws(', ',
                            (SELECT 'UPDATE (' || string_agg(attname, ', ' ORDER BY attnum) || ')'
                             FROM pg_attribute
                             WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
                               AND attname <> ALL (expected.may) AND '*' <> ALL (expected.may)
                               AND has_column_privilege(role.oid, relation.oid, attnum, 'UPDATE')),
                            CASE WHEN 'DELETE' <> ALL (expected.may)
                                  AND has_table_privilege(role.oid, relation.oid, 'DELETE') THEN 'DELETE' END,
                            CASE WHEN has_table_privilege(role.oid, relation.oid, 'TRUNCATE') THEN 'TRUNCATE' END)
                        END AS may
            FROM (SELECT relation, string_to_array(changes, ',') AS may
                  FROM unnest(CAST(:relations AS text[]), CAST(:changes AS text[])) AS other (relation, changes)
                 ) AS expected
            JOIN pg_class AS relation ON relation.oid = to_regclass(quote_ident(expected.relation))
            JOIN pg_roles AS role ON pg_has_role(current_user, role.oid, 'MEMBER')
        ) AS role
        WHERE may <> ''
        """,
        _other_tables(),
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
