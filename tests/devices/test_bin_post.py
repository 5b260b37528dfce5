"""The reference client in C posts to the real service, as a bin with a network would."""

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.signatures import Algorithm, SigningKey
from service.tables.weighing import weigh_event
from tests.devices.compiling import EXAMPLES, build, needs_compiler
from tests.devices.relay import CUT, OF_OTHERS, relay
from tests.fleet.field import BIN, Field
from tests.world import CARD, World

pytestmark = needs_compiler

Client = TestClient[Any, Any]


@pytest.fixture(scope="session")
def bin_post(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(EXAMPLES / "bin_post.c", tmp_path_factory.mktemp("bin_post"))


def lines(count: int, *, grams: int = 1250, card: str = CARD) -> str:
    now = int(time.time())
    return "".join(f"drop-{number} {now} {number} paper {grams} {20_000 + number} {card}\n" for number in range(count))


async def call(program: Path, *arguments: str, secret: bytes = b"", said: str = "") -> tuple[int | None, str, str]:
    """Exit status, what it printed, and its complaints."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"TANBI_BIN_SECRET": base64.b64encode(secret).decode()},
    )
    out, complaints = await process.communicate(said.encode())
    return process.returncode, out.decode(), complaints.decode()


async def run(program: Path, port: int, world: World, drops: str, *more: str) -> tuple[int | None, list[str], str]:
    """Post as the world's HMAC bin; the lines that were printed."""
    arguments = (str(port), "post", "NK-0002", world.hmac.keyid, *more)
    status, out, complaints = await call(program, *arguments, secret=world.hmac.secret, said=drops)
    return status, out.splitlines(), complaints


def port_of(client: Client) -> int:
    port = client.server.port
    assert port is not None
    return port


async def stored(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return (await connection.execute(sa.select(sa.func.count()).select_from(weigh_event))).scalar_one()


async def test_a_drop_is_credited_and_a_duplicate_when_it_is_sent_again(
    bin_post: Path, world: World, client: Client
) -> None:
    drops = lines(1)
    assert await run(bin_post, port_of(client), world, drops) == (
        0,
        ["drop-0 credited  coins=125 balance=125"],
        "",
    )
    status, [said], _ = await run(bin_post, port_of(client), world, drops)
    assert (status, said.split(" balance")[0]) == (0, "drop-0 duplicate  coins=125")


async def test_drops_of_an_outage_come_in_batches_as_large_as_the_buffer(
    bin_post: Path, world: World, client: Client, engine: AsyncEngine
) -> None:
    status, said, complaints = await run(bin_post, port_of(client), world, lines(40))
    assert (status, complaints) == (0, "")
    assert [line.split()[:2] for line in said] == [[f"drop-{number}", "credited"] for number in range(40)]
    assert await stored(engine) == 40


async def test_a_body_that_was_tampered_with_is_refused_and_nothing_is_stored(
    bin_post: Path, world: World, client: Client, engine: AsyncEngine
) -> None:
    async with relay(port_of(client), request=lambda data: data.replace(b":1250", b":9250")) as port:
        assert await run(bin_post, port, world, lines(1)) == (1, [], "401 content_digest_mismatch\n")
    assert await stored(engine) == 0


@pytest.mark.parametrize("answer", [CUT, OF_OTHERS], ids=["none", "of others"])
async def test_what_was_not_answered_is_sent_again_and_credited_once(
    bin_post: Path, world: World, client: Client, engine: AsyncEngine, answer: bytes
) -> None:
    async with relay(port_of(client), instead=[answer]) as port:
        status, [said], complaints = await run(bin_post, port, world, lines(1))
    assert (status, said.split(" balance")[0], complaints) == (0, "drop-0 duplicate  coins=125", "")
    assert await stored(engine) == 1


async def test_a_wrong_clock_is_set_by_the_answer(bin_post: Path, world: World, client: Client) -> None:
    status, [said], complaints = await run(bin_post, port_of(client), world, lines(1), "86400")
    assert (status, said.split()[1], complaints) == (0, "credited", "clock set\n")


async def test_a_key_that_is_not_known_stops_the_bin_at_once(bin_post: Path, world: World, client: Client) -> None:
    forged = World(world.ed25519, SigningKey(world.hmac.keyid, Algorithm.HMAC_SHA256, bytes(32)), world.resident_id)
    status, _, complaints = await run(bin_post, port_of(client), forged, lines(1))
    assert (status, complaints) == (1, "401 signature_wrong\n")


async def test_a_bin_is_claimed_asks_what_it_needs_to_know_and_posts(bin_post: Path, field: Field) -> None:
    await field.register()
    code, port = await field.claim_code(), str(port_of(field.client))
    status, said, complaints = await call(bin_post, port, "claim", code)
    bin_id, keyid, issued = said.split()
    assert (status, bin_id, keyid, complaints) == (0, BIN, BIN, "")
    secret = base64.b64decode(issued)
    config = "metal 150\npaper 100\nplastic 120\nnext {}\nagain 304\n"
    assert await call(bin_post, port, "config", bin_id, keyid, secret=secret) == (0, config.format(0), "")
    status, said, _ = await call(bin_post, port, "post", bin_id, keyid, secret=secret, said=lines(3))
    assert (status, said.count("credited")) == (0, 3)
    assert await call(bin_post, port, "config", bin_id, keyid, secret=secret) == (0, config.format(3), "")
    assert await call(bin_post, port, "claim", code) == (1, "", "401 claim_code_refused\n")
