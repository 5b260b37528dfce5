"""What becomes of a message: a real receiver, the real database, a worker that goes a turn at a time."""

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks import Webhook

from service.db import create_engine, is_retryable, transaction
from service.errors import WebhookUnknown
from service.webhooks.delivering import keep_house
from service.webhooks.endpoints import disable_endpoint
from service.webhooks.messages import read_messages, replay_message
from service.webhooks.queries import overdue_seconds
from service.webhooks.rules import ATTEMPTS_MAX
from tests.blocking import until_blocked
from tests.webhooks.receiver import Receiver, receiving, self_signed
from tests.webhooks.world import DATA, MERCHANT, World
from tests.world import add_shop

SECOND = timedelta(seconds=1)


async def test_a_message_is_posted_once_and_its_signature_holds(world: World, receiver: Receiver) -> None:
    endpoint = await world.register(receiver.base_url + "/tanbi?shop=1")
    await world.write()
    async with world.worker() as worker:
        await worker.work()
        await worker.work()
        assert worker.counts() == {"delivered": 1}
    [received] = receiver.received
    verified = Webhook(endpoint.secret).verify(received.body, received.headers)
    assert (verified["type"], verified["data"]) == ("redemption.captured", DATA)
    assert [received.id] == [str(each) for each in await world.messages()]
    # Nothing of ours goes along.
    assert received.headers.keys() == {
        "host",
        "user-agent",
        "accept",
        "content-type",
        "content-length",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
    assert received.headers["content-type"] == "application/json"
    [delivery] = await world.deliveries()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)
    assert await world.attempts() == [200]


async def test_what_was_answered_500_is_sent_again_later_with_the_same_id(world: World, receiver: Receiver) -> None:
    endpoint = await world.register(receiver.base_url)
    await world.write()
    receiver.statuses = [500]
    async with world.worker() as worker:
        await worker.work()
        [delivery] = await world.deliveries()
        assert (delivery.state, delivery.attempts) == ("waiting", 1)
        assert 4 * SECOND < delivery.remaining <= 6 * SECOND
        # Not due yet.
        await worker.work()
        assert len(receiver.received) == 1
        await world.make_due()
        await worker.work()
        assert worker.counts() == {"retried": 1, "delivered": 1}
    first, second = receiver.received
    assert (first.id, first.body) == (second.id, second.body)
    Webhook(endpoint.secret).verify(second.body, second.headers)
    assert await world.attempts() == [500, 200]


async def test_the_last_attempt_is_followed_by_none(world: World, receiver: Receiver) -> None:
    await world.register(receiver.base_url)
    await world.write()
    await world.make_due(attempts=ATTEMPTS_MAX - 1)
    receiver.statuses = [503]
    async with world.worker() as worker:
        await worker.work()
        assert worker.counts() == {"failed": 1}
    [delivery] = await world.deliveries()
    assert (delivery.state, delivery.attempts) == ("failed", ATTEMPTS_MAX)


async def test_a_receiver_that_asks_for_time_gets_it(world: World, receiver: Receiver) -> None:
    await world.register(receiver.base_url)
    await world.write()
    receiver.statuses, receiver.headers = [429], {"Retry-After": "1000"}
    async with world.worker() as worker:
        await worker.work()
    [delivery] = await world.deliveries()
    assert delivery.remaining > 900 * SECOND


async def test_410_disables_the_endpoint_and_what_waits_for_it_fails(world: World, receiver: Receiver) -> None:
    endpoint = await world.register(receiver.base_url)
    await world.write(5)
    receiver.statuses = [410]
    async with world.worker(webhook_endpoint_deliveries_max=1) as worker:
        await worker.work()
        assert worker.counts() == {"gone": 1}
    assert len(receiver.received) == 1
    while await keep_house(world.engine, retention=timedelta(days=90), demo=False, rows_max=2):
        pass
    assert [delivery.state for delivery in await world.deliveries()] == ["failed"] * 5
    # Nothing is written for it any more, and nothing can be sent to it again.
    await world.write()
    assert len(await world.messages()) == 5
    async with transaction(world.engine) as connection:
        with pytest.raises(WebhookUnknown, match="no endpoint"):
            await replay_message(connection, (await world.messages())[0], demo=False)
    assert (await world.register(receiver.base_url)).id != endpoint.id


