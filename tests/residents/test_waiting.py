"""Events that miss their card's binding, and the statement that credits them beside others at work on the same rows."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.app import build_app
from service.db import transaction
from service.ledger.queries import lock_wallet, read_wallet
from service.plausibility.rule_book import RuleBook
from service.residents.cards import bind_card
from service.residents.claiming import Terms, claim_waiting
from service.residents.waiting import CREDENTIALS_AT_ONCE_MAX, IN_FLIGHT_MAX, credit_bound_since
from service.secrets import Keyring
from service.settings import Settings
from service.tables.people import credential
from tests.blocking import HANGING_SECONDS, until_blocked
from tests.residents.conftest import Client, bearer_of, count, register
from tests.world import CARD, World, post, weigh_event

NEW_CARD = "04C0FFEE5C6180"
WAITING_MAX = timedelta(days=30)
TERMS = Terms(WAITING_MAX, "Asia/Shanghai", demo=False, rules=RuleBook())
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CREDITED = "SELECT count(*) FROM weigh_event WHERE outcome = 'credited'"
# 0 where every wallet is what its transfers add up to, and no event was credited twice.
WRONG = """
SELECT (SELECT count(*) FROM wallet WHERE posted <> (
           SELECT coalesce(sum(coins), 0) FROM transfer WHERE transfer.owner_id = wallet.owner_id))
     + (SELECT count(*) FROM transfer) - (SELECT count(DISTINCT (bin_id, event_id)) FROM transfer)
     + (SELECT abs((SELECT count(*) FROM transfer) - (SELECT count(*) FROM weigh_event WHERE outcome = 'credited')))
"""


def drop(card: str = NEW_CARD, **changes: Any) -> dict[str, Any]:
    """1 250 g of paper, 125 coins."""
    return weigh_event("NK-0001", credential={"kind": "card", "value": card}, **changes)


async def credit_waiting(connection: AsyncConnection, digests: Sequence[bytes]) -> int:
    return await claim_waiting(connection, digests, TERMS)


async def credit_in_transaction(engine: AsyncEngine, digests: Sequence[bytes]) -> int:
    async with transaction(engine) as connection:
        return await credit_waiting(connection, digests)


async def work(engine: AsyncEngine, bound_since: datetime = LONG_AGO) -> int:
    """One round of the worker."""
    return await credit_bound_since(engine, bound_since, TERMS)


async def balance(engine: AsyncEngine, resident_id: int) -> int:
    async with engine.connect() as connection:
        return (await read_wallet(connection, resident_id)).available


@pytest.fixture
def bind_only(engine: AsyncEngine, keyring: Keyring) -> Callable[..., Awaitable[bytes]]:
    """The first transaction of a binding, as if the service had died before the second; gives the card's digest."""

    async def bind(resident_id: int, card: str = NEW_CARD) -> bytes:
        digest = keyring.credential_digest("card", card)
        async with transaction(engine) as connection:
            await bind_card(
                connection,
                resident_id,
                digest,
                cards_max=1000,
                waiting_max=WAITING_MAX,
                demo=False,
            )
        return digest

    return bind


@pytest.fixture
async def quick(world: World, settings: Settings) -> AsyncIterator[Client]:
    """A service whose worker hardly rests."""
    app = build_app(settings.model_copy(update={"waiting_interval_seconds": 0.01}))
    async with TestClient(TestServer(app)) as client:
        yield client


async def until_balance(engine: AsyncEngine, resident_id: int, coins: int) -> None:
    async with asyncio.timeout(HANGING_SECONDS):
        while True:
            if await balance(engine, resident_id) == coins:
                return
            await asyncio.sleep(0.01)


# -- what is credited -----------------------------------------------------------------------------------------------


