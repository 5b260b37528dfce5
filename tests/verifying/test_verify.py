"""The verification as a whole: what it says of a sound database, while the service goes on."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import create_engine
from service.settings import Settings
from service.tables.bins import bin_alarm
from service.tables.columns import metadata
from service.tables.indicator import publication
from service.tables.ledger import adjustment, hold_resolution, transfer
from service.tables.redemption import redemption, spending_limit
from service.tables.webhooks import webhook_delivery
from service.tables.weighing import clearance, held_event, review_decision, weigh_event
from service.verifying.check import ROWS_MAX, Check
from service.verifying.verify import CHECKS, verify
from tests.verifying import (
    test_bins,
    test_carbon,
    test_expiries,
    test_guards,
    test_holds,
    test_indicator,
    test_late_captures,
    test_ledger,
    test_limits,
    test_memories,
    test_redemptions,
    test_reviews,
    test_settlement,
    test_volumes,
    test_weighing,
)
from tests.verifying.city import City
from tests.verifying.damage import as_superuser, breaches

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "checks.md"

KINDS: dict[sa.Column[Any], set[Any]] = {
    weigh_event.c.outcome: {"credited", "unclaimed", "held", "rejected"},
    held_event.c.state: {"open", "released", "rejected", "appealed", "upheld"},
    review_decision.c.decision: {"released", "rejected"},
    review_decision.c.ordinal: {1, 2},
    transfer.c.kind: {"credit", "redemption", "refund", "cover", "cover_refund", "expiry", "adjustment", "reversal"},
    hold_resolution.c.outcome: {"captured", "voided", "expired"},
    clearance.c.outcome: {"recorded", "rejected"},
    redemption.c.from_stock: {True, False},
    adjustment.c.decision: {"approved", "rejected", None},
    publication.c.decision: {"published", None},
    spending_limit.c.kind: {"redemption", "merchant_day"},
    bin_alarm.c.kind: {"smoke", "heat", "scale_zero", "battery"},
    webhook_delivery.c.state: {"waiting", "delivered", "failed"},
}
DAMAGES = (
    test_bins.DAMAGES,
    test_carbon.DAMAGES,
    test_expiries.DAMAGES,
    test_guards.DAMAGES,
    test_holds.DAMAGES,
    test_indicator.DAMAGES,
    test_late_captures.DAMAGES,
    test_ledger.DAMAGES,
    test_limits.DAMAGES,
    test_memories.DAMAGES,
    test_redemptions.DAMAGES,
    test_reviews.DAMAGES,
    test_settlement.DAMAGES,
    test_volumes.DAMAGES,
    test_volumes.POSITIONS,
    test_weighing.DAMAGES,
)
# They are broken in another way: by settings and privileges.
SETTINGS = {
    "commits_are_durable",
    "transfers_cannot_be_changed",
    "records_cannot_be_changed",
    "inputs_cannot_be_changed",
}


async def test_a_sound_city_has_no_breach(city: City, engine: AsyncEngine, settings: Settings) -> None:
    results = await verify(engine, settings)
    assert [(result.check.name, result.breaches, result.rows) for result in results] == [
        (check.name, 0, []) for check in CHECKS
    ]


# Issue 4 puts them there; this set must be empty when it is done.
NOT_YET_IN_THE_CITY = {
    *("bin_change", "bin_claim", "firmware_notice", "plausibility_rule"),
}


async def test_the_sound_city_is_not_sound_for_being_empty(superuser: AsyncEngine) -> None:
    async with superuser.connect() as connection:
        for table in metadata.sorted_tables:
            if table.name in NOT_YET_IN_THE_CITY:
                continue
            count = (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
            assert count > 0, table.name


async def test_every_kind_of_row_is_in_the_city(superuser: AsyncEngine) -> None:
    async with superuser.connect() as connection:
        for column, kinds in KINDS.items():
            found = set((await connection.execute(sa.select(column).distinct())).scalars())
            assert found == kinds, str(column)


async def test_every_check_has_noticed_damage() -> None:
    noticed = {damage.check for damages in DAMAGES for damage in damages.values()}
    assert noticed | SETTINGS == {check.name for check in CHECKS}


def test_every_check_is_in_the_documentation() -> None:
    rows = [f"| {check.invariant} | `{check.name}` | {check.sentence} |" for check in CHECKS]
    text = DOCUMENTATION.read_text()
    assert [line for line in text.splitlines() if line.startswith("| ") and "`" in line] == rows


async def test_every_invariant_has_a_check() -> None:
    assert {check.invariant for check in CHECKS} == set(range(1, 9))
    assert len({check.name for check in CHECKS}) == len(CHECKS)


async def test_progress_names_each_check_before_it_runs(city: City, engine: AsyncEngine, settings: Settings) -> None:
    heard: list[tuple[int, Check | None]] = []
    await verify(engine, settings, progress=lambda done, beginning: heard.append((done, beginning)))
    assert heard == [*enumerate(CHECKS), (len(CHECKS), None)]


async def test_only_the_first_rows_are_given_and_all_are_counted(
    city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await as_superuser(
        admin_engine, "INSERT INTO wallet (owner_id) SELECT number FROM generate_series(900001, 900020) AS number"
    )
    result = (await breaches(engine, settings))["residents_have_wallets"]
    assert result.breaches == 20
    assert [row["owner_id"] for row in result.rows] == list(range(900001, 900001 + ROWS_MAX))


async def test_every_check_sees_the_moment_of_the_first(city: City, engine: AsyncEngine, settings: Settings) -> None:
    """While they run a transfer is posted without an event and without its wallet, which two of them would notice."""
    statement = (
        "INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)"
        " SELECT owner_id, kind, debit_account_id, credit_account_id, 5, bin_id, 'nowhere' FROM transfer"
        " WHERE event_id = 'first'"
    )

    def post_after_the_first(done: int, _beginning: Check | None) -> None:
        if done == 1:
            # In a loop of its own, because the checks go on when this returns.
            with ThreadPoolExecutor() as executor:
                executor.submit(asyncio.run, execute(settings, statement)).result()

    results = await verify(engine, settings, progress=post_after_the_first)
    assert [result.check.name for result in results if not result.holds] == []
    assert set(await breaches(engine, settings)) == {
        "credited_events_match_transfers",
        "wallets_equal_their_transfers",
        "wallets_hold_what_was_issued",
    }


async def execute(settings: Settings, statement: str) -> None:
    engine = create_engine(settings)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(statement)
    await engine.dispose()