async def test_410_to_an_attempt_that_began_before_the_url_was_registered_again_disables_nothing(
    world: World, receiver: Receiver
) -> None:
    endpoint = await world.register(receiver.base_url + "/slow")
    await world.write()
    receiver.statuses = [410]
    async with world.worker() as worker:
        await worker.deliveries.turn()
        await receiver.has(lambda received: len(received) == 1)
        again = await world.register(receiver.base_url + "/slow")
        assert again.id == endpoint.id
        receiver.released.set()
        await worker.work()
        [delivery] = await world.deliveries()
        assert (delivery.state, delivery.attempts) == ("waiting", 1)
        await world.make_due()
        await worker.work()
        assert worker.counts() == {"retried": 1, "delivered": 1}
    Webhook(again.secret).verify(receiver.received[1].body, receiver.received[1].headers)
    assert await world.attempts() == [410, 200]


async def test_a_url_that_is_registered_while_its_endpoint_is_disabled_is_a_new_endpoint(
    world: World, receiver: Receiver, admin_engine: AsyncEngine
) -> None:
    endpoint = await world.register(receiver.base_url)
    async with transaction(world.engine) as connection:
        await disable_endpoint(connection, endpoint.id, because="test")
        registering = asyncio.create_task(world.register(receiver.base_url))
        await until_blocked(admin_engine)
    assert (await registering).id != endpoint.id
    await world.write()
    assert [delivery.endpoint_id for delivery in await world.deliveries()] == [(await registering).id]


async def test_an_attempt_whose_message_was_deleted_keeps_no_other_answer_back(
    world: World, receiver: Receiver, admin_engine: AsyncEngine
) -> None:
    await world.register(receiver.base_url + "/slow")
    await world.write(2)
    deleted, kept = await world.messages()
    async with world.worker() as worker:
        await worker.deliveries.turn()
        await receiver.has(lambda received: len(received) == 2)
        async with transaction(admin_engine) as connection:
            await connection.execute(sa.text("DELETE FROM webhook_message WHERE id = :id"), {"id": deleted})
        receiver.released.set()
        await worker.work()
    assert [(row.message_id, row.state) for row in await world.deliveries()] == [(kept, "delivered")]
    assert await world.attempts() == [200]


async def test_what_was_given_up_with_its_endpoint_stays_so_whatever_is_answered_then(
    world: World, receiver: Receiver
) -> None:
    endpoint = await world.register(receiver.base_url + "/slow")
    await world.write()
    receiver.statuses = [500]
    async with world.worker() as worker:
        await worker.deliveries.turn()
        await receiver.has(lambda received: len(received) == 1)
        async with transaction(world.engine) as connection:
            await disable_endpoint(connection, endpoint.id, because="test")
        assert not await keep_house(world.engine, retention=timedelta(days=90), demo=False)
        receiver.released.set()
        await worker.work()
    [delivery] = await world.deliveries()
    assert (delivery.state, delivery.attempts) == ("failed", 0)
    assert await world.attempts() == [500]


async def test_an_endpoint_of_the_demo_is_left_alone_by_a_service_that_does_not_run_as_one(
    world: World, receiver: Receiver
) -> None:
    await world.register(receiver.base_url, demo=True)
    await world.write(age=timedelta(days=91))
    await world.make_due()
    async with world.worker() as worker:
        await worker.work()
    assert receiver.received == []
    async with world.engine.connect() as connection:
        assert await overdue_seconds(connection, demo=False) == 0
        assert await overdue_seconds(connection, demo=True) > 0
    for demo, left in ((True, 1), (False, 0)):
        assert not await keep_house(world.engine, retention=timedelta(days=90), demo=demo)
        assert len(await world.messages()) == left
    await world.write()
    async with world.worker(demo=True) as worker:
        await worker.work()
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [301, 307])
async def test_a_redirect_is_not_followed(world: World, receiver: Receiver, status: int) -> None:
    await world.register(receiver.base_url + "/old")
    await world.write()
    receiver.statuses, receiver.headers = [status], {"Location": receiver.base_url + "/new"}
    async with world.worker() as worker:
        await worker.work()
    assert [received.path for received in receiver.received] == ["/old"]
    assert await world.attempts() == [status]


async def test_a_server_that_does_not_answer_is_not_waited_for_and_not_there_is_told_apart(
    world: World, receiver: Receiver
) -> None:
    await world.register(receiver.base_url + "/slow")
    await world.register("http://127.0.0.1:9")
    await world.write()
    async with world.worker(webhook_timeout_seconds=0.2) as worker:
        await worker.work()
    assert sorted(map(str, await world.attempts())) == ["not_connected", "timed_out"]


