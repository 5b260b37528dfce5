"""Writers commit late, roll back, claim each other's drops and redeem while two instances fold: sums are exact."""

import asyncio
import os
import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import create_engine, transaction
from service.errors import InsufficientCoins
from service.folding.worker import check_imbalance, fold_forever, tick
from service.settings import Settings
from service.tables.volumes import coin_volume, resident_volume, volume
from service.weighing.pending import PendingEvent
from tests.folding.differences import (
    coin_volume_differences,
    month_volume_differences,
    resident_volume_differences,
    volume_differences,
)
from tests.folding.drops import (
    NOON,
    Place,
    bind,
    credit_waiting_for,
    drop,
    fold_all,
    new_bin,
    new_resident,
    rows,
    write,
)
from tests.world import spend

SHANGHAI = ZoneInfo("Asia/Shanghai")
# Of one writer.
DROPS_MAX = 83
MATERIALS = ("paper", "plastic", "metal")


@dataclass
class Model:
    """What was committed, as the test itself knows it."""

    drops: list[PendingEvent] = field(default_factory=list)
    owners: dict[bytes, int] = field(default_factory=dict)
    redeemed: int = 0

    def volumes(self) -> dict[tuple[date, str], tuple[int, int]]:
        grams: Counter[tuple[date, str]] = Counter()
        count: Counter[tuple[date, str]] = Counter()
        for event in self.drops:
            key = (datetime.fromtimestamp(event.occurred_at, SHANGHAI).date(), event.material_id)
            grams[key] += event.weight_grams
            count[key] += 1
        return {key: (grams[key], count[key]) for key in grams}


@dataclass
class Writer:
    """A connection with a transaction open, a bin and a resident of its own, and what its commit adds to the model.

    Bins and wallets are its own, so that transactions which stay open never wait for each other.
    """

    connection: AsyncConnection
    bin_id: str
    resident_id: int
    own_card: bytes
    unbound: list[bytes]
    bound: list[bytes] = field(default_factory=list)
    pending: list[Callable[[Model], None]] = field(default_factory=list)
    drops: int = 0

    async def drop(self, pick: random.Random, all_unbound: list[bytes]) -> None:
        cards = [self.own_card, None, *all_unbound]
        events = [self._drop(pick, pick.choice(cards)) for _ in range(pick.randrange(1, 4))]
        await write(self.connection, *events)
        self.pending.append(lambda model: model.drops.extend(events))

    def _drop(self, pick: random.Random, card: bytes | None) -> PendingEvent:
        """Numbered as its bin would have: what happened later has a higher number, however late it is told."""
        hour = pick.randrange(-60, 60)
        self.drops += 1
        return drop(
            grams=pick.randrange(1, 5000),
            material=pick.choice(MATERIALS),
            card=card,
            occurred_at=NOON + timedelta(hours=hour),
            bin_id=self.bin_id,
            sequence=(hour + 60) * DROPS_MAX + self.drops,
        )

    async def bind(self) -> None:
        if self.unbound:
            card = self.unbound.pop()
            await bind(self.connection, card, self.resident_id)
            self.bound.append(card)
            self.pending.append(lambda model: model.owners.update({card: self.resident_id}))
        await credit_waiting_for(self.connection, *self.bound)

    async def redeem(self, merchant_account_id: int, coins: int) -> None:
        try:
            await spend(
                self.connection,
                owner_id=self.resident_id,
                merchant_account_id=merchant_account_id,
                coins=coins,
                redemption_id=uuid.uuid4(),
            )
        except InsufficientCoins:
            return

        def add(model: Model) -> None:
            model.redeemed += coins

        self.pending.append(add)

    async def end(self, model: Model, *, commit: bool) -> None:
        if commit:
            await self.connection.commit()
            for add in self.pending:
                add(model)
        else:
            await self.connection.rollback()
        self.pending.clear()


