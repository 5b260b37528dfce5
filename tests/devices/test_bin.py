"""The reference client in Python: what it keeps, what it sends again, and what it does not."""

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.tables.bins import bin_
from service.tables.weighing import weigh_event
from tests.devices.compiling import EXAMPLES
from tests.devices.examples import reference_client
from tests.devices.relay import CUT, OF_OTHERS, PORTAL, relay
from tests.fleet.field import BIN as BIN_ID
from tests.fleet.field import Field
from tests.world import CARD, World

BIN = reference_client()
JSON = {"Content-Type": "application/json"}
SHOWN = {"kind": "card", "value": CARD}
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def memory(tmp_path: Path) -> Any:
    memory = BIN.Memory(tmp_path / "bin.db")
    yield memory
    memory.close()


@pytest.fixture
def waits() -> list[float]:
    """How long the bin waited, each time; it waits for nothing."""
    return []


@pytest.fixture
def bin_at(world: World, memory: Any, waits: list[float]) -> Callable[..., Any]:
    """The world's HMAC bin, which finds the service at this port."""
    secret = base64.b64encode(world.hmac.secret).decode()

    def make(port: int | None, **changes: Any) -> Any:
        memory.learn(base_url=f"http://127.0.0.1:{port}", bin_id="NK-0002", keyid=world.hmac.keyid, secret=secret)
        return BIN.Bin(memory, **({"sleep": waits.append} | changes))

    return make


def names(outcomes: list[dict[str, Any]]) -> list[str]:
    return [outcome["outcome"] for outcome in outcomes]


