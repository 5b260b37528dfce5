"""Inputs that stand once, and published figures that follow from them."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed

KINDS = "inputs_are_of_their_kinds"
ONCE = "inputs_stand_once"
TARGETS = "targets_say_who_set_them"
DIGEST = "publications_keep_their_digest"
OPERATORS = "publications_have_two_operators"
ONCE_DECIDED = "publications_are_decided_once"
SAID = "publications_say_what_they_froze"
STORED = "publications_name_stored_inputs"
NAMED_ONCE = "publications_name_an_input_once"
SUMS = "publications_add_up"

JANUARY = "kind = 'cleared' AND first_day = '2024-01-01'"
WITHDRAWN = "kind = 'yard_recyclables' AND first_day = '2024-01-01'"
COLUMNS = "area_id, first_day, last_day, kind, source, material_id, version, grams, ppm, document, recorded_by"


def copied(where: str, **changes: str) -> str:
    """A statement that records an input again, with these columns changed."""
    columns = ", ".join(changes.get(name, name) for name in COLUMNS.split(", "))
    return f"INSERT INTO indicator_input ({COLUMNS}) SELECT {columns} FROM indicator_input WHERE {where}"


def untriggered(*statements: str) -> tuple[str, ...]:
    """Statements as of one whom the trigger does not stop, though it is in place."""
    return (
        "SET LOCAL session_replication_role = replica",
        *statements,
        "SET LOCAL session_replication_role = origin",
    )


def record_with(number: int, before: str, after: str, **columns: str) -> tuple[str, ...]:
    """Statements that change a record's text with its digest, and columns beside it."""
    text = f"regexp_replace(record, '{before}', '{after}')"
    changed = "".join(f", {name} = {value}" for name, value in columns.items())
    return untriggered(
        f"UPDATE publication SET record = {text}, digest = sha256(convert_to({text}, 'UTF8')){changed}"
        f" WHERE number = {number}"
    )


def inputs_with(number: int, quantity: str, more: str) -> tuple[str, ...]:
    """Statements that list `more`, JSON in SQL, among the inputs of a quantity of a record."""
    place = (
        "(SELECT position - 1 FROM jsonb_array_elements(record::jsonb #> '{{figure,quantities}}')"
        f" WITH ORDINALITY AS each (quantity, position) WHERE quantity ->> 'id' = '{quantity}')"
    )
    inputs = f"ARRAY['figure', 'quantities', {place}::text, 'inputs']"
    text = f"jsonb_set(record::jsonb, {inputs}, (record::jsonb #> {inputs}) || {more})::text"
    return untriggered(
        f"UPDATE publication SET record = {text}, digest = sha256(convert_to({text}, 'UTF8')) WHERE number = {number}"
    )


CLEARED_ONCE = """jsonb_path_query_first(record::jsonb, '$.figure.quantities[*] ? (@.id == "cleared").inputs[0]')"""
MONTH_OF_BINS = (
    "jsonb_build_object('id', NULL, 'kind', 'bin_recyclables', 'area', 'nankai', 'period', '2024-01', 'grams', 0)"
)


def column_with(number: int, name: str, value: str, **more: str) -> Damage:
    """A column that says something else than the record beside it."""
    changed = ", ".join(f"{column} = {to}" for column, to in {name: value, **more}.items())
    return Damage(
        SAID,
        untriggered(f"UPDATE publication SET {changed} WHERE number = {number}"),
        {"number": number, "column": name},
    )


