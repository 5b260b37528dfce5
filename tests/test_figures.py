"""Metrics that are read from the database: right, and told by one instance only."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.ext.asyncio import AsyncEngine

from service.api_keys import create_api_key
from service.app import build_app
from service.db import transaction
from service.figures import Figures, read_figures
from service.fleet.lifecycle import suspend_bin
from service.fleet.states_figures import FleetFigures
from service.fleet.states_queries import Limits
from service.folding.worker import tick
from service.review.figures import ReviewFigures
from service.settings import Settings
from service.tables.weighing import held_event
from tests.fleet.telling import telemetry, tell
from tests.folding.drops import fold_all
from tests.review.held import decide, hold
from tests.world import World, add_shop, adjust, open_session, post, weigh_event

TODAY = date(2026, 11, 20)
LIMITS = Limits(timedelta(minutes=15), emptying_percent=80)
NO_FLEET = FleetFigures({}, 0, 0, {}, 0)
NO_REVIEWS = ReviewFigures({}, 0.0)
FORMULA = "cn.cleared_plus_recovered"


def folding_as(settings: Settings, instance: str) -> Settings:
    return settings.model_copy(
        update={"instance": instance, "fold_interval_seconds": 1e-6, "imbalance_interval_seconds": 1e-6}
    )


async def figures_of(engine: AsyncEngine, settings: Settings) -> Figures:
    await fold_all(engine, settings)
    figures = await read_figures(
        engine, instance=settings.instance, today=TODAY, formula_id=FORMULA, bin_limits=LIMITS, demo=False
    )
    assert figures is not None
    return figures


async def test_only_the_instance_that_holds_the_lease_tells(engine: AsyncEngine, settings: Settings) -> None:
    assert (
        await read_figures(engine, instance="a", today=TODAY, formula_id=FORMULA, bin_limits=LIMITS, demo=False) is None
    )
    await tick(engine, folding_as(settings, "a"))
    assert (
        await read_figures(engine, instance="a", today=TODAY, formula_id=FORMULA, bin_limits=LIMITS, demo=False)
        is not None
    )
    assert (
        await read_figures(engine, instance="b", today=TODAY, formula_id=FORMULA, bin_limits=LIMITS, demo=False) is None
    )


async def test_of_two_services_on_one_database_one_exports_the_figures(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    apps = [build_app(settings.model_copy(update={"instance": name})) for name in ("one", "two")]
    async with TestClient(TestServer(apps[0])) as one, TestClient(TestServer(apps[1])) as two:
        await post(one, world.hmac, weigh_event("NK-0002"))
        await post(two, world.ed25519, weigh_event("NK-0001"))
        while True:
            texts = [await (await client.get("/metrics")).text() for client in (one, two)]
            told = [text for text in texts if "tanbi_coins_issued_total 250.0" in text]
            if told:
                break
    assert len(told) == 1
    assert sum("tanbi_coins_issued_total" in text for text in texts) == 1
    # What a process counted itself is told by each.
    assert all('tanbi_weigh_events_total{outcome="credited"} 1.0' in text for text in texts)


async def test_figures_are_what_was_weighed_earned_and_spent(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    await add_shop(engine)
    token = await open_session(engine, world.resident_id)
    # The service names itself otherwise, so that it folds only when the lease of this test has run out.
    async with TestClient(TestServer(build_app(settings))) as client:
        await post(client, world.hmac, [weigh_event("NK-0002"), weigh_event("NK-0002", credential=None)])
        await post(client, world.hmac, weigh_event("NK-0002", material="metal", weight_grams=2000))
        response = await client.post(
            "/v1/me/redemptions",
            json={"merchant_id": "NK-M-01", "coins": 120},
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "one"},
        )
        assert response.status == 201
    mine = folding_as(settings, settings.instance)
    figures = await figures_of(engine, mine)
    assert dict(figures.weighed_grams) == {"paper": 2500, "plastic": 0, "metal": 2000}
    assert (figures.issued_coins, figures.redeemed_coins, figures.outstanding_coins) == (425, 120, 305)
    assert (figures.fold_lag_seconds, figures.imbalance_coins) == (0, 0)
    assert dict(figures.rates) == {}

    async with transaction(engine) as connection:
        await adjust(connection, world.resident_id, -300)
    after = await figures_of(engine, mine)
    # A counter never falls; what is owed does.
    assert (after.issued_coins, after.redeemed_coins, after.outstanding_coins) == (425, 120, 5)


async def test_bins_are_counted_by_state_and_alarms_by_kind(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(engine) as connection:
        await suspend_bin(connection, "NK-0002")
    async with TestClient(TestServer(build_app(settings))) as client:
        boxes = [{"material": "paper", "fill_percent": 80}]
        await tell(client, world.ed25519, telemetry("NK-0001", {"smoke": True, "boxes": boxes}))
    fleet = (await figures_of(engine, folding_as(settings, settings.instance))).fleet
    assert dict(fleet.bins) == {"registered": 0, "active": 1, "suspended": 1, "retired": 0}
    assert (fleet.offline, fleet.wanting_emptying) == (1, 1)
    assert dict(fleet.open_alarms) == {"smoke": 1, "heat": 0, "scale_zero": 0, "battery": 0}


async def test_what_is_held_is_told_by_rule_and_beside_what_was_weighed(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    long_ago, since = datetime.now(UTC) - timedelta(hours=5), datetime.now(UTC) - timedelta(hours=2)
    async with transaction(engine) as connection:
        await hold(connection, code="day_coins", grams=700, held_at=since)
        await hold(connection, code="day_coins", grams=50)
        appealed = await hold(connection, code="no_tariff", grams=6, held_at=long_ago)
        await decide(connection, appealed, "rejected", placed_at=long_ago)
        await connection.execute(
            sa.update(held_event)
            .where(held_event.c.id == appealed.review_id)
            .values(state="appealed", appeal="dry", appealed_at=datetime.now(UTC))
        )
    mine = folding_as(settings, settings.instance)
    figures = await figures_of(engine, mine)
    assert {code: number for code, number in figures.reviews.waiting.items() if number} == {
        "day_coins": 2,
        "no_tariff": 1,
    }
    assert figures.reviews.waiting["heavy_drop"] == 0
    # Since its appeal, not since it was held.
    assert 2 * 3600 <= figures.reviews.oldest_seconds < 3 * 3600
    assert (figures.held_grams["paper"], figures.weighed_grams["paper"]) == (750, 0)


async def test_a_wallet_that_no_transfer_accounts_for_is_told(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("UPDATE wallet SET posted = posted + 7"))
    figures = await figures_of(engine, folding_as(settings, "a"))
    assert figures.imbalance_coins == 7


async def test_a_district_has_a_rate_once_its_inputs_are_recorded(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(engine) as connection:
        key = await create_api_key(connection, role="operator", name="test")
    async with TestClient(TestServer(build_app(settings))) as client:
        await post(client, world.hmac, weigh_event("NK-0002", weight_grams=100_000))
        year = str(datetime.now(UTC).year)
        for kind, grams in (("cleared", 300_000), ("kitchen_treated", 100_000)):
            response = await client.post(
                "/v1/indicator/inputs",
                json={
                    "area": "nankai",
                    "period": year,
                    "kind": kind,
                    "source": "district",
                    "grams": grams,
                    "document": {"name": "annual report", "date": "2026-01-31", "sha256": "0" * 64},
                },
                headers={"Authorization": f"Bearer {key}", "Idempotency-Key": kind},
            )
            assert response.status == 201, await response.text()
        while True:
            text = await (await client.get("/metrics")).text()
            rates = {
                sample.labels["area"]: sample.value
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if family.name == "tanbi_recycling_rate"
            }
            # (R + K) / (C + R) with R = 100 kg from the bin, once it is folded.
            if rates and rates != {"nankai": pytest.approx(1 / 3)}:
                break
    assert rates == {"nankai": 0.5}


def test_a_rate_that_is_not_known_is_missing_and_not_zero() -> None:
    figures = Figures({}, {}, 0, 0, 0, 0.0, None, 0.0, {}, NO_FLEET, NO_REVIEWS)
    told = {family.name: family.samples for family in figures.families()}
    assert told["tanbi_recycling_rate"] == []
    assert "tanbi_ledger_imbalance_coins" not in told
