"""What the database makes of a batch of events."""

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import Outcome
from service.db import Writers, transaction
from service.fleet.lifecycle import suspend_bin
from service.ledger.queries import open_wallet
from service.redemption.merchants import add_merchant
from service.secrets import Keyring
from service.settings import Settings
from service.tables.bins import bin_, bin_placement
from service.tables.ledger import hold, transfer, wallet
from service.tables.people import credential, resident
from service.tables.weighing import held_event, resident_day, weigh_event, weigh_event_conflict
from service.weighing.pending import NotActive, PendingEvent, Settled
from tests.blocking import until_blocked
from tests.world import CARD, EPOCH, NO_RULES, SEQUENCE, World, add_due_hold

Credit = Callable[..., Awaitable[list[Settled | NotActive]]]

OCCURRED_AT = 1_790_000_000.125
CONCURRENT_TASKS = 8


@pytest.fixture
async def credited(settings: Settings) -> AsyncIterator[Credit]:
    """Credit a batch, as a service that does not run as a demo unless told so."""
    writers = Writers(settings)

    async def credit_events(*events: PendingEvent, demo: bool = False) -> list[Settled | NotActive]:
        return await replace(NO_RULES, demo=demo).commit(writers, list(events))

    yield credit_events
    writers.close()


@pytest.fixture
def card(settings: Settings) -> bytes:
    """The digest of the card that the world's resident has."""
    return Keyring.of(settings).credential_digest("card", CARD)


def pending(
    event_id: str,
    credential_digest: bytes | None = None,
    *,
    bin_id: str = "NK-0001",
    weight_grams: int = 1250,
    coins_per_kg: int | None = 100,
) -> PendingEvent:
    return PendingEvent(
        bin_id=bin_id,
        event_id=event_id,
        content_digest=hashlib.sha256(f"{weight_grams}".encode() + (credential_digest or b"")).digest(),
        sequence=next(SEQUENCE),
        material_id="paper",
        weight_grams=weight_grams,
        box_weight_grams=None,
        credential_digest=credential_digest,
        occurred_at=OCCURRED_AT,
        coins_per_kg=coins_per_kg,
        coins=0 if coins_per_kg is None else weight_grams * coins_per_kg // 1000,
    )


async def add_resident(engine: AsyncEngine, digest: bytes, *, demo: bool = False) -> int:
    """Another resident, with this card."""
    async with transaction(engine) as connection:
        resident_id = await open_wallet(connection)
        await connection.execute(sa.insert(resident).values(id=resident_id, demo=demo))
        await connection.execute(
            sa.insert(credential).values(
                digest=digest, kind="card", resident_id=resident_id, counts_from=EPOCH, demo=demo
            )
        )
    return resident_id


async def rows(engine: AsyncEngine, *columns: Any) -> list[tuple[Any, ...]]:
    async with transaction(engine) as connection:
        return [tuple(row) for row in await connection.execute(sa.select(*columns).order_by(*columns))]


# -- one batch ------------------------------------------------------------------------------------------------------