DAMAGES = {
    "an input of a kind that there is not": Damage(
        KINDS,
        (f"UPDATE indicator_input SET kind = 'burnt' WHERE {WITHDRAWN}",),
        {"kind": "burnt", "problem": "no such kind"},
    ),
    "a mass that is a share": Damage(
        KINDS,
        (f"UPDATE indicator_input SET grams = NULL, ppm = 5 WHERE {WITHDRAWN} AND version = 1",),
        {"kind": "yard_recyclables", "problem": "another unit"},
    ),
    "a version that is gone": Damage(
        KINDS,
        (f"DELETE FROM indicator_input WHERE {WITHDRAWN} AND version = 1",),
        {"kind": "yard_recyclables", "problem": "a version is missing"},
    ),
    "a month beside its year": Damage(
        ONCE,
        (copied(JANUARY, last_day="date '2024-12-31'"),),
        {"kind": "cleared", "area_id": "nankai", "other_area_id": "nankai"},
    ),
    "a part of what is recorded already": Damage(
        ONCE,
        (copied(JANUARY, area_id="'xuefu-1'"),),
        {"kind": "cleared", "area_id": "xuefu-1", "other_area_id": "nankai"},
    ),
    "a sum beside its materials": Damage(
        ONCE,
        (copied("material_id = 'paper'", material_id="NULL", area_id="'nankai'"),),
        {"kind": "scrap_station_recyclables", "other_area_id": "nankai"},
    ),
    "a second share for a month": Damage(
        ONCE,
        (copied("kind = 'residue_share'", source="'river'"),),
        {"kind": "residue_share", "area_id": "nankai"},
    ),
    "a version of a target that is gone": Damage(
        TARGETS,
        ("DELETE FROM target WHERE version = 1",),
        {"area_id": "nankai", "version": 2, "problem": "a version is missing"},
    ),
    "versions of a target in another order": Damage(
        TARGETS,
        (
            "UPDATE target SET version = 3 WHERE version = 1",
            "UPDATE target SET version = version - 1",
        ),
        {"area_id": "nankai", "version": 2, "problem": "set before the one that it supersedes"},
    ),
    "a target that was withdrawn before it was set": Damage(
        TARGETS,
        ("UPDATE target SET rate_per_mille = NULL WHERE version = 1",),
        {"area_id": "nankai", "version": 1, "problem": "nothing to withdraw"},
    ),
    "a target set by nobody who is known": Damage(
        TARGETS,
        ("UPDATE target SET recorded_by = gen_random_uuid() WHERE version = 1",),
        {"area_id": "nankai", "version": 1, "problem": "nobody knows by whom"},
    ),
    "a target set by a merchant": Damage(
        TARGETS,
        ("UPDATE target SET recorded_by = (SELECT id FROM api_key WHERE role = 'merchant' LIMIT 1) WHERE version = 2",),
        {"area_id": "nankai", "version": 2, "problem": "nobody knows by whom"},
    ),
    "a correction of a target whose author is lost": Damage(
        TARGETS,
        ("UPDATE target SET recorded_by = NULL, created_at = NULL WHERE version = 2",),
        {"area_id": "nankai", "version": 2, "problem": "nobody knows by whom"},
    ),
    "a record that was rewritten": Damage(
        DIGEST,
        untriggered("UPDATE publication SET record = replace(record, '清运', '清  运') WHERE number = 1"),
        {"number": 1},
    ),
    "a figure that its proposer has published": Damage(
        OPERATORS,
        (
            "UPDATE api_key SET plain_name = (SELECT plain_name FROM api_key WHERE name = '提出人')"
            " WHERE name = '发布人'",
        ),
        {"number": 1, "problem": "the same operator"},
    ),
    "a figure that nobody has published": Damage(
        OPERATORS,
        untriggered("UPDATE publication SET decided_by = gen_random_uuid() WHERE number = 3"),
        {"number": 3, "problem": "nobody knows by whom"},
    ),
    "a number that was left out": Damage(
        OPERATORS,
        untriggered("UPDATE publication SET number = 8 WHERE number = 7"),
        {"number": 8, "problem": "a number is missing"},
    ),
    "a restatement of another figure": Damage(
        OPERATORS,
        record_with(2, '"restates":1', '"restates":3', restates="3"),
        {"number": 2, "problem": "restates another figure"},
    ),
    "a restatement by another formula": Damage(
        OPERATORS,
        record_with(2, '"id":"cn.cleared_plus_recovered"', '"id":"us.epa1998"', formula_id="'us.epa1998'"),
        {"number": 2, "problem": "restates another figure"},
    ),
    "a restatement that came before": Damage(
        OPERATORS,
        untriggered(
            "UPDATE publication SET number = number + 10 WHERE number < 3",
            "UPDATE publication SET number = 13 - number WHERE number > 10",
        ),
        {"number": 1, "problem": "restates another figure"},
    ),
    "a trigger that is gone": Damage(
        ONCE_DECIDED,
        ("DROP TRIGGER publication_is_decided_once ON publication",),
        {"trigger": "publication_is_decided_once", "problem": "missing"},
    ),
    "a trigger that is disabled": Damage(
        ONCE_DECIDED,
        ("ALTER TABLE publication DISABLE TRIGGER publication_is_decided_once",),
        {"trigger": "publication_is_decided_once", "problem": "disabled"},
    ),
    "a trigger that fires sometimes": Damage(
        ONCE_DECIDED,
        (
            "DROP TRIGGER publication_is_decided_once ON publication",
            "CREATE TRIGGER publication_is_decided_once BEFORE UPDATE OF record ON publication"
            " FOR EACH ROW EXECUTE FUNCTION publication_is_decided_once()",
        ),
        {"trigger": "publication_is_decided_once", "problem": "another one"},
    ),
    "a figure of another area": column_with(3, "area_id", "'gulou'"),
    "a figure of another period": column_with(3, "first_day", "'2025-01-01'", last_day="'2025-03-31'"),
    "a figure of a longer period": column_with(3, "last_day", "'2024-04-30'"),
    "a figure by another formula": column_with(3, "formula_id", "'us.epa1997'"),
    "a figure by another version of its formula": column_with(3, "formula_version", "9"),
    "a figure counted elsewhere": column_with(3, "counted_at", "'yard'"),
    "another rate in lists": column_with(2, "rate", "'0.999999'"),
    "another percentage in lists": column_with(2, "rate_percent", "'99.99'"),
    "another numerator in lists": column_with(2, "numerator_grams", "'1'"),
    "another denominator in lists": column_with(2, "denominator_grams", "'1'"),
    "other code in lists": column_with(1, "code_version", "'0.1.0+000000000000'"),
    "another reason in lists": column_with(2, "reason", "'x'"),
    "an input that was changed after it was published": Damage(
        STORED,
        (f"UPDATE indicator_input SET grams = grams + 1 WHERE {JANUARY}",),
        {"number": 1},
    ),
    "a share that was changed after it was published": Damage(
        STORED,
        ("UPDATE indicator_input SET ppm = 123457 WHERE kind = 'residue_share'",),
        {"number": 3},
    ),
    "an input that was moved in time after it was published": Damage(
        STORED,
        (f"UPDATE indicator_input SET first_day = '2023-01-01', last_day = '2023-01-31' WHERE {JANUARY}",),
        {"number": 1, "kind": "cleared"},
    ),
    "an input that got a material after it was published": Damage(
        STORED,
        ("UPDATE indicator_input SET material_id = 'paper' WHERE kind = 'residue_share'",),
        {"number": 3, "kind": "residue_share"},
    ),
    "an input that nobody recorded": Damage(
        STORED,
        record_with(1, '"id":[0-9]*,"kind":"kitchen_treated"', '"id":null,"kind":"kitchen_treated"'),
        {"number": 1, "input_id": None, "kind": "kitchen_treated"},
    ),
    "an input that is gone": Damage(
        STORED,
        (f"DELETE FROM indicator_input WHERE {JANUARY}",),
        {"number": 1},
    ),
    "an input that is listed twice": Damage(
        NAMED_ONCE,
        inputs_with(1, "cleared", CLEARED_ONCE),
        {"number": 1, "quantity": "cleared", "kind": "cleared", "times": 2},
        frozenset({SUMS}),
    ),
    "a month of bins that is listed twice": Damage(
        NAMED_ONCE,
        inputs_with(1, "recovered", f"jsonb_build_array({MONTH_OF_BINS}, {MONTH_OF_BINS})"),
        {"number": 1, "quantity": "recovered", "input_id": None, "kind": "bin_recyclables", "times": 2},
    ),
    "a quantity that is not its inputs": Damage(
        SUMS,
        record_with(1, '"grams":"120000078"', '"grams":"120000079"'),
        {"number": 1, "quantity": "cleared"},
        frozenset(),
    ),
    "a rate that is not its quotient": Damage(
        SUMS,
        record_with(3, '"rate":"[0-9.]*"', '"rate":"0.012345"', rate="'0.012345'"),
        {"number": 3, "quantity": "rate"},
    ),
    "a percentage that is not its quotient": Damage(
        SUMS,
        record_with(3, '"rate_percent":"[0-9.]*"', '"rate_percent":"1.23"', rate_percent="'1.23'"),
        {"number": 3, "quantity": "rate"},
    ),
    "a numerator that is not its quantities'": Damage(
        SUMS,
        record_with(3, '"numerator_grams":"[0-9.]*"', '"numerator_grams":"7"', numerator_grams="'7'"),
        {"number": 3, "quantity": "numerator"},
    ),
    "a denominator that is not its quantities'": Damage(
        SUMS,
        record_with(3, '"denominator_grams":"[0-9.]*"', '"denominator_grams":"7"', denominator_grams="'7'"),
        {"number": 3, "quantity": "denominator"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_a_damaged_input_or_publication_is_noticed(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
