"""No request of ours reaches an address that is not public, whatever a name says and when."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from service.errors import ValidationFailed
from service.webhooks.sending import Resolver, check_url
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import World


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
    url = await check_url(f"https://rebinding.example:{port}/", rebinding, private_addresses=False)
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
        await check_url("https://inside.example/", NameServer(addresses), private_addresses=False)
    assert [(each["pointer"], each["code"]) for each in refused.value.errors] == [("/url", "address_refused")]


async def test_names_of_this_machine_and_of_nobody_are_not_registered() -> None:
    resolver = Resolver()
    for url, code in (
        ("https://localhost/", "address_refused"),
        ("https://0x7f.1/", "address_refused"),
        ("https://nobody.invalid/", "name_not_found"),
        (f"https://{'x' * 64}.example/", "name_not_found"),
    ):
        with pytest.raises(ValidationFailed) as refused:
            await check_url(url, resolver, private_addresses=False)
        assert refused.value.errors[0]["code"] == code, url
    await resolver.close()


async def test_with_the_setting_no_name_is_looked_up() -> None:
    names = NameServer(["10.0.0.1"])
    assert await check_url("http://inside.example/", names, private_addresses=True) == "http://inside.example/"
    assert names.asked == 0
