"""The commands, in this process, on the test's own database."""

import asyncio
import json

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.errors import MerchantUnknown, ValidationFailed
from service.settings import Settings
from tests.conftest import SECRET_KEY
from tests.webhooks.receiver import Receiver
from tests.webhooks.world import MERCHANT, World


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANBI_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("TANBI_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("TANBI_WEBHOOK_PRIVATE_ADDRESSES", "true")


async def tanbi(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["webhook", *arguments])


async def test_an_operator_adds_an_endpoint_reads_its_log_replays_and_disables(
    world: World, receiver: Receiver
) -> None:
    added = json.loads((await tanbi("add", MERCHANT, receiver.base_url)).stdout)
    assert added["secret"].startswith("whsec_")
    await world.write()
    receiver.statuses = [500]
    async with world.worker() as worker:
        await worker.work()
        [message_id] = await world.messages()
        log = (await tanbi("log", MERCHANT)).stdout
        assert all(shown in log for shown in (str(message_id), "redemption.captured", "waiting", "500"))
        replayed = await tanbi("replay", str(message_id))
        assert "waits for 1 endpoint" in replayed.stdout
        await worker.work()
    assert "delivered" in (await tanbi("log", MERCHANT)).stdout
    assert (await tanbi("disable", added["id"])).exit_code == 0
    listing = (await tanbi("list", "--merchant", MERCHANT)).stdout
    assert added["id"] in listing
    assert "by an operator" in listing
    assert added["secret"] not in listing


async def test_an_endpoint_of_nobody_is_not_added(world: World) -> None:
    refused = await tanbi("add", "nobody", "https://shop.example/")
    assert isinstance(refused.exception, MerchantUnknown)


async def test_a_refusal_names_the_setting_that_is_for_tests(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TANBI_WEBHOOK_PRIVATE_ADDRESSES")
    for url, lifted in (("http://shop.example/", True), ("https://127.0.0.1/", True), ("https://a.example/#b", False)):
        refused = (await tanbi("add", MERCHANT, url)).exception
        assert isinstance(refused, ValidationFailed)
        assert ("TANBI_WEBHOOK_PRIVATE_ADDRESSES=true" in refused.detail) == lifted