async def test_a_new_event_is_stored_credited_and_posted(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    assert await credited(pending("a", card)) == [Settled(Outcome.CREDITED, 125, 125)]
    stored = sa.select(weigh_event).where(weigh_event.c.event_id == "a")
    async with transaction(engine) as connection:
        event = (await connection.execute(stored)).one()
        [posted] = (await connection.execute(sa.select(transfer))).all()
    assert (event.bin_id, event.site_id, event.outcome, event.resident_id) == (
        "NK-0001",
        "site-1",
        "credited",
        world.resident_id,
    )
    assert (event.weight_grams, event.coins_per_kg, event.coins) == (1250, 100, 125)
    assert event.occurred_at.timestamp() == OCCURRED_AT
    assert (posted.owner_id, posted.kind, posted.coins) == (world.resident_id, "credit", 125)
    assert (posted.debit_account_id, posted.credit_account_id) == (1, world.resident_id)
    assert (posted.bin_id, posted.event_id) == ("NK-0001", "a")
    assert posted.xid == event.xid


async def test_the_second_of_two_equal_events_in_one_batch_is_a_duplicate(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    results = await credited(pending("a", card), pending("b", card), pending("a", card))
    assert results == [
        Settled(Outcome.CREDITED, 125, 125),
        Settled(Outcome.CREDITED, 125, 250),
        Settled(Outcome.DUPLICATE, 125, 250),
    ]
    assert await rows(engine, wallet.c.posted) == [(250,)]


async def test_the_second_of_two_contents_under_one_id_in_one_batch_is_a_conflict(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    results = await credited(pending("a", card), pending("a", card, weight_grams=9000))
    assert results == [Settled(Outcome.CREDITED, 125, 125), Settled(Outcome.CONFLICT, 0, None, OutcomeCode.ID_REUSED)]
    assert await rows(engine, weigh_event.c.weight_grams) == [(1250,)]
    assert await rows(engine, weigh_event_conflict.c.event_id, weigh_event_conflict.c.weight_grams) == [("a", 9000)]
    assert await rows(engine, wallet.c.posted) == [(125,)]


async def test_a_conflict_across_batches_is_recorded_once_and_never_credited(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    await credited(pending("a", card))
    for _ in range(3):
        assert await credited(pending("a", card, weight_grams=9000)) == [
            Settled(Outcome.CONFLICT, 0, None, OutcomeCode.ID_REUSED)
        ]
    assert await credited(pending("a", card)) == [Settled(Outcome.DUPLICATE, 125, 125)]
    assert len(await rows(engine, weigh_event_conflict.c.event_id)) == 1
    assert await rows(engine, transfer.c.coins) == [(125,)]


async def test_the_same_id_at_another_bin_is_another_event(world: World, credited: Credit, card: bytes) -> None:
    results = await credited(pending("a", card), pending("a", card, bin_id="NK-0002"))
    assert results == [Settled(Outcome.CREDITED, 125, 125), Settled(Outcome.CREDITED, 125, 250)]


async def test_balances_run_in_the_order_of_the_batch_for_each_wallet(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    other = b"o" * 32
    other_id = await add_resident(engine, other)
    await credited(pending("before", card, weight_grams=10_000))
    results = await credited(
        pending("z", card, weight_grams=100),
        pending("y", other, weight_grams=200),
        pending("before", card, weight_grams=10_000),
        pending("x", card, weight_grams=300),
        pending("w", other, weight_grams=400),
        pending("a", card, weight_grams=5),
    )
    assert results == [
        Settled(Outcome.CREDITED, 10, 1010),
        Settled(Outcome.CREDITED, 20, 20),
        Settled(Outcome.DUPLICATE, 1000, 1040),
        Settled(Outcome.CREDITED, 30, 1040),
        Settled(Outcome.CREDITED, 40, 60),
        Settled(Outcome.CREDITED, 0, 1040),
    ]
    assert await rows(engine, wallet.c.owner_id, wallet.c.posted) == [(world.resident_id, 1040), (other_id, 60)]


async def test_coins_that_are_held_are_not_in_the_balance(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    await credited(pending("a", card))
    async with transaction(engine) as connection:
        await connection.execute(sa.update(wallet).values(held=100))
    assert await credited(pending("b", card), pending("a", card)) == [
        Settled(Outcome.CREDITED, 125, 150),
        Settled(Outcome.DUPLICATE, 125, 150),
    ]


async def test_a_hold_whose_time_is_over_is_in_the_balance_whoever_writes_it_down(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    await credited(pending("a", card))
    async with transaction(engine) as connection:
        await add_merchant(connection, merchant_id="M1", name="店", name_en="Shop")
    async with admin_engine.begin() as connection:
        await add_due_hold(connection, world.resident_id, merchant_id="M1", coins=100)
    assert await credited(pending("a", card), pending("b", card)) == [
        Settled(Outcome.DUPLICATE, 125, 250),
        Settled(Outcome.CREDITED, 125, 250),
    ]
    # It is written down while the next drop waits for the wallet: it is not counted twice.
    async with admin_engine.begin() as connection:
        await connection.execute(sa.delete(hold))
        await connection.execute(sa.update(wallet).values(held=0))
        waiting = asyncio.ensure_future(credited(pending("c", card)))
        await until_blocked(admin_engine)
    assert await waiting == [Settled(Outcome.CREDITED, 125, 375)]


async def test_a_drop_too_light_for_a_coin_is_credited_without_a_transfer(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    assert await credited(pending("a", card, weight_grams=9)) == [Settled(Outcome.CREDITED, 0, 0)]
    assert await rows(engine, weigh_event.c.outcome, weigh_event.c.resident_id) == [("credited", world.resident_id)]
    assert await rows(engine, transfer.c.id) == []


@pytest.mark.parametrize("digest", [None, b"u" * 32])
async def test_an_event_of_nobody_waits_with_its_coins(
    world: World, engine: AsyncEngine, credited: Credit, digest: bytes | None
) -> None:
    assert await credited(pending("a", digest)) == [Settled(Outcome.UNCLAIMED, 0, None)]
    assert await credited(pending("a", digest)) == [Settled(Outcome.DUPLICATE, 0, None)]
    assert await rows(engine, weigh_event.c.outcome, weigh_event.c.coins) == [("unclaimed", 125)]
    assert await rows(engine, transfer.c.id) == []


async def test_an_event_without_a_tariff_is_held_though_its_card_is_known(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    assert await credited(pending("a", card, coins_per_kg=None)) == [
        Settled(Outcome.HELD, 0, None, OutcomeCode.NO_TARIFF)
    ]
    assert await credited(pending("a", card, coins_per_kg=None)) == [Settled(Outcome.DUPLICATE, 0, None)]
    assert await rows(engine, weigh_event.c.outcome, weigh_event.c.coins) == [("held", 0)]
    assert await rows(engine, transfer.c.id) == []


async def test_a_card_of_the_demo_counts_in_the_demo_only(world: World, engine: AsyncEngine, credited: Credit) -> None:
    await add_resident(engine, b"d" * 32, demo=True)
    assert await credited(pending("a", b"d" * 32)) == [Settled(Outcome.UNCLAIMED, 0, None)]
    assert await credited(pending("b", b"d" * 32), demo=True) == [Settled(Outcome.CREDITED, 125, 125)]


# -- bins that may not --------------------------------------------------------------------------------------------


async def test_nothing_of_an_unknown_bin_is_stored(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    assert await credited(pending("a", card, bin_id="NK-9999")) == [NotActive()]
    assert await rows(engine, weigh_event.c.event_id) == []
    assert await rows(engine, wallet.c.posted) == [(0,)]


async def test_nothing_of_a_suspended_bin_is_stored_from_its_commit_on(
    world: World, engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    await credited(pending("before", card))
    async with transaction(engine) as connection:
        await suspend_bin(connection, "NK-0001")
    results = await credited(pending("after", card), pending("other", card, bin_id="NK-0002"), pending("before", card))
    assert results == [
        NotActive(),
        Settled(Outcome.CREDITED, 125, 250),
        Settled(Outcome.DUPLICATE, 125, 250),
    ]
    assert await rows(engine, weigh_event.c.event_id) == [("before",), ("other",)]


async def test_an_event_is_at_the_site_where_its_bin_stood_at_the_events_own_time(
    world: World, engine: AsyncEngine, admin_engine: AsyncEngine, credited: Credit, card: bytes
) -> None:
    moved_at = sa.func.to_timestamp(OCCURRED_AT + 10)
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("INSERT INTO site SELECT 'site-2', area_id, kind, name, name_en FROM site"))
        await connection.execute(sa.update(bin_placement).values(effective_from=EPOCH))
        await connection.execute(sa.update(bin_).values(site_id="site-2", placed_at=moved_at))
        await connection.execute(
            sa.insert(bin_placement).values(bin_id="NK-0001", effective_from=moved_at, site_id="site-2")
        )
    late = [pending("late", card), pending("before the first", card)._replace(occurred_at=1.0)]
    await credited(pending("after", card)._replace(occurred_at=OCCURRED_AT + 10), *late)
    assert await rows(engine, weigh_event.c.event_id, weigh_event.c.site_id) == [
        ("after", "site-2"),
        ("before the first", "site-1"),
        ("late", "site-1"),
    ]


# -- many at once ---------------------------------------------------------------------------------------------------


async def test_batches_with_the_same_events_at_once_credit_each_exactly_once(
    world: World, engine: AsyncEngine, credited: Credit
) -> None:
    """Eight writers get all events, each in another order and in other batches; most events are a few residents'."""
    seeded = random.Random(20261120)  # noqa: S311  # no secret hangs on it
    digests = [bytes([number]) * 32 for number in range(12)]
    owners = {digest: await add_resident(engine, digest) for digest in digests}
    zipf = [1 / (rank + 1) for rank in range(len(digests))]
    events = [
        pending(
            f"{number:04}",
            seeded.choices(digests, zipf)[0],
            bin_id=seeded.choice(("NK-0001", "NK-0002")),
            weight_grams=seeded.randint(1, 9999),
        )
        for number in range(600)
    ]

    async def write_all(seed: int) -> list[tuple[str, Settled | NotActive]]:
        order = random.Random(seed)  # noqa: S311  # no secret hangs on it
        shuffled = order.sample(events, len(events))
        outcomes: list[tuple[str, Settled | NotActive]] = []
        while shuffled:
            size = order.randint(1, 60)
            batch, shuffled = shuffled[:size], shuffled[size:]
            outcomes += zip((event.event_id for event in batch), await credited(*batch), strict=True)
        return outcomes

    written = await asyncio.gather(*(write_all(seed) for seed in range(CONCURRENT_TASKS)))

    credits_of = Counter(
        event_id
        for outcomes in written
        for event_id, result in outcomes
        if isinstance(result, Settled) and result.outcome is Outcome.CREDITED
    )
    assert credits_of == Counter(event.event_id for event in events)
    due: Counter[int] = Counter()
    for event in events:
        assert event.credential_digest is not None
        due[owners[event.credential_digest]] += event.coins
    balances = dict(await rows(engine, wallet.c.owner_id, wallet.c.posted))
    assert balances == {world.resident_id: 0} | {owner_id: due[owner_id] for owner_id in owners.values()}
    transfers = await rows(engine, transfer.c.event_id, transfer.c.owner_id, transfer.c.coins)
    assert transfers == [
        (event.event_id, owners[event.credential_digest or b""], event.coins) for event in events if event.coins
    ]
    assert await rows(engine, weigh_event_conflict.c.event_id) == []


async def test_a_batch_that_cannot_be_written_whole_is_not_written_at_all(
    credited: Credit, world: World, card: bytes, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    await credited(pending("old", card))
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.text("REVOKE INSERT ON weigh_event_conflict FROM tanbi_app"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await credited(pending("old", card, weight_grams=9999), pending("new", card))
    assert await rows(engine, weigh_event.c.event_id) == [("old",)]
    assert await rows(engine, wallet.c.posted) == [(125,)]


async def test_a_drop_of_before_the_cards_owner_is_not_theirs_however_late_it_arrives(
    credited: Credit, world: World, card: bytes, admin_engine: AsyncEngine
) -> None:
    async with transaction(admin_engine) as connection:
        counts_from = sa.func.to_timestamp(OCCURRED_AT) + sa.text("interval '1 second'")
        await connection.execute(sa.update(credential).values(counts_from=counts_from))
    assert await credited(pending("before", card)) == [Settled(Outcome.UNCLAIMED, 0, None)]
    later = pending("after", card)._replace(occurred_at=OCCURRED_AT + 1)
    assert await credited(later) == [Settled(Outcome.CREDITED, 125, 125)]


async def test_a_drop_of_a_wrong_clock_is_shown_to_whose_card_it_was(
    credited: Credit, world: World, card: bytes, engine: AsyncEngine, admin_engine: AsyncEngine
) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(credential).values(counts_from=sa.func.now() - timedelta(days=30)))
    of_1970 = pending("a", card)._replace(occurred_at=60.0, doubt=OutcomeCode.TIME_TOO_OLD)
    assert await credited(of_1970) == [Settled(Outcome.HELD, 0, None, OutcomeCode.TIME_TOO_OLD)]
    assert await rows(engine, held_event.c.resident_id) == [(world.resident_id,)]
    assert await rows(engine, weigh_event.c.resident_id) == [(None,)]


async def test_the_day_that_has_limits_begins_at_midnight_where_the_city_is(
    credited: Credit, world: World, card: bytes, engine: AsyncEngine
) -> None:
    midnight_in_shanghai = datetime(2026, 9, 1, 16, tzinfo=UTC).timestamp()
    for at in (midnight_in_shanghai - 1, midnight_in_shanghai):
        await credited(pending(f"at {at}", card)._replace(occurred_at=at))
    assert await rows(engine, resident_day.c.day, resident_day.c.drops) == [
        (date(2026, 9, 1), 1),
        (date(2026, 9, 2), 1),
    ]