async def test_an_event_in_flight_while_its_card_is_bound_is_credited_by_the_worker(
    engine: AsyncEngine, admin_engine: AsyncEngine, client: Client, world: World
) -> None:
    newcomer = await register(engine)
    headers = await bearer_of(engine, newcomer)
    async with engine.connect() as holder:
        # The batch has inserted both events and waits for the wallet of the first: it saw no binding of the second.
        await lock_wallet(holder, world.resident_id)
        in_flight = asyncio.create_task(post(client, world.ed25519, [drop(CARD), drop(NEW_CARD)]))
        await until_blocked(admin_engine)
        response = await client.post("/v1/me/cards", json={"value": NEW_CARD}, headers=headers)
        assert (response.status, (await response.json())["credited_events"]) == (201, 0)
        assert await work(engine) == 0
        await holder.rollback()
    outcomes = (await (await in_flight).json())["outcomes"]
    assert [outcome["outcome"] for outcome in outcomes] == ["credited", "unclaimed"]
    assert await balance(engine, newcomer) == 0
    assert await work(engine) == 1
    assert await balance(engine, newcomer) == 125
    assert await work(engine) == 0
    assert await count(engine, WRONG) == 0
    again = await client.post("/v1/me/cards", json={"value": NEW_CARD}, headers=headers)
    assert (again.status, (await again.json())["credited_coins"]) == (200, 125)


async def test_the_service_credits_what_a_crash_left_between_the_two_transactions(
    engine: AsyncEngine, quick: Client, world: World, bind_only: Callable[..., Awaitable[bytes]]
) -> None:
    await post(quick, world.ed25519, drop())
    await bind_only(world.resident_id)
    await until_balance(engine, world.resident_id, 125)
    assert await count(engine, WRONG) == 0


async def test_a_service_that_was_away_looks_back_as_far_as_events_wait(
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    client: Client,
    settings: Settings,
    world: World,
    bind_only: Callable[..., Awaitable[bytes]],
) -> None:
    now = datetime.now(UTC)
    # Events count back from the binding, not from when someone comes round to credit them.
    past = [drop(time=(now - timedelta(days=days)).isoformat()) for days in (45, 51)]
    assert (await post(client, world.ed25519, past)).status == 200
    await bind_only(world.resident_id)
    async with transaction(admin_engine) as connection:
        await connection.execute(
            sa.update(credential)
            .where(credential.c.digest != Keyring.of(settings).credential_digest("card", CARD))
            .values(bound_at=now - timedelta(days=20))
        )
    async with TestClient(TestServer(build_app(settings))):
        await until_balance(engine, world.resident_id, 125)
    assert await work(engine) == 0


async def test_the_worker_looks_at_recent_bindings_only(
    engine: AsyncEngine, client: Client, world: World, bind_only: Callable[..., Awaitable[bytes]]
) -> None:
    await post(client, world.ed25519, drop())
    await bind_only(world.resident_id)
    assert await work(engine, datetime.now(UTC) + IN_FLIGHT_MAX) == 0
    assert await work(engine, datetime.now(UTC) - IN_FLIGHT_MAX) == 1


async def test_a_card_with_thousands_of_events_is_credited_a_thousand_at_a_time(
    engine: AsyncEngine, client: Client, world: World, bearer: dict[str, str]
) -> None:
    for size in (500, 500, 5):
        assert (await post(client, world.ed25519, [drop() for _ in range(size)])).status == 200
    response = await client.post("/v1/me/cards", json={"value": NEW_CARD}, headers=bearer)
    assert (await response.json())["credited_events"] == 1000
    assert await work(engine) == 5
    response = await client.post("/v1/me/cards", json={"value": NEW_CARD}, headers=bearer)
    assert (await response.json())["credited_events"] == 1005
    assert await count(engine, WRONG) == 0


async def test_more_credentials_than_one_round_takes_are_all_credited(
    engine: AsyncEngine, client: Client, world: World, bind_only: Callable[..., Awaitable[bytes]]
) -> None:
    cards = [f"CARD{n:04}" for n in range(CREDENTIALS_AT_ONCE_MAX + 1)]
    assert (await post(client, world.ed25519, [drop(card) for card in cards])).status == 200
    for card in cards:
        await bind_only(world.resident_id, card)
    assert await work(engine) == len(cards)
    assert await balance(engine, world.resident_id) == 125 * len(cards)


