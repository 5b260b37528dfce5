"""What meets in one transaction of commands, and what it waits for."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.embedded import EmbeddedPostgres
from service.groupcommit import LATER
from service.idempotency import StoredAnswer
from service.ledger.book import Wallet
from service.settings import Settings
from service.tables.ledger import wallet
from service.tables.redemption import offer
from tests.blocking import until_blocked
from tests.conftest import TEMPLATE, admin_execute
from tests.redemption.batches import Batches, batches_of, said
from tests.world import EPOCH


@pytest.fixture(scope="module")
def database(postgres: EmbeddedPostgres) -> Iterator[str]:
    """One for all tests here: each has merchants and residents of its own."""
    asyncio.run(admin_execute(postgres, f"CREATE DATABASE batches TEMPLATE {TEMPLATE}"))
    yield "batches"
    asyncio.run(admin_execute(postgres, "DROP DATABASE batches WITH (FORCE)"))


@pytest.fixture
async def batches(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Batches]:
    async with batches_of(settings, engine) as batches:
        yield batches


# -- one key twice --


@pytest.mark.parametrize(("coins", "expected", "left"), [(10, "done", 490), (501, "insufficient_coins", 500)])
async def test_the_same_command_twice_in_one_transaction_happens_once_and_both_hear_the_same(
    batches: Batches, coins: int, expected: str, left: int
) -> None:
    anna, shop = await batches.customer(500), await batches.shop()
    command = batches.own(anna, shop, coins)
    first, again = await batches.commit(command, command)
    assert said(first) == expected
    assert again == dataclasses.replace(first, replayed=True)  # type: ignore[type-var]
    assert await batches.wallet(anna) == Wallet(left, 0)


async def test_of_two_commands_under_one_key_in_one_transaction_the_second_is_told_so(batches: Batches) -> None:
    anna, shop = await batches.customer(500), await batches.shop()
    command, other = batches.own(anna, shop, 10), batches.own(anna, shop, 20)
    reused = dataclasses.replace(other, keyed=dataclasses.replace(other.keyed, key=command.keyed.key))
    assert [said(each) for each in await batches.commit(command, reused)] == ["done", "idempotency_key_reused"]
    assert await batches.wallet(anna) == Wallet(490, 0)


# -- what one finds of the other --


async def test_what_is_given_back_in_a_transaction_can_be_spent_in_it_in_whatever_order_they_came(
    batches: Batches,
) -> None:
    anna, shop = await batches.customer(100), await batches.shop()
    (taken,) = await batches.granted(batches.own(anna, shop, 100))
    await batches.granted(batches.own(anna, shop, 60), batches.refund(shop, taken, 60))
    assert await batches.wallet(anna) == Wallet(0, 0)


@pytest.mark.parametrize(("ending", "left"), [("void", 100), ("capture", 60)])
async def test_what_a_merchants_day_has_back_is_counted_beside_what_another_merchants_day_takes(
    batches: Batches, ending: str, left: int
) -> None:
    anna, bert = await batches.customer(500), await batches.customer(500)
    shop, other = await batches.shop(day_coins=100), await batches.shop(day_coins=100)
    held = await batches.hold(other, bert, 100)
    assert [said(each) for each in await batches.commit(batches.own(anna, other, 1))] == ["merchant_day_limit"]
    end = batches.void(other, held) if ending == "void" else batches.capture(other, held, 40)
    await batches.granted(batches.own(anna, shop, 10), end)
    answers = await batches.commit(batches.own(anna, other, left + 1), batches.own(anna, other, left))
    assert [said(each) for each in answers] == ["merchant_day_limit", "done"]


async def test_what_is_held_counts_for_a_residents_day_until_it_is_free_again(batches: Batches) -> None:
    # Of the others here nobody has so much.
    await batches.limit("resident_day", 10_000)
    anna, shop = await batches.customer(50_000), await batches.shop()
    held = await batches.hold(shop, anna, 6_000)
    command = batches.own(anna, shop, 4_001)
    assert [said(each) for each in await batches.commit(command)] == ["resident_day_limit"]
    await batches.granted(batches.own(anna, shop, 4_000))
    await batches.granted(batches.capture(shop, held, 1_000))
    # What was not captured is the day's again.
    answers = await batches.commit(batches.own(anna, shop, 5_001), batches.own(anna, shop, 5_000))
    assert [said(each) for each in answers] == ["resident_day_limit", "done"]


# -- what waits for what --


async def test_a_code_that_is_replaced_while_it_pays_has_paid_and_the_new_one_is_good(
    batches: Batches, admin_engine: AsyncEngine
) -> None:
    anna, shop = await batches.customer(500), await batches.shop()
    async with transaction(batches.engine) as connection:
        soap = {
            "id": shop.id,
            "merchant_id": shop.id,
            "title": "皂",
            "title_en": "Soap",
            "unit": "块",
            "unit_en": "bar",
        }
        await connection.execute(sa.insert(offer).values(**soap, coins=50, valid_from=EPOCH, stock_added=5))
    code = await batches.new_code(anna)
    async with admin_engine.begin() as connection:
        # A piece is counted after the code was looked at and before it is used.
        await connection.execute(sa.select(offer.c.id).where(offer.c.id == shop.id).with_for_update())
        paying = asyncio.create_task(batches.granted(batches.take(shop, code, None, offer_id=shop.id)))
        await until_blocked(admin_engine, 1, unless_done=paying)
        replacing = asyncio.create_task(batches.new_code(anna))
        await until_blocked(admin_engine, 2, unless_done=replacing)
    await paying
    new = await replacing
    answers = await batches.commit(batches.take(shop, code, 1), batches.take(shop, new, 1))
    assert [said(each) for each in answers] == ["pay_code_used", "done"]
    assert await batches.wallet(anna) == Wallet(449, 0)


async def test_a_command_on_a_wallet_that_is_locked_elsewhere_is_set_aside_and_the_others_are_done(
    batches: Batches, admin_engine: AsyncEngine
) -> None:
    """So that no transaction waits for a wallet, in a ring or otherwise."""
    first, second = await batches.customer(500), await batches.customer(500)
    shop = await batches.shop()
    commands = [batches.own(second, shop, 10), batches.own(first, shop, 10)]
    async with admin_engine.begin() as connection:
        await connection.execute(sa.select(wallet.c.owner_id).where(wallet.c.owner_id == first.id).with_for_update())
        done, set_aside = await batches.committing.commit(commands)
        assert (isinstance(done, StoredAnswer), set_aside) == (True, LATER)
        assert await batches.committing.commit(commands[1:]) == [LATER]
    again = await batches.commit(*commands)
    assert [isinstance(each, StoredAnswer) and each.replayed for each in again] == [True, False]
    assert [await batches.wallet(each) for each in (first, second)] == [Wallet(490, 0)] * 2
