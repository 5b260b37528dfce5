"""Inputs that stand once, and published figures that follow from them."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed

KINDS = "inputs_are_of_their_kinds"
ONCE = "inputs_stand_once"
DIGEST = "publications_keep_their_digest"
OPERATORS = "publications_have_two_operators"
STORED = "publications_name_stored_inputs"
SUMS = "publications_add_up"

JANUARY = "kind = 'cleared' AND first_day = '2024-01-01'"
COLUMNS = "area_id, first_day, last_day, kind, source, material_id, version, grams, ppm, document, recorded_by"


def copied(where: str, **changes: str) -> str:
    """A statement that records an input again, with these columns changed."""
    columns = ", ".join(changes.get(name, name) for name in COLUMNS.split(", "))
    return f"INSERT INTO indicator_input ({COLUMNS}) SELECT {columns} FROM indicator_input WHERE {where}"


def record_with(number: int, before: str, after: str) -> str:
    """A statement that changes a record's text, with its digest."""
    text = f"replace(record, '{before}', '{after}')"
    return (
        f"UPDATE publication SET record = {text}, digest = sha256(convert_to({text}, 'UTF8')) WHERE number = {number}"
    )


DAMAGES = {
    "an input of a kind that there is not": Damage(
        KINDS,
        ("UPDATE indicator_input SET kind = 'burnt' WHERE kind = 'yard_recyclables'",),
        {"kind": "burnt", "problem": "no such kind"},
    ),
    "a mass that is a share": Damage(
        KINDS,
        ("UPDATE indicator_input SET grams = NULL, ppm = 5 WHERE kind = 'yard_recyclables' AND version = 1",),
        {"kind": "yard_recyclables", "problem": "another unit"},
    ),
    "a version that is gone": Damage(
        KINDS,
        ("DELETE FROM indicator_input WHERE kind = 'yard_recyclables' AND version = 1",),
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
    "a record that was rewritten": Damage(
        DIGEST,
        ("UPDATE publication SET record = replace(record, '0.1.0', '0.1.1') WHERE number = 1",),
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
        ("UPDATE publication SET decided_by = gen_random_uuid() WHERE number = 3",),
        {"number": 3, "problem": "nobody knows by whom"},
    ),
    "a number that was left out": Damage(
        OPERATORS,
        ("UPDATE publication SET number = 4 WHERE number = 3",),
        {"number": 4, "problem": "a number is missing"},
    ),
    "a restatement of another figure": Damage(
        OPERATORS,
        ("UPDATE publication SET restates = 3 WHERE number = 2",),
        {"number": 2, "problem": "restates another figure"},
    ),
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
    "an input that is gone": Damage(
        STORED,
        (f"DELETE FROM indicator_input WHERE {JANUARY}",),
        {"number": 1},
    ),
    "a quantity that is not its inputs": Damage(
        SUMS,
        (record_with(1, '"grams":"120000078"', '"grams":"120000079"'),),
        {"number": 1, "quantity": "cleared"},
        frozenset(),
    ),
    "a rate that is not its quotient": Damage(
        SUMS,
        (record_with(3, '"rate":"0.', '"rate":"0.0'),),
        {"number": 3, "quantity": "rate"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
async def test_a_damaged_input_or_publication_is_noticed(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
