"""Rules of plausibility as they are set, superseded and adopted."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import create_engine, transaction
from service.embedded import EmbeddedPostgres
from service.errors import RuleInThePast, RuleUnknown, ValidationFailed
from service.plausibility.rules import RULES
from service.plausibility.standard import STANDARD_RULES
from service.reference import Reference, raise_revision
from service.secrets import Keyring
from service.settings import Settings
from service.tables.reference import plausibility_rule, reference_revision
from service.weighing.plausibility_rules import adopt_standard, list_rules, set_rule
from tests.conftest import TEMPLATE, admin_execute

LATER = datetime(2099, 1, 1, tzinfo=UTC)
DATABASE = "plausibility_rules"


@pytest.fixture(scope="module")
def shared_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database for all tests here that commit nothing."""
    asyncio.run(admin_execute(postgres, f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}"))
    yield postgres.app_url(DATABASE)
    asyncio.run(admin_execute(postgres, f"DROP DATABASE {DATABASE} WITH (FORCE)"))


@pytest.fixture
async def connection(shared_url: str, tmp_path: Path) -> AsyncIterator[AsyncConnection]:
    """A transaction that is rolled back."""
    engine = create_engine(Settings(data_dir=tmp_path, database_url=shared_url))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def revision(connection: AsyncConnection) -> int:
    found: int = (await connection.execute(sa.select(reference_revision.c.revision))).scalar_one()
    return found


async def test_a_rule_takes_effect_in_a_minute_with_all_its_parameters(connection: AsyncConnection) -> None:
    before = await revision(connection)
    rule = await set_rule(
        connection, code="heavy_drop", action="hold", parameters={"grams_max": 20_000}, effective_from=None
    )
    assert timedelta(seconds=55) < rule.effective_from - datetime.now(UTC) < timedelta(seconds=65)
    assert rule.parameters == {"grams_max": 20_000, "material_grams_max": {}}
    assert await revision(connection) == before + 1
    ((row, standing),) = await list_rules(connection)
    assert (row[1:], standing) == (rule, "to come")


async def test_what_is_not_named_stays_as_it_is_at_that_moment(connection: AsyncConnection) -> None:
    async def day_drops(days: int, **parameters: int) -> dict[str, int]:
        begins = LATER + timedelta(days=days)
        rule = await set_rule(connection, code="day_drops", action="hold", parameters=parameters, effective_from=begins)
        return rule.parameters

    # First what is shipped, then what was set last before.
    shipped = {code: parameters for code, _, parameters in STANDARD_RULES}["day_drops"]
    assert await day_drops(2, resident=5) == {"resident": 5, "trader": shipped["trader"]}
    assert await day_drops(1, trader=7) == {"resident": shipped["resident"], "trader": 7}
    assert await day_drops(3, trader=8) == {"resident": 5, "trader": 8}


async def test_a_rule_that_is_switched_off_and_on_again_keeps_its_parameters(connection: AsyncConnection) -> None:
    for days, action, parameters in ((0, "hold", {"grams_max": 7}), (1, "off", {}), (2, "reject", {})):
        rule = await set_rule(
            connection,
            code="heavy_drop",
            action=action,  # type: ignore[arg-type]  # one of the actions
            parameters=parameters,
            effective_from=LATER + timedelta(days=days),
        )
    assert (rule.action, rule.parameters["grams_max"]) == ("reject", 7)


async def test_a_rule_does_not_reach_into_the_past(connection: AsyncConnection) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)
    with pytest.raises(RuleInThePast):
        await set_rule(connection, code="heavy_drop", action="off", parameters={}, effective_from=soon)
    with pytest.raises(RuleInThePast):
        await adopt_standard(connection, effective_from=soon, replace=False)


@pytest.mark.parametrize(
    ("code", "parameters", "sentence"),
    [
        ("heavy_drop", {"grams_max": 0}, "grams_max: Must be at least 1"),
        ("heavy_drop", {"grams_max": "much"}, "grams_max: Must be a whole number"),
        ("heavy_drop", {"tonnes_max": 1}, "tonnes_max: .*grams_max"),
        ("heavy_drop", {"material_grams_max": {"GLASS": 1}}, "material_grams_max/GLASS.*small letters"),
        ("above_capacity", {"grams_max": 1}, "grams_max: "),
    ],
)
async def test_bad_parameters_are_refused_in_plain_words(
    connection: AsyncConnection, code: str, parameters: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValidationFailed, match=sentence):
        await set_rule(connection, code=code, action="hold", parameters=parameters, effective_from=None)


async def test_who_names_no_rule_hears_which_there_are(connection: AsyncConnection) -> None:
    with pytest.raises(RuleUnknown, match=r"There is no rule moon_phase\. There are: below_smallest_load, "):
        await set_rule(connection, code="moon_phase", action="hold", parameters={}, effective_from=None)


async def test_the_shipped_set_is_adopted_but_for_what_a_city_has_set_itself(connection: AsyncConnection) -> None:
    await set_rule(connection, code="heavy_drop", action="credit", parameters={}, effective_from=LATER)
    adopted, staying = await adopt_standard(connection, effective_from=LATER, replace=False)
    assert [rule.code for rule in adopted] == [code for code in RULES if code != "heavy_drop"]
    assert staying == ["heavy_drop"]
    before = await revision(connection)
    assert await adopt_standard(connection, effective_from=LATER, replace=False) == ([], ["heavy_drop"])
    assert await revision(connection) == before
    adopted, staying = await adopt_standard(connection, effective_from=LATER, replace=True)
    assert ([(rule.code, rule.action) for rule in adopted], staying) == ([("heavy_drop", "hold")], [])
    assert await adopt_standard(connection, effective_from=LATER, replace=True) == ([], [])
    listed = [(row.code, row.action, standing) for row, standing in await list_rules(connection)]
    assert ("heavy_drop", "credit", "replaced") in listed
    assert ("heavy_drop", "hold", "to come") in listed


async def test_every_process_learns_of_rules_and_passes_over_those_of_another_release(
    engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    reference, later = Reference(engine, Keyring.of(settings), demo=False), LATER.timestamp()
    await reference.refresh()
    assert reference.rules.at(later, came_at=later).of_drops == ()
    async with transaction(engine) as connection:
        await adopt_standard(connection, effective_from=LATER, replace=False)
    async with transaction(admin_engine) as connection:
        strange = {"code": "moon_phase", "effective_from": LATER, "action": "hold", "parameters": {}}
        await connection.execute(sa.insert(plausibility_rule).values(strange))
        await raise_revision(connection)
    await reference.refresh()
    rules = reference.rules.at(later, came_at=later)
    assert [rule.code for rule in (*rules.of_drops, *rules.of_clearances)] == list(RULES)
    assert reference.rules.at(later - 1, came_at=later - 1).of_drops == ()
    assert "rule moon_phase of 2099-01-01" in caplog.text
