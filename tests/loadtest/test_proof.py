"""The proof itself: on a real database, what is broken there is found, and named."""

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from loadtest.calling import Caller, bearer
from loadtest.demo import DemoMerchant, DemoResident, MachineKey
from loadtest.findings import Finding
from loadtest.journal import Call, Journal, Phase
from loadtest.patience import Patient, open_session
from loadtest.proof import balance_findings, expected_balances, findings_of
from loadtest.redeemers import Machine, Phones, Terms
from loadtest.stored import Stored, read_stored
from service.secrets import Keyring
from service.settings import Settings
from tests import world as worlds
from tests.loadtest.prepared import draws
from tests.machine import install_machine
from tests.world import World, add_shop, post, weigh_event

EVENTS = 3
COINS = 125
SPENT = 30
HELD, CAPTURED, REFUNDED = 20, 12, 5


async def stored(admin_engine: AsyncEngine) -> Stored:
    async with admin_engine.connect() as connection:
        raw = await connection.get_raw_connection()
        assert raw.driver_connection is not None
        return await read_stored(raw.driver_connection)


@pytest.fixture
async def journal(
    world: World, client: TestClient[web.Request, web.Application], engine: AsyncEngine, settings: Settings
) -> Journal:
    """Some events, credited and sent again, and redemptions in every phase, as clients remember them."""
    kept = Journal()
    events = [weigh_event("NK-0002") for _ in range(EVENTS)]
    keys = [("NK-0002", str(event["id"])) for event in events]
    for key in keys:
        kept.will_send(key, world.resident_id)
    for _ in range(2):
        response = await post(client, world.hmac, events)
        kept.answered(keys, (await response.json())["outcomes"])
    await redeem(kept, world, client, engine, settings)
    return kept


async def redeem(
    journal: Journal,
    world: World,
    client: TestClient[web.Request, web.Application],
    engine: AsyncEngine,
    settings: Settings,
) -> None:
    """One redemption at once; one that was held, captured in part and refunded in part; and one that was voided."""
    merchant = DemoMerchant(id="NK-M-01", api_key=await add_shop(engine))
    token = await worlds.open_session(engine, world.resident_id)
    resident = DemoResident(id=world.resident_id, card="04A2", token=token)
    key = MachineKey("NK-W-01", merchant.id, await install_machine(engine, Keyring.of(settings)))
    async with open_session() as session:
        patient = Patient(session, [str(client.make_url("/")).rstrip("/")], draws(1))
        caller, phones = Caller(patient, journal, draws(2)), Phones([resident], patient, draws(3))
        spent = Call(Phase.REDEEM, f"resident:{resident.id}", resident.id, merchant.id, coins=SPENT)
        wanted = {"merchant_id": merchant.id, "coins": SPENT}
        await caller.make(spent, "/v1/me/redemptions", wanted, bearer(token))
        machine = Machine(key, merchant, Terms(120, 0), caller)
        captured = await machine.authorise(resident, await phones.pay_code(resident), HELD)
        await machine.capture(captured, CAPTURED)
        await machine.refund(captured, REFUNDED)
        voided = await machine.authorise(resident, await phones.pay_code(resident), HELD)
        await machine.void(voided)
    assert [call.status for call in journal.calls.values()] == [201, 201, 200, 200, 201, 200]


NOTHING = Stored()

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
        " SELECT owner_id, gen_random_uuid(), merchant_id, coins FROM redemption LIMIT 1",
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
        " VALUES ('NK-0002', 'nobody', 'x', 'site-1', 1, 'paper', 10, 'unclaimed', 0, now(), now())",
    ),
    ("lost", "DELETE FROM transfer WHERE kind = 'refund'"),
    ("lost", "DELETE FROM idempotency_key WHERE actor LIKE 'machine:%'"),
    ("wrong", "UPDATE idempotency_key SET answer = '{}' WHERE actor LIKE 'merchant:%'"),
    (
        "wrong",
        "WITH undone AS (DELETE FROM hold_resolution WHERE outcome = 'voided' RETURNING *)"
        " INSERT INTO hold SELECT owner_id, redemption_id, coins, held_at, expires_at FROM undone",
    ),
    ("balance", "UPDATE wallet SET posted = posted + 1"),
    ("balance", "UPDATE wallet SET held = held + 1"),
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
    journal.calls["other"] = Call(Phase.VOID, "machine:NK-W-01", 1, "NK-M-01", redemption_id="r-1")
    found = findings_of(journal, NOTHING, await stored(admin_engine))
    assert [finding.code for finding in found] == ["unanswered", "unanswered"]


async def test_a_balance_is_what_was_there_and_what_was_told_since(journal: Journal, admin_engine: AsyncEngine) -> None:
    after = await stored(admin_engine)
    [owner_id] = {call.resident_id for call in journal.calls.values()}
    expected = expected_balances(journal, {owner_id: 1000, 8: 0}, after)
    assert expected == {owner_id: 1000 + EVENTS * COINS - SPENT - CAPTURED + REFUNDED, 8: 0}
    told = {each: (coins, 0) for each, coins in expected.items()}
    assert list(balance_findings(expected, told)) == []
    assert list(balance_findings(expected, told | {8: (5, 0)})) == [
        Finding("balance", "resident 8 must have 0 coins and has 5, with 0 held")
    ]
    [still_held] = balance_findings(expected, told | {8: (0, 5)})
    assert still_held.detail.endswith("has 0, with 5 held")