@pytest.mark.parametrize("seed", range(4))
async def test_any_interleaving_folds_to_what_was_committed(
    seed: int, place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    pick = random.Random(seed)  # noqa: S311  # a test that can be repeated
    anyone = settings.model_copy(update={"fold_lease_seconds": 1e-6})
    instances = [anyone.model_copy(update={"instance": name}) for name in ("a", "b")]
    model = Model()
    writers = [await new_writer(engine, model) for _ in range(4)]
    for _ in range(250):
        writer = pick.choice(writers)
        unbound = [card for each in writers for card in each.unbound]
        match pick.randrange(10):
            case 0 | 1 | 2 | 3:
                await writer.drop(pick, unbound)
            case 4:
                await writer.bind()
            case 5:
                await writer.redeem(place.merchant_account_id, pick.randrange(1, 400))
            case 6 | 7:
                await writer.end(model, commit=pick.random() < 0.7)
            case _:
                await tick(engine, pick.choice(instances), window_rows_max=pick.randrange(4))
    for writer in writers:
        await writer.end(model, commit=True)
    for writer in writers:
        # A drop that did not see its card's binding, and was not seen by it, is found by the next look.
        await writer.bind()
        await writer.end(model, commit=True)
        await writer.connection.close()
    await fold_all(engine, instances[0])
    assert model.drops
    await assert_folded(engine, model, settings)


async def new_writer(engine: AsyncEngine, model: Model) -> Writer:
    resident_id = await new_resident(engine)
    own_card = os.urandom(32)
    async with transaction(engine) as connection:
        await bind(connection, own_card, resident_id)
    model.owners[own_card] = resident_id
    return Writer(
        await engine.connect(), await new_bin(engine), resident_id, own_card, [os.urandom(32) for _ in range(3)]
    )


async def assert_folded(engine: AsyncEngine, model: Model, settings: Settings) -> None:
    found = await rows(engine, volume, ("day", "material_id"))
    assert {(day, material): (grams, count) for day, _, material, _, grams, count, *_ in found} == model.volumes()
    credited: Counter[tuple[int, str]] = Counter()
    issued = 0
    for event in model.drops:
        owner = None if event.credential_digest is None else model.owners.get(event.credential_digest)
        if owner is not None:
            credited[owner, event.material_id] += event.weight_grams
            issued += event.coins
    found = await rows(engine, resident_volume, ("owner_id", "material_id"))
    assert {(owner, material): grams for owner, material, _, grams in found} == dict(credited)
    found = await rows(engine, coin_volume, ("day",))
    assert (sum(row[3] for row in found), sum(row[4] for row in found)) == (issued, model.redeemed)
    async with transaction(engine) as connection:
        assert await volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
        assert await month_volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
        assert await resident_volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
        assert await coin_volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
    assert await check_imbalance(engine, settings.instance) == 0


async def test_sums_are_exact_at_every_moment_while_writers_run(
    place: Place, engine: AsyncEngine, settings: Settings
) -> None:
    """Two engines write at random with transactions held open, two instances fight for the lease, and a third party
    compares sums with rows in between."""
    quick = settings.model_copy(update={"fold_lease_seconds": 0.005, "fold_interval_seconds": 0.002})
    other = create_engine(settings)
    model = Model()
    workers = [
        asyncio.create_task(fold_forever(each, quick.model_copy(update={"instance": name})))
        for each, name in ((engine, "a"), (other, "b"))
    ]
    checks = 0

    async def check() -> None:
        nonlocal checks
        while True:
            async with transaction(engine) as connection:
                assert await volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
                assert await month_volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
                assert await resident_volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
                assert await coin_volume_differences(connection, timezone=settings.business_timezone, limit=5) == []
            checks += 1
            await asyncio.sleep(0)

    async def work(each: AsyncEngine, number: int) -> None:
        pick = random.Random(number)  # noqa: S311  # a test that can be repeated
        writer = await new_writer(each, model)
        for _ in range(25):
            await writer.drop(pick, writer.unbound)
            await asyncio.sleep(pick.choice((0, 0, 0.01, 0.05)))
            if pick.random() < 0.3:
                await writer.bind()
            await writer.end(model, commit=pick.random() < 0.75)
        await writer.bind()
        await writer.end(model, commit=True)
        await writer.connection.close()

    checking = asyncio.create_task(check())
    try:
        await asyncio.gather(*(work(each, number) for number, each in enumerate((engine, other) * 3)))
        assert not checking.done() or checking.exception() is None
    finally:
        for task in (*workers, checking):
            task.cancel()
        await asyncio.gather(*workers, checking, return_exceptions=True)
        await other.dispose()
    assert checks > 0
    await fold_all(engine, settings)
    await assert_folded(engine, model, settings)


async def test_a_changed_sum_is_named(place: Place, engine: AsyncEngine, settings: Settings) -> None:
    async with transaction(engine) as connection:
        await write(connection, drop(grams=1000, card=place.card))
    await fold_all(engine, settings)
    async with transaction(engine) as connection:
        await connection.execute(sa.update(volume).values(grams=volume.c.grams + 1))
        await connection.execute(sa.update(resident_volume).values(grams=resident_volume.c.grams - 1))
        await connection.execute(sa.update(coin_volume).values(transfers=2))
        [row] = await volume_differences(connection, timezone=settings.business_timezone, limit=5)
        assert (row.site_id, row.stored_grams, row.computed_grams) == ("site-1", 1001, 1000)
        [row] = await resident_volume_differences(connection, timezone=settings.business_timezone, limit=5)
        assert (row.owner_id, row.stored_grams, row.computed_grams) == (place.resident_id, 999, 1000)
        [row] = await coin_volume_differences(connection, timezone=settings.business_timezone, limit=5)
        assert (row.kind, row.stored_transfers, row.computed_transfers) == ("credit", 2, 1)
