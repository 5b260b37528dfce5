"""Requests that are refused as a whole: a clear problem, never a 5xx, never a stored half."""

import asyncio
import gzip
import json
import logging
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.signatures import Algorithm, SigningKey, content_digest, sign_request
from schemas.weigh_events import CONTENT_TYPE_BATCH
from service.app import build_app
from service.db import transaction
from service.fleet.bins import Scale, add_bin
from service.fleet.lifecycle import suspend_bin
from service.secrets import Keyring
from service.settings import Settings
from service.tables.bins import bin_key
from service.tables.ledger import transfer, wallet
from service.tables.weighing import weigh_event as stored_event
from service.tables.weighing import weigh_event_conflict
from tests.weighing.test_intake import MALFORMED
from tests.world import PATH, World, post, weigh_event

Client = TestClient[Any, Any]

MIB = 1024 * 1024


async def assert_refused(response: ClientResponse, status: int, code: str) -> dict[str, Any]:
    """An RFC 9457 problem with this code; its members."""
    assert response.status == status, await response.text()
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = await response.json()
    assert (problem["code"], problem["status"], problem["type"]) == (code, status, f"/problems#{code}")
    assert problem["title"]
    assert problem["detail"]
    return problem


async def assert_nothing_stored(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        for table in (stored_event, weigh_event_conflict, transfer):
            assert (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one() == 0
        assert (await connection.execute(sa.select(sa.func.sum(wallet.c.posted)))).scalar_one() == 0


# -- bodies ---------------------------------------------------------------------------------------------------------


async def test_bodies_that_are_not_json_are_refused_each(world: World, client: Client, engine: AsyncEngine) -> None:
    for name, body in MALFORMED.items():
        for content_type in ("application/json", CONTENT_TYPE_BATCH):
            response = await post(client, world.hmac, body, content_type=content_type)
            problem = await assert_refused(response, 400, "malformed_json")
            assert len(json.dumps(problem)) < 1000, name
    await assert_nothing_stored(engine)


@pytest.mark.parametrize("count", [0, 501])
async def test_a_batch_of_none_or_too_many_is_refused(
    world: World, client: Client, engine: AsyncEngine, count: int
) -> None:
    batch = [weigh_event("NK-0001", id=f"{number}") for number in range(count)]
    response = await post(client, world.ed25519, batch, content_type=CONTENT_TYPE_BATCH)
    problem = await assert_refused(response, 422, "validation_failed")
    assert problem["errors"] == [{"pointer": "", "code": "batch_size", "detail": problem["detail"]}]
    await assert_nothing_stored(engine)


def padded(size: int) -> bytes:
    """A good event in a body of this many bytes."""
    body = json.dumps(weigh_event("NK-0001")).encode()
    return body + b" " * (size - len(body))


async def test_a_body_of_one_mebibyte_is_taken(world: World, client: Client) -> None:
    response = await post(client, world.ed25519, padded(MIB))
    assert response.status == 200, await response.text()


async def test_a_body_that_declares_more_is_refused(world: World, client: Client, engine: AsyncEngine) -> None:
    body = padded(MIB + 1)
    signed = sign_request(world.ed25519, method="POST", target=PATH, body=body, created=int(time.time()))
    status, problem = await exchange(client, {"Content-Type": "application/json", **signed}, body)
    assert (status, problem["code"]) == (413, "body_too_large")
    # The declaration is enough: nobody waits for the body.
    status, problem = await exchange(client, {"Content-Type": "application/json", "Content-Length": "99999999"}, b"")
    assert (status, problem["code"]) == (413, "body_too_large")
    await assert_nothing_stored(engine)


async def test_a_body_that_declares_nothing_and_grows_too_large_is_refused(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    body = padded(MIB + 1)
    signed = sign_request(world.ed25519, method="POST", target=PATH, body=body, created=int(time.time()))

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    async def chunks() -> Any:
        for piece in pieces():
            yield piece

    response = await client.post(PATH, data=chunks(), headers={"Content-Type": "application/json", **signed})
    await assert_refused(response, 413, "body_too_large")
    await assert_nothing_stored(engine)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""],
)
async def test_another_content_type_is_refused(
    world: World, client: Client, engine: AsyncEngine, content_type: str
) -> None:
    response = await post(client, world.ed25519, weigh_event("NK-0001"), content_type=content_type)
    await assert_refused(response, 415, "unsupported_media_type")
    await assert_nothing_stored(engine)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity", "unheard-of"])
async def test_a_body_in_another_coding_is_refused(
    world: World, client: Client, engine: AsyncEngine, caplog: pytest.LogCaptureFixture, coding: str
) -> None:
    """What was signed is the body as it was sent; what the server would decode it to was not. Nor is it looked at
    whether it could be decoded."""
    body = json.dumps(weigh_event("NK-0001")).encode()
    packed = gzip.compress(body)
    for signed_body, sent in ((body, body), (body, packed), (packed, packed)):
        signed = sign_request(world.ed25519, method="POST", target=PATH, body=signed_body, created=int(time.time()))
        head = {"Content-Type": "application/json", "Content-Encoding": coding, **signed}
        status, problem = await exchange(client, head, sent)
        assert (status, problem["code"]) == (415, "unsupported_media_type")
    await assert_nothing_stored(engine)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


# -- signatures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["Signature", "Signature-Input", "Content-Digest"])
async def test_an_unsigned_request_is_refused(world: World, client: Client, engine: AsyncEngine, missing: str) -> None:
    body = json.dumps(weigh_event("NK-0002")).encode()
    signed = sign_request(world.hmac, method="POST", target=PATH, body=body, created=int(time.time()))
    del signed[missing]
    response = await client.post(PATH, data=body, headers={"Content-Type": "application/json", **signed})
    code = "content_digest_mismatch" if missing == "Content-Digest" else "signature_missing"
    await assert_refused(response, 401, code)
    await assert_nothing_stored(engine)


@pytest.mark.parametrize("seconds", [-301, 302])
async def test_a_stale_or_future_signature_is_refused(
    world: World, client: Client, engine: AsyncEngine, seconds: int
) -> None:
    # A second may pass on the way; it makes an old one older, and a future one less so.
    created = int(time.time()) + seconds
    for key, bin_id in ((world.ed25519, "NK-0001"), (world.hmac, "NK-0002")):
        response = await post(client, key, weigh_event(bin_id), created=created)
        await assert_refused(response, 401, "signature_stale")
    await assert_nothing_stored(engine)


async def test_a_signature_over_another_body_is_refused(world: World, client: Client, engine: AsyncEngine) -> None:
    heavier = json.dumps(weigh_event("NK-0002", weight_grams=9999)).encode()
    for digest, code in ((None, "content_digest_mismatch"), (content_digest(heavier), "signature_wrong")):
        for key, bin_id in ((world.ed25519, "NK-0001"), (world.hmac, "NK-0002")):
            signed = sign_request(
                key, method="POST", target=PATH, body=json.dumps(weigh_event(bin_id)).encode(), created=int(time.time())
            )
            if digest is not None:
                signed["Content-Digest"] = digest
            response = await client.post(PATH, data=heavier, headers={"Content-Type": "application/json", **signed})
            await assert_refused(response, 401, code)
    await assert_nothing_stored(engine)


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
async def test_a_field_that_is_sent_twice_is_refused(
    world: World, client: Client, engine: AsyncEngine, name: str
) -> None:
    body = json.dumps(weigh_event("NK-0002")).encode()
    signed = sign_request(world.hmac, method="POST", target=PATH, body=body, created=int(time.time()))
    headers = [("Content-Type", "application/json"), *signed.items(), (name, signed[name])]
    response = await client.post(PATH, data=body, headers=headers)
    assert response.status == 401, await response.text()
    await assert_nothing_stored(engine)


async def test_a_signature_for_another_path_is_refused(world: World, client: Client, engine: AsyncEngine) -> None:
    body = json.dumps(weigh_event("NK-0002")).encode()
    signed = sign_request(world.hmac, method="POST", target=PATH + "?x=1", body=body, created=int(time.time()))
    response = await client.post(PATH, data=body, headers={"Content-Type": "application/json", **signed})
    await assert_refused(response, 401, "signature_wrong")
    await assert_nothing_stored(engine)


async def test_another_key_under_a_known_id_is_refused(world: World, client: Client, engine: AsyncEngine) -> None:
    forged = SigningKey("NK-0002", Algorithm.HMAC_SHA256, b"f" * 32)
    await assert_refused(await post(client, forged, weigh_event("NK-0002")), 401, "signature_wrong")
    # The public key is public: as an HMAC secret it must open nothing.
    confused = SigningKey("NK-0001", Algorithm.HMAC_SHA256, world.ed25519.public_bytes)
    await assert_refused(await post(client, confused, weigh_event("NK-0001")), 401, "signature_wrong")
    await assert_nothing_stored(engine)


async def test_a_key_that_nobody_knows_is_refused(world: World, client: Client, engine: AsyncEngine) -> None:
    stranger = SigningKey("NK-9999", Algorithm.HMAC_SHA256, b"s" * 32)
    await assert_refused(await post(client, stranger, weigh_event("NK-9999")), 401, "key_unknown")
    await assert_nothing_stored(engine)


@pytest.mark.parametrize(("valid_from", "valid_until"), [(-2, -1), (1, None)])
async def test_a_key_out_of_its_time_is_refused(
    world: World,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    settings: Settings,
    valid_from: int,
    valid_until: int | None,
) -> None:
    now = datetime.now(UTC)
    async with transaction(admin_engine) as connection:
        await connection.execute(
            sa.update(bin_key).values(
                valid_from=now + timedelta(hours=valid_from),
                valid_until=None if valid_until is None else now + timedelta(hours=valid_until),
            )
        )
    async with TestClient(TestServer(build_app(settings))) as client:
        # The first is looked up, the second remembered.
        for _ in range(2):
            await assert_refused(await post(client, world.hmac, weigh_event("NK-0002")), 401, "key_unknown")
    await assert_nothing_stored(engine)


async def test_two_keys_of_one_bin_are_good_during_rotation(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    second = SigningKey("NK-0002-b", Algorithm.HMAC_SHA256, b"2" * 32)
    async with transaction(engine) as connection:
        encrypted = Keyring.of(settings).stored_key("bin", second)
        await connection.execute(
            sa.insert(bin_key).values(id=second.keyid, bin_id="NK-0002", algorithm="hmac-sha256", key=encrypted)
        )
    async with TestClient(TestServer(build_app(settings))) as client:
        for key in (world.hmac, second):
            response = await post(client, key, weigh_event("NK-0002"))
            assert response.status == 200, await response.text()


async def test_a_key_of_the_demo_is_good_in_the_demo_only(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(engine) as connection:
        key = await add_bin(
            connection,
            Keyring.of(settings),
            bin_id="DEMO-1",
            site_id="site-1",
            algorithm=Algorithm.ED25519,
            scale=Scale(),
            demo=True,
        )
    async with TestClient(TestServer(build_app(settings))) as client:
        await assert_refused(await post(client, key, weigh_event("DEMO-1")), 401, "key_unknown")
    await assert_nothing_stored(engine)
    async with TestClient(TestServer(build_app(settings.model_copy(update={"demo": True})))) as client:
        assert (await post(client, key, weigh_event("DEMO-1"))).status == 200


# -- who may say what -----------------------------------------------------------------------------------------------


async def test_a_bin_speaks_for_itself_only(world: World, client: Client, engine: AsyncEngine) -> None:
    batch = [weigh_event("NK-0001"), weigh_event("NK-0002"), weigh_event("NK-0001")]
    for document in (weigh_event("NK-0002"), batch, [{**weigh_event("NK-0001"), "source": "/bins/nk-0001"}]):
        await assert_refused(await post(client, world.ed25519, document), 403, "source_mismatch")
    await assert_nothing_stored(engine)


async def test_a_suspended_bin_is_refused_from_the_commit_on(world: World, client: Client, engine: AsyncEngine) -> None:
    # The service remembers the bin as active, and need not have noticed yet.
    rejected = await post(client, world.ed25519, weigh_event("NK-0001", weight_grams=0))
    assert rejected.status == 200
    async with transaction(engine) as connection:
        await suspend_bin(connection, "NK-0001")
    await assert_refused(await post(client, world.ed25519, weigh_event("NK-0001")), 403, "bin_suspended")
    await assert_refused(await post(client, world.ed25519, [weigh_event("NK-0001")] * 3), 403, "bin_suspended")
    await assert_nothing_stored(engine)


async def test_a_suspended_bin_is_refused_by_a_service_that_starts_later(
    world: World, engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(engine) as connection:
        await suspend_bin(connection, "NK-0001")
    async with TestClient(TestServer(build_app(settings))) as client:
        for weight_grams in (1250, 0):
            response = await post(client, world.ed25519, weigh_event("NK-0001", weight_grams=weight_grams))
            await assert_refused(response, 403, "bin_suspended")
    await assert_nothing_stored(engine)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_another_method_is_refused(world: World, client: Client, method: str) -> None:
    response = await client.request(method, PATH)
    await assert_refused(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"


async def test_problems_speak_chinese_when_asked(world: World, client: Client) -> None:
    response = await post(client, world.ed25519, b"{", headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert (await assert_refused(response, 400, "malformed_json"))["title"] == "请求体不是有效的 JSON"


# -- over a bare socket ---------------------------------------------------------------------------------------------


def head_of(headers: dict[str, str]) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def exchange(client: Client, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
    """Send a request as it is, and read the problem that it is answered with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(head_of({"Content-Length": str(len(body)), "Connection": "close"} | headers) + body)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
    assert length is not None, head
    # Not to the end of the connection: a server that has answered reads on for seconds, for what was announced to it.
    document = await reader.readexactly(int(length[1]))
    writer.close()
    return int(head.split()[1]), json.loads(document)


async def test_a_body_that_does_not_arrive_is_not_waited_for_without_end(
    world: World, settings: Settings, engine: AsyncEngine
) -> None:
    hurried = settings.model_copy(update={"body_seconds_max": 0.2})
    body = json.dumps(weigh_event("NK-0002")).encode()
    signed = sign_request(world.hmac, method="POST", target=PATH, body=body, created=int(time.time()))
    head = {"Content-Type": "application/json", **signed, "Content-Length": str(len(body))}
    async with TestClient(TestServer(build_app(hurried))) as client:
        status, problem = await exchange(client, head, body[:-1])
    assert (status, problem["code"]) == (408, "body_too_slow")
    await assert_nothing_stored(engine)


async def test_half_a_body_is_never_stored(world: World, client: Client, engine: AsyncEngine) -> None:
    """The bin goes away in the middle of a body, wherever the middle is."""
    body = json.dumps([weigh_event("NK-0002", id=f"{number}") for number in range(3)]).encode()
    signed = sign_request(world.hmac, method="POST", target=PATH, body=body, created=int(time.time()))
    head = {"Content-Type": "application/json", **signed}
    for framing, sent in (
        ({"Content-Length": str(len(body))}, body[:1]),
        ({"Content-Length": str(len(body))}, body[: len(body) // 2]),
        ({"Content-Length": str(len(body))}, body[:-1]),
        ({"Content-Length": str(len(body))}, b""),
        ({"Transfer-Encoding": "chunked"}, f"{len(body):x}\r\n".encode() + body[:-1]),
        ({"Transfer-Encoding": "chunked"}, f"{len(body):x}\r\n".encode() + body + b"\r\n"),
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(head_of({**head, **framing}) + sent)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    response = await post(client, world.hmac, weigh_event("NK-0002", weight_grams=0))
    assert response.status == 200
    await assert_nothing_stored(engine)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /v1/weigh-events HTTP/9.9\r\n\r\n",
        b"P()ST /v1/weigh-events HTTP/1.1\r\n\r\n",
        b"POST /v1/weigh-events\xff HTTP/1.1\r\n\r\n",
        b"POST /v1/weigh-events HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/weigh-events HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /v1/weigh-events HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"POST /v1/weigh-events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"POST /v1/weigh-events HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    ],
    ids=lambda sent: repr(sent)[:60],
)
async def test_what_is_hardly_http_is_a_bad_request(world: World, client: Client, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(sent)
    answer = await reader.read()
    writer.close()
    assert answer.split()[1] == b"400"


async def test_after_a_thousand_bad_requests_the_service_answers_as_before(
    world: World, client: Client, engine: AsyncEngine
) -> None:
    stranger = SigningKey("NK-9999", Algorithm.HMAC_SHA256, b"s" * 32)
    bad: list[Any] = [
        lambda: post(client, world.hmac, b"{"),
        lambda: post(client, world.hmac, b"\xff" * 1000),
        lambda: post(client, world.hmac, [weigh_event("NK-0002", weight_grams=-1)] * 20),
        lambda: post(client, world.hmac, [{}] * 501),
        lambda: post(client, world.hmac, [None] * 500),
        lambda: post(client, world.hmac, b"[" * 10_000),
        lambda: post(client, world.hmac, weigh_event("NK-0001")),
        lambda: post(client, world.hmac, weigh_event("NK-0002"), created=1),
        lambda: post(client, world.hmac, weigh_event("NK-0002"), content_type="text/plain"),
        lambda: post(client, stranger, weigh_event("NK-9999")),
        lambda: client.post(PATH, data=b"{}", headers={"Content-Type": "application/json"}),
        lambda: client.get(PATH),
    ]
    for start in range(0, 1000, 50):
        responses = await asyncio.gather(*(bad[number % len(bad)]() for number in range(start, start + 50)))
        for response in responses:
            assert response.status < 500, await response.text()
            response.release()
    await assert_nothing_stored(engine)
    response = await post(client, world.hmac, weigh_event("NK-0002"))
    assert (await response.json())["outcomes"][0]["balance_coins"] == 125