async def test_a_certificate_that_nobody_vouches_for_is_refused(world: World, tmp_path: Path) -> None:
    async with receiving(certificate=self_signed(tmp_path)) as receiver:
        assert receiver.base_url.startswith("https://")
        await world.register(receiver.base_url)
        await world.write()
        async with world.worker() as worker:
            await worker.work()
        assert receiver.received == []
    assert await world.attempts() == ["certificate_refused"]


async def test_a_worker_that_dies_with_a_message_on_its_way_leaves_it_to_the_next(
    world: World, receiver: Receiver
) -> None:
    await world.register(receiver.base_url + "/slow")
    await world.write()
    async with world.worker() as dying:
        await dying.deliveries.turn()
        await receiver.has(lambda received: len(received) == 1)
        # Nobody else takes it while its lease runs.
        async with world.worker() as other:
            await other.work()
        assert len(receiver.received) == 1
    [delivery] = await world.deliveries()
    assert (delivery.state, delivery.attempts) == ("waiting", 0)
    assert 30 * SECOND < delivery.remaining <= 60 * SECOND
    receiver.released.set()
    await world.make_due()
    async with world.worker() as worker:
        await worker.work()
    first, second = receiver.received
    assert first.id == second.id
    [delivery] = await world.deliveries()
    assert delivery.state == "delivered"


async def test_workers_of_several_processes_share_the_work(world: World, receiver: Receiver) -> None:
    await world.register(receiver.base_url)
    await world.write(40)
    async with world.worker() as one, world.worker() as other:
        await asyncio.gather(one.work(), other.work())
    assert len(receiver.received) == 40
    assert {received.id for received in receiver.received} == {str(each) for each in await world.messages()}
    assert {delivery.state for delivery in await world.deliveries()} == {"delivered"}


async def test_a_slow_merchant_takes_no_more_than_its_share(world: World, receiver: Receiver) -> None:
    await add_shop(world.engine, "NK-M-02")
    await world.register(receiver.base_url + "/slow")
    await world.register(receiver.base_url + "/quick", "NK-M-02")
    await world.write(20)
    await world.write(3, "NK-M-02")
    # As many may be on their way as the slow one has waiting; yet it gets two.
    async with world.worker(webhook_deliveries_max=20, webhook_endpoint_deliveries_max=2) as worker:
        await worker.deliveries.turn()
        while [delivery.state for delivery in await world.deliveries()].count("delivered") < 3:
            await worker.deliveries.wait(60)
            await worker.deliveries.turn()
        paths = [received.path for received in receiver.received]
        assert (paths.count("/slow"), paths.count("/quick")) == (2, 3)


async def test_answers_that_come_all_at_once_make_room_for_the_next(world: World, receiver: Receiver) -> None:
    await world.register(receiver.base_url + "/slow")
    await world.write(4)
    async with world.worker(webhook_deliveries_max=2) as worker:
        await worker.deliveries.turn()
        await receiver.has(lambda received: len(received) == 2)
        receiver.released.set()
        await asyncio.wait(worker.deliveries._running)
        await worker.deliveries.turn()
        assert len(worker.deliveries._running) == 2
        await worker.work()
    assert {delivery.state for delivery in await world.deliveries()} == {"delivered"}


async def test_with_little_room_everyones_first_goes_before_anyones_second(world: World, receiver: Receiver) -> None:
    await add_shop(world.engine, "NK-M-02")
    await world.register(receiver.base_url + "/slow/1")
    await world.register(receiver.base_url + "/slow/2", "NK-M-02")
    await world.write(3)
    await world.write(1, "NK-M-02")
    async with world.worker(webhook_deliveries_max=2) as worker:
        await worker.deliveries.turn()
        await receiver.has(lambda received: len(received) == 2)
    assert {received.path for received in receiver.received} == {"/slow/1", "/slow/2"}


async def test_a_message_is_replayed_with_its_id_also_to_an_endpoint_that_came_later(
    world: World, receiver: Receiver
) -> None:
    await world.register(receiver.base_url + "/first")
    await world.write()
    await world.make_due(attempts=ATTEMPTS_MAX - 1)
    receiver.statuses = [500]
    async with world.worker() as worker:
        await worker.work()
        later = await world.register(receiver.base_url + "/later")
        [message_id] = await world.messages()
        async with transaction(world.engine) as connection:
            replayed = await replay_message(connection, message_id, demo=False)
            assert len(replayed.webhook_ids) == 2
            assert later.id in replayed.webhook_ids
        await worker.work()
    assert sorted(received.path for received in receiver.received) == ["/first", "/first", "/later"]
    assert {received.id for received in receiver.received} == {str(message_id)}
    assert {delivery.state for delivery in await world.deliveries()} == {"delivered"}


