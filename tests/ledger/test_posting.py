"""Moving coins: what is posted, what is declined, and what happens when two want the same."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import transaction
from service.errors import InsufficientCoins
from service.ledger.book import Wallet
from service.ledger.queries import open_merchant_account, open_wallet, read_wallet
from service.tables.ledger import transfer, wallet
from tests.blocking import until_blocked
from tests.world import credit, spend


async def redeem(connection: AsyncConnection, owner_id: int, merchant_account_id: int, coins: int) -> Wallet:
    return await spend(
        connection,
        owner_id=owner_id,
        merchant_account_id=merchant_account_id,
        coins=coins,
        redemption_id=uuid.uuid4(),
    )


async def transfers(connection: AsyncConnection, owner_id: int) -> list[Any]:
    query = sa.select(transfer).where(transfer.c.owner_id == owner_id).order_by(transfer.c.id)
    return list((await connection.execute(query)).all())


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Rolled back at the end."""
    async with engine.connect() as connection:
        yield connection


@pytest.fixture
async def accounts(engine: AsyncEngine) -> tuple[int, int]:
    """A resident with 500 coins, and a merchant; committed."""
    async with transaction(engine) as connection:
        owner_id, merchant_account_id = await open_wallet(connection), await open_merchant_account(connection)
        await credit(connection, owner_id, 500)
    return owner_id, merchant_account_id


async def test_a_redemption_moves_coins_from_the_resident_to_the_merchant(
    connection: AsyncConnection, accounts: tuple[int, int]
) -> None:
    owner_id, merchant_account_id = accounts
    redemption_id = uuid.uuid4()
    after = await spend(
        connection, owner_id=owner_id, merchant_account_id=merchant_account_id, coins=120, redemption_id=redemption_id
    )
    assert after == await read_wallet(connection, owner_id) == Wallet(posted=380, held=0)
    row = (await transfers(connection, owner_id))[-1]
    assert (row.kind, row.coins, row.redemption_id) == ("redemption", 120, redemption_id)
    assert (row.debit_account_id, row.credit_account_id) == (owner_id, merchant_account_id)
    assert (row.bin_id, row.event_id, row.reverses_id, row.reason) == (None, None, None, None)


async def test_a_redemption_of_more_than_there_is_changes_nothing_and_tells_only_who_asks(
    connection: AsyncConnection, accounts: tuple[int, int]
) -> None:
    with pytest.raises(InsufficientCoins) as declined:
        await redeem(connection, *accounts, 501)
    assert declined.value.available_coins == 500
    assert "50" not in declined.value.detail
    assert await read_wallet(connection, accounts[0]) == Wallet(posted=500, held=0)
    assert len(await transfers(connection, accounts[0])) == 1


async def test_coins_that_are_held_cannot_be_redeemed(connection: AsyncConnection, accounts: tuple[int, int]) -> None:
    await connection.execute(sa.update(wallet).where(wallet.c.owner_id == accounts[0]).values(held=200))
    with pytest.raises(InsufficientCoins) as declined:
        await redeem(connection, *accounts, 301)
    assert declined.value.available_coins == 300
    assert await redeem(connection, *accounts, 300) == Wallet(posted=200, held=200)


@pytest.mark.parametrize("coins", [0, -1, -(10**9)])
async def test_no_redemption_moves_coins_backwards(
    connection: AsyncConnection, accounts: tuple[int, int], coins: int
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await redeem(connection, *accounts, coins)
    assert refused.value.constraint_name == "ck_transfer_coins"


async def test_an_account_without_a_wallet_cannot_redeem(
    connection: AsyncConnection, accounts: tuple[int, int]
) -> None:
    with pytest.raises(KeyError):
        await redeem(connection, accounts[1], accounts[1], 1)


async def test_a_redemption_waits_for_coins_that_are_on_their_way(
    engine: AsyncEngine, admin_engine: AsyncEngine, accounts: tuple[int, int]
) -> None:
    async with transaction(engine) as first:
        await credit(first, accounts[0], 100)

        async def redeem_600() -> Wallet:
            async with transaction(engine) as second:
                return await redeem(second, *accounts, 600)

        waiting = asyncio.create_task(redeem_600())
        await until_blocked(admin_engine)
    assert await waiting == Wallet(posted=0, held=0)


async def test_a_redemption_waits_for_a_hold_that_is_being_released(
    engine: AsyncEngine, admin_engine: AsyncEngine, accounts: tuple[int, int]
) -> None:
    async with transaction(engine) as connection:
        await connection.execute(sa.update(wallet).where(wallet.c.owner_id == accounts[0]).values(held=400))
    async with transaction(engine) as first:
        await first.execute(sa.update(wallet).where(wallet.c.owner_id == accounts[0]).values(held=0))

        async def redeem_300() -> Wallet:
            async with transaction(engine) as second:
                return await redeem(second, *accounts, 300)

        waiting = asyncio.create_task(redeem_300())
        await until_blocked(admin_engine)
    assert await waiting == Wallet(posted=200, held=0)


async def test_a_decline_counts_the_coins_that_went_while_it_waited(
    engine: AsyncEngine, admin_engine: AsyncEngine, accounts: tuple[int, int]
) -> None:
    async with transaction(engine) as first:
        await redeem(first, *accounts, 490)

        async def redeem_11() -> Wallet:
            async with transaction(engine) as second:
                return await redeem(second, *accounts, 11)

        waiting = asyncio.create_task(redeem_11())
        await until_blocked(admin_engine)
    with pytest.raises(InsufficientCoins) as declined:
        await waiting
    assert declined.value.available_coins == 10


async def test_500_opposite_transfers_at_once_end_where_they_began(
    engine: AsyncEngine, accounts: tuple[int, int]
) -> None:
    async def give() -> None:
        async with transaction(engine) as connection:
            await credit(connection, accounts[0], 3)

    async def take() -> None:
        async with transaction(engine) as connection:
            await redeem(connection, *accounts, 3)

    await asyncio.gather(*(move() for _ in range(250) for move in (give, take)), return_exceptions=False)
    async with engine.connect() as connection:
        assert await read_wallet(connection, accounts[0]) == Wallet(posted=500, held=0)
        assert len(await transfers(connection, accounts[0])) == 501