async def sequences(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return list(
            (await connection.execute(sa.select(weigh_event.c.sequence).order_by(weigh_event.c.sequence))).scalars()
        )


async def test_drops_are_kept_in_an_outage_and_sent_in_one_batch_when_it_is_over(
    bin_at: Any, memory: Any, waits: list[float], client: Client, engine: AsyncEngine
) -> None:
    offline = bin_at(1)
    for grams in (1250, 430, 2100):
        offline.weigh("paper", grams, SHOWN, 20_000)
    assert await asyncio.to_thread(offline.send_waiting) == []
    # It asks ever more seldom, up to a minute and a little more.
    assert len(waits) == BIN.ATTEMPTS_MAX
    assert waits[0] >= 0.5
    assert 60 <= waits[-1] <= 78
    assert [event.sequence for event in memory.waiting(10)] == [1, 2, 3]
    assert names(await asyncio.to_thread(bin_at(client.server.port).send_waiting)) == ["credited"] * 3
    assert memory.waiting(10) == []
    assert await sequences(engine) == [1, 2, 3]


@pytest.mark.parametrize("answer", [CUT, PORTAL, OF_OTHERS], ids=["none", "a portal's page", "of others"])
async def test_what_was_not_answered_is_sent_again_and_credited_once(
    bin_at: Any, client: Client, engine: AsyncEngine, answer: bytes
) -> None:
    async with relay(client.server.port or 0, instead=[answer]) as port:
        smart_bin = bin_at(port)
        smart_bin.weigh("paper", 1250, SHOWN)
        assert names(await asyncio.to_thread(smart_bin.send_waiting)) == ["duplicate"]
    assert await sequences(engine) == [1]


async def test_nobody_else_reads_what_a_bin_keeps(memory: Any, tmp_path: Path) -> None:
    assert (tmp_path / "bin.db").stat().st_mode & 0o077 == 0


async def test_the_count_goes_on_after_a_restart_and_never_back(tmp_path: Path) -> None:
    path = tmp_path / "bin.db"
    for expected in (1, 2, 3):
        memory = BIN.Memory(path)
        kept = memory.keep("/", lambda sequence: b"%d" % sequence)
        assert (kept.sequence, kept.body) == (expected, b"%d" % expected)
        memory.forget([kept])
        memory.close()


async def test_a_drop_that_cannot_be_written_takes_no_number(memory: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        memory.keep("/", lambda _: 1 // 0)
    assert memory.keep("/", lambda _: b"").sequence == 1


async def test_a_wrong_clock_is_set_by_the_answer_and_later_drops_have_the_time(
    bin_at: Any, waits: list[float], client: Client
) -> None:
    # A controller without a battery begins in 1970.
    smart_bin = bin_at(client.server.port, clock=lambda: 86_400.0)
    smart_bin.weigh("paper", 1250, SHOWN)
    await asyncio.to_thread(smart_bin.send_waiting)
    assert waits == []
    smart_bin.weigh("paper", 1250, SHOWN)
    assert names(await asyncio.to_thread(smart_bin.send_waiting)) == ["credited"]


async def test_one_event_that_is_no_json_is_set_aside_and_holds_up_none(
    bin_at: Any, memory: Any, client: Client, engine: AsyncEngine
) -> None:
    smart_bin = bin_at(client.server.port)
    for number in range(1, 10):
        smart_bin.weigh("paper", 100 * number, SHOWN)
        if number == 6:
            damaged = memory.keep(BIN.WEIGH_EVENTS, lambda _: b'{"specversion": "1.0", "ty\x00')
    assert names(await asyncio.to_thread(smart_bin.send_waiting)) == ["credited"] * 9
    assert memory.waiting(10) == []
    assert memory._db.execute("SELECT body, refused FROM event").fetchall() == [(damaged.body, "400 malformed_json")]
    assert await sequences(engine) == [1, 2, 3, 4, 5, 6, 8, 9, 10]


async def test_a_suspended_bin_keeps_all_and_asks_no_more_for_now(
    bin_at: Any,
    memory: Any,
    waits: list[float],
    client: Client,
    admin_engine: AsyncEngine,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.update(bin_).where(bin_.c.id == "NK-0002").values(state="suspended"))
    smart_bin = bin_at(client.server.port)
    smart_bin.weigh("paper", 1250, SHOWN)
    assert await asyncio.to_thread(smart_bin.send_waiting) == []
    assert (waits, len(memory.waiting(10))) == ([], 1)
    assert capsys.readouterr().err == "refused: 403 bin_suspended; ask the operator\n"


@pytest.fixture
async def claimed(field: Field, memory: Any) -> Any:
    """A bin that was registered, and claimed with its code."""
    await field.register()
    base_url, code = str(field.client.make_url("")).rstrip("/"), await field.claim_code()
    assert (await asyncio.to_thread(BIN.claim, memory, base_url, code)).status == 201
    return BIN.Bin(memory)


async def test_a_claimed_bin_reads_what_to_show_and_weighs(claimed: Any, engine: AsyncEngine) -> None:
    config = await asyncio.to_thread(claimed.config)
    assert [(each["id"], each["coins_per_kg"]) for each in config["materials"]][1] == ("paper", 100)
    claimed.weigh("paper", 1250, SHOWN)
    assert names(await asyncio.to_thread(claimed.send_waiting)) == ["credited"]
    told = await asyncio.to_thread(claimed.tell, temperature_celsius=21.5, smoke=False)
    assert names(told.document["outcomes"]) == ["recorded"]
    # Not changed: what was read before is as good.
    assert await asyncio.to_thread(claimed.config) == config


async def test_an_emptying_is_sent_in_its_order_between_drops(claimed: Any, memory: Any, engine: AsyncEngine) -> None:
    claimed.weigh("paper", 1250, SHOWN, 1250)
    claimed.emptied("paper", "TJ-A12345", 1250, 0)
    claimed.weigh("paper", 2000, SHOWN, 2000)
    assert names(await asyncio.to_thread(claimed.send_waiting)) == ["credited", "recorded", "credited"]
    assert memory.waiting(10) == []


async def test_a_bin_that_lost_its_memory_is_claimed_again_and_counts_on(
    claimed: Any, field: Field, engine: AsyncEngine, tmp_path: Path
) -> None:
    for _ in range(3):
        claimed.weigh("paper", 1250, SHOWN)
    await asyncio.to_thread(claimed.send_waiting)
    memory = BIN.Memory(tmp_path / "new.db")
    base_url, code = str(field.client.make_url("")).rstrip("/"), await field.claim_code()
    assert (await asyncio.to_thread(BIN.claim, memory, base_url, code)).status == 201
    again = BIN.Bin(memory)
    await asyncio.to_thread(again.config)
    assert again.weigh("paper", 1250, SHOWN).sequence == 4
    assert names(await asyncio.to_thread(again.send_waiting)) == ["credited"]
    assert await sequences(engine) == [1, 2, 3, 4]
    memory.close()


@pytest.mark.parametrize("confirmed", [False, True], ids=["before it was confirmed", "before that was answered"])
async def test_a_bin_goes_over_to_another_key_wherever_it_was_interrupted(
    claimed: Any, memory: Any, field: Field, confirmed: bool
) -> None:
    before = memory.facts()
    assert (await asyncio.to_thread(claimed.rotate)).status == 200
    assert memory.facts()["keyid"] == f"{BIN_ID}:2"
    issued = (await asyncio.to_thread(claimed.call, "POST", BIN.KEYS, b'{"algorithm":"hmac-sha256"}', JSON)).document
    memory.learn(next_keyid=issued["keyid"], next_secret=issued["secret"])
    if confirmed:
        await asyncio.to_thread(claimed.call, "POST", BIN.CONFIRM, b"{}", JSON, issued)
    # The power fails here.
    again = BIN.Bin(memory)
    assert (await asyncio.to_thread(again.rotate)).status == 200
    after = memory.facts()
    assert (after["keyid"], after["secret"], "next_keyid" in after) == (f"{BIN_ID}:3", issued["secret"], False)
    again.weigh("paper", 1250, SHOWN)
    assert names(await asyncio.to_thread(again.send_waiting)) == ["credited"]
    # Of three keys the oldest has ended.
    refused = await asyncio.to_thread(again.call, "GET", BIN.CONFIG, b"", {}, before)
    assert (refused.status, refused.code) == (401, "key_unknown")


async def test_a_bin_is_run_from_a_shell(field: Field, tmp_path: Path) -> None:
    await field.register()
    base_url, code = str(field.client.make_url("")), await field.claim_code()

    async def run(*arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "error", str(EXAMPLES / "bin.py"), str(tmp_path / "bin.db"), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        return (await process.communicate())[0].decode()

    assert await run("send") == "this bin has to be claimed first\n"
    assert await run("claim", base_url, code) == f"201 {BIN_ID}\n"
    assert json.loads(await run("weigh", "paper", "1250", CARD))["data"]["sequence"] == 1
    assert json.loads(await run("send"))["outcome"] == "credited"
    assert json.loads(await run("config"))["bin_id"] == BIN_ID
    assert await run("rotate") == f"200 {BIN_ID}:2\n"
    assert (await run("dance")).startswith("    python bin.py memory.db claim")