@pytest.mark.parametrize("status", [500, 200])
async def test_a_replay_is_not_ended_by_the_attempt_that_was_on_its_way(
    world: World, receiver: Receiver, status: int
) -> None:
    await world.register(receiver.base_url + "/slow")
    await world.write()
    await world.make_due(attempts=ATTEMPTS_MAX - 1)
    receiver.statuses = [status, 200]
    async with world.worker() as worker:
        await worker.deliveries.turn()
        await receiver.has(lambda received: len(received) == 1)
        async with transaction(world.engine) as connection:
            await replay_message(connection, (await world.messages())[0], demo=False)
        receiver.released.set()
        await worker.work()
    assert sorted(map(str, await world.attempts())) == sorted(map(str, (status, 200)))
    [delivery] = await world.deliveries()
    assert delivery.state == "delivered"


async def test_answers_are_kept_until_the_database_takes_them(
    world: World, receiver: Receiver, admin_engine: AsyncEngine
) -> None:
    await world.register(receiver.base_url)
    await world.write()
    impatient = create_engine(world.settings.model_copy(update={"statement_timeout_seconds": 0.2}))
    async with world.worker() as worker, admin_engine.connect() as locking:
        worker.deliveries._engine = impatient
        await worker.deliveries.turn()
        await locking.execute(sa.text("LOCK TABLE webhook_attempt"))
        await worker.deliveries.wait(60)
        with pytest.raises(DBAPIError) as refused:
            await worker.deliveries.turn()
        assert is_retryable(refused.value)
        await locking.rollback()
        await worker.work()
        assert worker.counts() == {"delivered": 1}
    await impatient.dispose()
    assert len(receiver.received) == 1
    assert await world.attempts() == [200]


async def test_a_secret_of_another_master_key_is_told_and_nothing_is_sent(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint = await world.register(receiver.base_url)
    await world.write(2)
    other = SecretStr(base64.b64encode(bytes(32)).decode())
    async with world.worker(secret_key=other) as worker:
        await worker.work()
    assert await world.attempts() == ["secret_unreadable"] * 2
    assert receiver.received == []
    assert [str(endpoint.id) in record.getMessage() for record in caplog.records] == [True]


async def test_settled_messages_are_deleted_when_they_are_old_and_others_stay(world: World, receiver: Receiver) -> None:
    await world.register(receiver.base_url)
    await world.write(3, age=timedelta(days=91))
    async with world.worker() as worker:
        await worker.work()
    await world.write(age=timedelta(days=91))
    await world.write(age=timedelta(days=89))
    *old, waiting, young = await world.messages()
    assert await keep_house(world.engine, retention=timedelta(days=90), demo=False, rows_max=2)
    assert not await keep_house(world.engine, retention=timedelta(days=90), demo=False, rows_max=2)
    assert await world.messages() == [waiting, young]
    assert {delivery.message_id for delivery in await world.deliveries()} == {waiting, young}
    assert await world.attempts() == []
    assert len(old) == 3


async def test_what_is_due_and_not_sent_is_seen_by_its_age(world: World, receiver: Receiver) -> None:
    endpoint = await world.register(receiver.base_url)
    async with world.engine.connect() as connection:
        assert await overdue_seconds(connection, demo=False) == 0
    await world.write()
    async with transaction(world.engine) as connection:
        await connection.execute(sa.text("UPDATE webhook_delivery SET next_attempt_at = now() - interval '1 hour'"))
    async with world.engine.connect() as connection:
        assert 3600 <= await overdue_seconds(connection, demo=False) < 7200
    async with transaction(world.engine) as connection:
        await disable_endpoint(connection, endpoint.id, because="test")
        assert await overdue_seconds(connection, demo=False) == 0


async def test_the_log_shows_what_was_sent_and_what_was_answered(world: World, receiver: Receiver) -> None:
    endpoint = await world.register(receiver.base_url)
    await world.write()
    receiver.statuses = [500]
    async with world.worker() as worker:
        await worker.work()
        await world.make_due()
        await worker.work()
    async with world.engine.connect() as connection:
        [message] = (await read_messages(connection, MERCHANT, before_number=None, limit=5)).messages
    assert message.payload == json.loads(receiver.received[0].body)
    [delivery] = message.deliveries
    assert (delivery.webhook_id, delivery.state, delivery.next_attempt_at) == (endpoint.id, "delivered", None)
    assert [(attempt.status, attempt.error) for attempt in delivery.attempts] == [(500, None), (200, None)]