async def test_cards_whose_events_are_too_old_do_not_hold_up_the_others(
    engine: AsyncEngine, client: Client, world: World, bind_only: Callable[..., Awaitable[bytes]]
) -> None:
    # The worker looks at them in the order they were bound; the last is the only one that is owed anything.
    cards = [f"CARD{n:04}" for n in range(CREDENTIALS_AT_ONCE_MAX + 1)]
    too_old = (datetime.now(UTC) - timedelta(days=31)).isoformat()
    events = [drop(card, time=too_old) for card in cards[:-1]] + [drop(cards[-1])]
    assert (await post(client, world.ed25519, events)).status == 200
    for card in cards:
        await bind_only(world.resident_id, card)
    assert await work(engine) == 1


async def test_a_card_of_the_demo_is_credited_in_a_demo_only(
    engine: AsyncEngine, client: Client, world: World, keyring: Keyring
) -> None:
    digest = keyring.credential_digest("card", NEW_CARD)
    await post(client, world.ed25519, drop())
    async with transaction(engine) as connection:
        await bind_card(
            connection,
            world.resident_id,
            digest,
            cards_max=10,
            waiting_max=WAITING_MAX,
            demo=True,
        )
    assert await work(engine) == 0
    assert await credit_in_transaction(engine, [digest]) == 0
    assert await credit_bound_since(engine, LONG_AGO, replace(TERMS, demo=True)) == 1


