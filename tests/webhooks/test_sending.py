"""No request of ours reaches an address that is not public, whatever a name says and when."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from service.errors import ValidationFailed
from service.webhooks.sending import MERCHANT_LOOKUPS_MAX, REGISTRATION_THREADS, Resolver, check_url
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import MERCHANT, World
from tests.world import add_shop


class NameServer(AbstractResolver):
    """A merchant's own: gives each answer once, and the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Hanging:
    asked: list[str] = field(default_factory=list)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    over: threading.Event = field(default_factory=threading.Event)


async def test_an_address_is_checked_where_it_is_connected_to(world: World, receiver: Receiver) -> None:
    await world.register(receiver.base_url)
    await world.write()
    async with world.worker(webhook_private_addresses=False) as worker:
        await worker.work()
    assert await world.attempts() == ["address_refused"]
    assert receiver.received == []
    # The same without the check arrives: it is the check that kept it back.
    await world.make_due()
    async with world.worker() as worker:
        await worker.work()
    assert len(receiver.received) == 1


@pytest.mark.parametrize("inside", [["127.0.0.1"], ["127.0.0.1", "127.0.0.1", "10.0.0.1"], ["::ffff:127.0.0.1"]])
async def test_a_name_that_leads_inside_after_it_was_checked_leads_nowhere(
    world: World, receiver: Receiver, inside: list[str]
) -> None:
    rebinding = NameServer(["1.1.1.1"], inside)
    port = receiver.base_url.rsplit(":", 1)[1]
    url = await check_url(
        f"https://rebinding.example:{port}/", rebinding, merchant_id=MERCHANT, private_addresses=False
    )
    # By http, so that nothing but the address can keep it back.
    await world.register(url.replace("https:", "http:"))
    await world.write()
    async with world.worker(rebinding, webhook_private_addresses=False) as worker:
        await worker.work()
    assert rebinding.asked == 2
    assert await world.attempts() == ["address_refused"]
    assert receiver.received == []


async def test_a_name_is_asked_for_at_every_attempt_and_its_receiver_sees_it(world: World, receiver: Receiver) -> None:
    port = receiver.base_url.rsplit(":", 1)[1]
    await world.register(f"http://shop.example:{port}/")
    names = NameServer(["127.0.0.1"])
    receiver.headers = {"Connection": "close"}
    async with world.worker(names) as worker:
        for _ in range(2):
            await world.write()
            await worker.work()
    assert names.asked == 2
    assert [received.headers["host"] for received in receiver.received] == [f"shop.example:{port}"] * 2


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["1.1.1.1", "192.168.0.1"], ["fd00::1"], ["::1"]])
async def test_a_name_that_leads_inside_is_not_registered(addresses: list[str]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await check_url("https://inside.example/", NameServer(addresses), merchant_id=MERCHANT, private_addresses=False)
    assert [(each["pointer"], each["code"]) for each in refused.value.errors] == [("/url", "address_refused")]


async def test_names_of_this_machine_and_of_nobody_are_not_registered() -> None:
    resolver = Resolver(REGISTRATION_THREADS)
    for url, code in (
        ("https://localhost/", "address_refused"),
        ("https://0x7f.1/", "address_refused"),
        ("https://nobody.invalid/", "name_not_found"),
        (f"https://{'x' * 64}.example/", "name_not_found"),
    ):
        with pytest.raises(ValidationFailed) as refused:
            await check_url(url, resolver, merchant_id=MERCHANT, private_addresses=False)
        assert refused.value.errors[0]["code"] == code, url
    await resolver.close()


async def test_with_the_setting_no_name_is_looked_up() -> None:
    names = NameServer(["10.0.0.1"])
    assert (
        await check_url("http://inside.example/", names, merchant_id=MERCHANT, private_addresses=True)
        == "http://inside.example/"
    )
    assert names.asked == 0


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    """Names under `hangs.example` have a name server that does not answer; those under `shop.example` are here."""
    hanging, real = Hanging(), socket.getaddrinfo

    def look_up(host: Any, *arguments: Any) -> Any:
        if str(host).endswith("hangs.example"):
            hanging.asked.append(host)
            hanging.begun.release()
            hanging.over.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "")
        return real("127.0.0.1" if str(host).endswith("shop.example") else host, *arguments)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield hanging
    hanging.over.set()


async def test_merchants_whose_name_servers_hang_hold_up_nobody_and_what_was_not_tried_is_not_counted(
    world: World, receiver: Receiver, hanging: Hanging
) -> None:
    for number in range(10):
        merchant_id = f"NK-M-1{number}"
        await add_shop(world.engine, merchant_id)
        await world.register(f"http://{number}.hangs.example/", merchant_id)
        await world.write(4, merchant_id)
    port = receiver.base_url.rsplit(":", 1)[1]
    await world.register(f"http://shop.example:{port}/")
    # They go out once others are under way.
    async with world.worker(webhook_timeout_seconds=2) as worker:
        await worker.deliveries.turn()
        await world.write(3)
        await worker.deliveries.turn()
        await receiver.has(lambda received: len(received) == 3)
        await worker.work()
        assert worker.counts() == {"delivered": 3, "retried": 20}
    assert Counter(hanging.asked) == {f"{number}.hangs.example": 2 for number in range(10)}
    waiting = [delivery.attempts for delivery in await world.deliveries() if delivery.state == "waiting"]
    assert Counter(waiting) == {0: 20, 1: 20}


async def test_a_merchant_who_registers_names_that_hang_waits_alone(hanging: Hanging) -> None:
    resolver = Resolver(MERCHANT_LOOKUPS_MAX + 1)
    registering = [
        asyncio.create_task(check_url("https://hangs.example/", resolver, merchant_id="a", private_addresses=False))
        for _ in range(5)
    ]
    for _ in range(MERCHANT_LOOKUPS_MAX):
        await asyncio.to_thread(hanging.begun.acquire)
    with pytest.raises(ValidationFailed, match="private"):
        await check_url("https://shop.example/", resolver, merchant_id="b", private_addresses=False)
    assert len(hanging.asked) == MERCHANT_LOOKUPS_MAX
    hanging.over.set()
    outcomes = await asyncio.gather(*registering, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValidationFailed] * 5
    await resolver.close()
