import aiohttp
import pytest

from loadtest.cutting import CuttingProxy
from loadtest.target import Target
from tests.loadtest.peer import always_ok, serving
from tests.loadtest.prepared import draws


async def fetch(url: str, session: aiohttp.ClientSession) -> int:
    async with session.post(url, data=b"{}") as response:
        await response.read()
        return response.status


async def test_what_is_not_cut_passes_through_unchanged() -> None:
    async with (
        serving(always_ok) as peer,
        CuttingProxy(peer.target, 0.0, draws(1)) as proxy,
        aiohttp.ClientSession() as session,
    ):
        for _ in range(5):
            async with session.post(proxy.base_url, data=b"{}") as response:
                assert (response.status, await response.text()) == (200, '{"outcome":"credited"}')
    assert (len(peer.received), peer.connections, proxy.cuts) == (5, 1, 0)


async def test_a_cut_request_has_reached_the_service_and_its_answer_reaches_nobody() -> None:
    async with (
        serving(always_ok) as peer,
        CuttingProxy(peer.target, 1.0, draws(1)) as proxy,
        aiohttp.ClientSession() as session,
    ):
        for _ in range(6):
            with pytest.raises(aiohttp.ClientError):
                await fetch(proxy.base_url, session)
    assert len(peer.received) == proxy.cuts == 6


async def test_a_service_that_is_down_is_down_behind_the_proxy_too() -> None:
    # Port 1 is tcpmux's; nobody has served it on a loopback address for decades.
    async with CuttingProxy(Target("127.0.0.1", 1), 0.0, draws(1)) as proxy, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await fetch(proxy.base_url, session)