async def test_a_database_that_was_away_does_not_end_the_worker(
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    database: str,
    quick: Client,
    world: World,
    bind_only: Callable[..., Awaitable[bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    await post(quick, world.ed25519, drop())
    async with admin_engine.connect() as connection:
        await connection.execute(sa.text(f"ALTER DATABASE {database} CONNECTION LIMIT 0"))
        await connection.commit()
        terminate = """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity JOIN pg_user USING (usename)
            WHERE datname = :name AND NOT usesuper
        """
        await connection.execute(sa.text(terminate), {"name": database})
        # Many rounds of the worker.
        await asyncio.sleep(0.2)
        await connection.execute(sa.text(f"ALTER DATABASE {database} CONNECTION LIMIT -1"))
        await connection.commit()
    await bind_only(world.resident_id)
    await until_balance(engine, world.resident_id, 125)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# -- beside itself and beside the crediting of new events ------------------------------------------------------------


@pytest.mark.parametrize("first_commits", [True, False])
async def test_two_that_credit_one_card_at_once_credit_it_once(
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    client: Client,
    world: World,
    bind_only: Callable[..., Awaitable[bytes]],
    first_commits: bool,
) -> None:
    await post(client, world.ed25519, [drop(), drop()])
    digest = await bind_only(world.resident_id)
    async with engine.connect() as first:
        assert await credit_waiting(first, [digest]) == 2
        second = asyncio.create_task(credit_in_transaction(engine, [digest]))
        await until_blocked(admin_engine)
        await (first.commit() if first_commits else first.rollback())
        assert await second == (0 if first_commits else 2)
    assert await balance(engine, world.resident_id) == 250
    assert await count(engine, WRONG) == 0


async def test_a_drop_that_comes_while_waiting_events_are_credited_loses_nothing(
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    client: Client,
    world: World,
    bind_only: Callable[..., Awaitable[bytes]],
) -> None:
    waited = drop()
    await post(client, world.ed25519, waited)
    digest = await bind_only(world.resident_id)
    async with engine.connect() as first:
        assert await credit_waiting(first, [digest]) == 1
        # A retry of the very event that is being credited, and a new one for the same wallet.
        posted = asyncio.create_task(post(client, world.ed25519, [waited, drop(CARD)]))
        await until_blocked(admin_engine)
        await first.commit()
    outcomes = (await (await posted).json())["outcomes"]
    assert [(outcome["outcome"], outcome["coins"]) for outcome in outcomes] == [("duplicate", 125), ("credited", 125)]
    assert await balance(engine, world.resident_id) == 250
    assert await count(engine, WRONG) == 0


async def test_waiting_events_credited_while_a_drop_is_being_credited_lose_nothing(
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    client: Client,
    world: World,
    bind_only: Callable[..., Awaitable[bytes]],
) -> None:
    later = await register(engine)
    await bind_only(later, "LATER001")
    await post(client, world.ed25519, drop())
    digest = await bind_only(world.resident_id)
    async with engine.connect() as holder:
        # The batch has the first wallet and waits for the second; the waiting event needs the first.
        await lock_wallet(holder, later)
        posted = asyncio.create_task(post(client, world.ed25519, [drop(CARD), drop("LATER001")]))
        await until_blocked(admin_engine)
        credited = asyncio.create_task(credit_in_transaction(engine, [digest]))
        await until_blocked(admin_engine, sessions=2)
        await holder.rollback()
        assert await credited == 1
    assert (await posted).status == 200
    assert await balance(engine, world.resident_id) == 250
    assert await balance(engine, later) == 125
    assert await count(engine, WRONG) == 0


async def test_events_are_locked_in_the_order_of_their_ids(
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    client: Client,
    world: World,
    bind_only: Callable[..., Awaitable[bytes]],
) -> None:
    # Stored from the last to the first, so that no scan gives them in order by itself.
    for event_id in ("e3", "e2", "e1"):
        await post(client, world.ed25519, drop(id=event_id))
    digest = await bind_only(world.resident_id)
    lock = "SELECT event_id FROM weigh_event WHERE event_id = '{}' FOR NO KEY UPDATE {}"
    async with engine.connect() as holder, engine.connect() as witness:
        await holder.execute(sa.text(lock.format("e1", "")))
        credited = asyncio.create_task(credit_in_transaction(engine, [digest]))
        await until_blocked(admin_engine)
        for event_id in ("e2", "e3"):
            await witness.execute(sa.text(lock.format(event_id, "NOWAIT")))
        await witness.rollback()
        await holder.rollback()
        assert await credited == 3


async def test_wallets_are_locked_in_the_order_of_their_owners(
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    client: Client,
    world: World,
    bind_only: Callable[..., Awaitable[bytes]],
) -> None:
    owners = [await register(engine) for _ in range(12)]
    cards = {owner: f"CARD{owner}" for owner in owners}
    digests = []
    for owner in reversed(owners):
        await post(client, world.ed25519, drop(cards[owner]))
        digests.append(await bind_only(owner, cards[owner]))
    lock = "SELECT owner_id FROM wallet WHERE owner_id = {} FOR NO KEY UPDATE {}"
    async with engine.connect() as holder, engine.connect() as witness:
        await holder.execute(sa.text(lock.format(owners[0], "")))
        credited = asyncio.create_task(credit_in_transaction(engine, digests))
        await until_blocked(admin_engine)
        for owner in owners[1:]:
            await witness.execute(sa.text(lock.format(owner, "NOWAIT")))
        await witness.rollback()
        await holder.rollback()
        assert await credited == len(owners)


async def test_many_at_once_over_the_same_rows_meet_no_deadlock(
    engine: AsyncEngine,
    client: Client,
    world: World,
    bind_only: Callable[..., Awaitable[bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    chance = random.Random(20261120)  # noqa: S311  # a test that can be repeated
    owners = [await register(engine) for _ in range(6)]
    known = [f"KNOWN{owner}" for owner in owners]
    for owner, card in zip(owners, known, strict=True):
        await bind_only(owner, card)
    posted = 0
    for batch in range(12):
        cards = [f"NEW{batch}-{owner}" for owner in owners]
        waited = [drop(card) for card in cards for _ in range(3)]
        chance.shuffle(waited)
        assert (await post(client, world.ed25519, waited)).status == 200
        digests = [await bind_only(owner, card) for owner, card in zip(owners, cards, strict=True)]
        fresh = [drop(card) for card in known for _ in range(2)]
        posted += len(waited) + len(fresh)
        mixed = [chance.sample(waited + fresh, k=len(waited + fresh)) for _ in range(3)]
        credited, answers = await asyncio.gather(
            asyncio.gather(*(credit_in_transaction(engine, chance.sample(digests, k=len(digests))) for _ in range(3))),
            asyncio.gather(*(post(client, world.ed25519, events) for events in mixed)),
        )
        assert sum(credited) == len(waited)
        assert [answer.status for answer in answers] == [200] * len(mixed)
    assert await count(engine, CREDITED) == posted
    assert await count(engine, WRONG) == 0
    # A deadlock of a batch would have been retried, and said so.
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
