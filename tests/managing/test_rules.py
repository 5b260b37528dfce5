"""The commands for rules of plausibility, as an operator types them."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from schemas.signatures import Algorithm
from service.db import Writers, create_engine, transaction
from service.errors import RuleInThePast, RuleUnknown, ValidationFailed
from service.fleet.bins import Scale, add_bin
from service.plausibility.rules import RULES
from service.secrets import Keyring
from service.settings import Settings
from service.tables.weighing import weigh_event
from service.weighing.pending import PendingEvent
from tests.managing.conftest import Tanbi
from tests.world import NO_RULES

AT = ("--from", "2099-01-01")
BEGINS = "2099-01-01T00:00:00+08:00"


def test_rules_are_set_adopted_and_all_of_them_listed(tanbi: Tanbi) -> None:
    said = tanbi("rules", "set", "heavy_drop", "credit", "grams_max=20000", 'material_grams_max={"glass": 25000}', *AT)
    parameters = 'grams_max=20000 material_grams_max={"glass":25000}'
    assert said == f"heavy_drop: credit {parameters} from {BEGINS}."
    adopted = tanbi("rules", "adopt", *AT)
    assert f"above_capacity: hold from {BEGINS}." in adopted
    assert "As they were set: heavy_drop." in adopted
    assert "trader=none" in tanbi("rules", "set", "day_drops", "hold", "trader=none", *AT)
    listed = tanbi("rules", "list")
    assert f"heavy_drop │ {BEGINS} │ credit │ {parameters} │ to come" in listed
    assert f"day_drops │ {BEGINS} │ hold │ resident=10 trader=50 │ replaced" in listed
    assert tanbi("rules", "adopt", "--replace", *AT).count(BEGINS) == 2
    assert tanbi("rules", "adopt", *AT) == "Every rule is as it is shipped."


def test_a_mistake_is_told_in_one_sentence(tanbi: Tanbi) -> None:
    for parameter, sentence in (
        ("20000", "20000 names no value"),
        ("grams_max=many", "grams_max: many is no number"),
        ("grams_max=none", "grams_max: Must be a whole number"),
        ("grams=1", "grams: "),
    ):
        with pytest.raises(ValidationFailed, match=sentence):
            tanbi("rules", "set", "heavy_drop", "hold", parameter)
    with pytest.raises(RuleInThePast):
        tanbi("rules", "set", "heavy_drop", "off", "--from", "2026-01-01")
    for arguments in (("set", "moon_phase", "hold"), ("explain", "moon_phase")):
        with pytest.raises(RuleUnknown, match="There is no rule moon_phase"):
            tanbi("rules", *arguments)


def test_every_rule_is_explained_in_both_languages(tanbi: Tanbi) -> None:
    table = tanbi("rules", "explain")
    for code in RULES:
        assert code in table
        said = tanbi("rules", "explain", code)
        assert "As shipped: " in said
        assert all(name in said for name in RULES[code].parameters.model_fields)
    heavy = tanbi("rules", "explain", "heavy_drop")
    assert "Heavy for one drop · 单次投放过重 grams_max: The most that one drop weighs" in heavy
    assert "As shipped: hold grams_max=15000" in heavy
    assert "{grams_over:,} g more than" in heavy
    assert "The resident is told: 这次投放比平常重很多，我们会先看一下。" in heavy


@pytest.fixture
def weighed(tanbi: Tanbi, settings: Settings) -> datetime:
    """One drop of 16 kg and one of 2 kg by nobody at the bin NK-1, where no rule was in force; when they came."""

    async def weigh() -> datetime:
        engine = create_engine(settings)
        async with transaction(engine) as connection:
            await add_bin(
                connection,
                Keyring.of(settings),
                bin_id="NK-1",
                site_id="s1",
                algorithm=Algorithm.ED25519,
                scale=Scale(),
            )
        writers = Writers(settings)
        at = datetime.now(UTC).timestamp()
        events = [
            PendingEvent("NK-1", f"drop-{grams}", b"", grams, "paper", grams, None, None, at, 100, grams // 10, 0)
            for grams in (2000, 16_000)
        ]
        await NO_RULES.commit(writers, events)
        writers.close()
        async with engine.connect() as connection:
            came: datetime = (await connection.execute(sa.select(sa.func.min(weigh_event.c.received_at)))).scalar_one()
        await engine.dispose()
        return came.replace(microsecond=0)

    return asyncio.run(weigh())


def test_rules_are_tried_on_what_happened(tanbi: Tanbi, weighed: datetime, tmp_path: Path) -> None:
    since, rules, found = ("--since", weighed.isoformat()), tmp_path / "rules.json", tmp_path / "found.json"
    said = tanbi("rules", "replay", *since)
    assert "Replayed 2 drops and 0 emptyings, after 0 before them" in said
    assert "0 stored decisions are not what the rules as they are come to" in said
    assert said.endswith("Nothing would differ.")
    said = tanbi("rules", "replay", *since, "--standard", "--json", str(found))
    assert "credit │ hold: heavy_drop │ 1 │ 0 │ 16.000 │ 1,600" in said
    assert "NK-1 │ drop-16000 │" in said
    told = json.loads(found.read_text())
    assert told["rules"].keys() == RULES.keys()
    assert told["differences"]["total"] == {"drops": 1, "clearances": 0, "grams": 16_000, "coins": 1600}
    assert told["not_reproduced"]["by_decision"] == []
    rules.write_text('{"heavy_drop": {"action": "reject", "parameters": {"grams_max": 1999}}}')
    said = tanbi("rules", "replay", *since, "--rules", str(rules), "--json", str(found))
    assert "credit │ reject: heavy_drop │ 2 │ 0 │ 18.000 │ 1,800" in said
    assert json.loads(found.read_text())["differences"]["by_decision"][0]["to"] == {
        "verdict": "reject",
        "code": "heavy_drop",
    }
    assert tanbi("rules", "list").count("heavy_drop") == 0
    rules.write_text("grams_max: 1999")
    with pytest.raises(ValidationFailed, match=r"rules\.json is no JSON"):
        tanbi("rules", "replay", *since, "--rules", str(rules))
    with pytest.raises(ValidationFailed, match="is still to come"):
        tanbi("rules", "replay", "--since", "2099-01-01")
    with pytest.raises(ValidationFailed, match="The first event was received at"):
        tanbi("rules", "replay", "--since", "2020-01-01")
