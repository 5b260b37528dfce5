"""Carbon: what was imported and chosen is what counts."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.verifying.city import City
from tests.verifying.damage import Damage, assert_noticed

SETS = "factor_sets_are_as_imported"
CHOICES = "factor_sets_were_chosen_in_advance"
RESIDENTS = "resident_volumes_equal_events"

DAMAGES = {
    "a factor that was changed": Damage(
        SETS,
        ("UPDATE carbon_factor SET milligrams_co2e_per_kg = 1 WHERE set_id = 'a'",),
        {"id": "a"},
    ),
    "a factor that was added later": Damage(
        SETS,
        (
            "INSERT INTO carbon_factor (set_id, material_id, milligrams_co2e_per_kg, stands_for)"
            " VALUES ('a', 'metal', 5, 'tins')",
        ),
        {"id": "a"},
    ),
    "a factor that was lost": Damage(SETS, ("DELETE FROM carbon_factor WHERE set_id = 'b'",), {"id": "b"}),
    "a source that was changed": Damage(
        SETS, ("UPDATE carbon_factor_set SET source = 'hearsay' WHERE id = 'b'",), {"id": "b"}
    ),
    "a set chosen for a day that had begun": Damage(
        CHOICES,
        ("INSERT INTO carbon_set_choice (effective_from, set_id) VALUES ('2001-01-01', 'b')",),
        {"effective_from": "2001-01-01", "set_id": "b"},
        frozenset({RESIDENTS}),
    ),
    "a set chosen for today": Damage(
        CHOICES,
        (
            "INSERT INTO carbon_set_choice (effective_from, set_id)"
            " VALUES ((now() AT TIME ZONE 'Asia/Shanghai')::date, 'b')",
        ),
        {"set_id": "b"},
        frozenset({RESIDENTS}),
    ),
    "a set chosen since ever though there was one": Damage(
        CHOICES,
        ("INSERT INTO carbon_set_choice (effective_from, set_id) VALUES ('-infinity', 'b')",),
        {"set_id": "b"},
        frozenset({RESIDENTS}),
    ),
    "a choice that is gone": Damage(RESIDENTS, ("DELETE FROM carbon_set_choice WHERE set_id = 'a'",), {"set_id": ""}),
    "a resident's grams that count by another set": Damage(
        RESIDENTS,
        ("UPDATE resident_volume SET set_id = 'b' WHERE owner_id = {city.resident_id} AND material_id = 'plastic'",),
        {"owner_id": "{city.resident_id}", "material_id": "plastic", "set_id": "a", "grams": None},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)
