"""What is told is told if, and only if, it happened."""

from datetime import UTC, datetime

from service.db import Writers
from service.settings import Settings
from service.webhooks.outbox import Message, write_messages
from tests.webhooks.world import DATA, MERCHANT, World
from tests.world import add_shop

MESSAGE = Message(MERCHANT, "redemption.voided", datetime(2026, 11, 20, 2, 0, tzinfo=UTC), DATA)


async def test_messages_of_a_transaction_that_is_rolled_back_were_never_written(
    world: World, settings: Settings
) -> None:
    await world.register("https://shop.example/")
    writers = Writers(settings)
    async with writers.connection() as connection:
        changes = connection.transaction()
        await changes.start()
        await write_messages(connection, [MESSAGE, MESSAGE])
        await changes.rollback()
    writers.close()
    assert await world.messages() == []
    assert await world.deliveries() == []


async def test_each_endpoint_of_the_merchant_gets_the_message_and_nobody_elses(world: World) -> None:
    await add_shop(world.engine, "NK-M-02")
    mine = {(await world.register(f"https://shop.example/{path}")).id for path in "ab"}
    await world.register("https://other.example/", "NK-M-02")
    await world.write()
    assert {delivery.endpoint_id for delivery in await world.deliveries()} == mine
    assert len(await world.messages()) == 1


async def test_without_an_endpoint_nothing_is_written(world: World) -> None:
    await world.write()
    assert await world.messages() == []


def test_the_payload_is_compact_json_with_type_time_and_data() -> None:
    assert MESSAGE.payload().startswith(
        '{"type":"redemption.voided","timestamp":"2026-11-20T02:00:00Z","data":{"id":"0f5fbc8e'
    )
    assert "直饮水" in MESSAGE.payload()
