"""The proof itself: on a real database, what is broken there is found, and named."""

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from loadtest.journal import Journal, Spending
from loadtest.proof import Finding, Stored, balance_findings, expected_balances, findings_of, read_stored
from service.secrets import Keyring
from service.settings import Settings
from tests.world import World, add_shop, build_world, open_session, post, weigh_event

EVENTS = 3
COINS = 125
SPENT = 30


@pytest.fixture
async def world(engine: AsyncEngine, settings: Settings) -> World:
    return await build_world(engine, Keyring.of(settings))


async def stored(admin_engine: AsyncEngine) -> Stored:
    async with admin_engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        return await read_stored(raw.driver_connection)


@pytest.fixture
async def journal(world: World, client: TestClient[web.Request, web.Application], engine: AsyncEngine) -> Journal:
    """Some events, credited and sent again, and one redemption, as clients remember them."""
    kept = Journal()
    events = [weigh_event("NK-0002") for _ in range(EVENTS)]
    keys = [("NK-0002", str(event["id"])) for event in events]
    for key in keys:
        kept.will_send(key, world.resident_id)
    for _ in range(2):
        response = await post(client, world.hmac, events)
        kept.answered(keys, (await response.json())["outcomes"])
    await add_shop(engine)
    token = await open_session(engine, world.resident_id)
    kept.spendings["k"] = Spending(world.resident_id, "NK-M-01", SPENT)
    response = await client.post(
        "/v1/me/redemptions",
        json={"merchant_id": "NK-M-01", "coins": SPENT},
        headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
    )
    assert response.status == 201, await response.text()
    kept.spent("k", response.status, (await response.json())["id"])
    return kept


NOTHING = Stored(events={}, redemptions={}, rewards={}, payments={}, wallets_off=[])

# What only the owner can do, and what the proof must call it then.
BREAKS = [
    ("lost", "DELETE FROM weigh_event WHERE event_id = (SELECT min(event_id) FROM weigh_event)"),
    ("lost", "DELETE FROM transfer WHERE kind = 'credit' AND id = (SELECT min(id) FROM transfer)"),
    ("lost", "DELETE FROM redemption"),
    (
        "doubled",
        "INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)"
        " SELECT owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id FROM transfer"
        " WHERE kind = 'credit' LIMIT 1",
    ),
    (
        "doubled",
        "INSERT INTO redemption (owner_id, id, merchant_id, coins)"
        " SELECT owner_id, gen_random_uuid(), merchant_id, coins FROM redemption",
    ),
    (
        "wrong",
        "UPDATE weigh_event SET weight_grams = 10, coins = 1 WHERE event_id = (SELECT min(event_id) FROM weigh_event)",
    ),
    ("wrong", "UPDATE transfer SET coins = coins + 1 WHERE kind = 'credit'"),
    ("wrong", "UPDATE transfer SET coins = coins + 1 WHERE kind = 'redemption'"),
    ("wrong", "UPDATE redemption SET merchant_id = 'NK-M-02'"),
    (
        "invented",
        "INSERT INTO weigh_event (bin_id, event_id, content_digest, site_id, sequence, material_id, weight_grams,"
        " outcome, coins, occurred_at, received_at)"
        " VALUES ('NK-0002', 'nobody', 'x', 'site-1', 1, 'paper', 10, 'held', 0, now(), now())",
    ),
    ("balance", "UPDATE wallet SET posted = posted + 1"),
]


async def test_a_service_that_kept_its_word_leaves_nothing_to_find(journal: Journal, admin_engine: AsyncEngine) -> None:
    assert findings_of(journal, NOTHING, await stored(admin_engine)) == []


@pytest.mark.parametrize(("code", "statement"), BREAKS)
async def test_whatever_is_broken_is_found_and_named(
    code: str, statement: str, journal: Journal, admin_engine: AsyncEngine
) -> None:
    async with admin_engine.begin() as connection:
        await connection.execute(sa.text(statement))
    assert code in {finding.code for finding in findings_of(journal, NOTHING, await stored(admin_engine))}


async def test_what_was_there_before_is_not_invented(journal: Journal, admin_engine: AsyncEngine) -> None:
    before = await stored(admin_engine)
    assert findings_of(Journal(), before, before) == []
    assert {finding.code for finding in findings_of(Journal(), NOTHING, before)} == {"invented", "doubled"}


async def test_what_was_never_answered_is_named_as_that(journal: Journal, admin_engine: AsyncEngine) -> None:
    journal.will_send(("NK-0002", "lost on the way"), resident_id=1)
    journal.spendings["other"] = Spending(1, "NK-M-01", 1)
    found = findings_of(journal, NOTHING, await stored(admin_engine))
    assert [finding.code for finding in found] == ["unanswered", "unanswered"]


def test_a_balance_is_what_was_there_and_what_was_told_since(world_journal: Journal) -> None:
    expected = expected_balances(world_journal, {7: 1000, 8: 0})
    assert expected == {7: 1000 + COINS - SPENT, 8: 0}
    assert list(balance_findings(expected, expected)) == []
    [finding] = balance_findings(expected, {**expected, 8: 5})
    assert finding == Finding("balance", "resident 8 must have 0 coins and has 5")


@pytest.fixture
def world_journal() -> Journal:
    """One credit and one payment of resident 7, and what resident 8 was refused."""
    kept = Journal()
    kept.will_send(("NK-0001", "e"), resident_id=7)
    kept.answered([("NK-0001", "e")], [{"id": "e", "outcome": "credited", "coins": COINS}])
    kept.spendings["k"] = Spending(7, "m-1", SPENT, 201, "r-1")
    kept.spendings["declined"] = Spending(8, "m-1", SPENT, 409, None)
    return kept
