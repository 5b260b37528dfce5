"""The client of code2Session, against a real local HTTP server."""

import logging
import socket
import traceback
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp
import pytest
from pydantic import SecretStr

from service.residents.wechat import (
    ANSWER_BYTES_MAX,
    WechatClient,
    WechatCodeInvalid,
    WechatRateLimited,
    WechatUnavailable,
    WechatUserBlocked,
)
from tests.residents.wechat_server import (
    RID,
    Behaviour,
    WechatServer,
    cut,
    cut_short,
    endless,
    error,
    hang,
    raw,
    redirect,
)

# Far beyond what any machine needs: only the test that hangs for ever is meant to reach a time-out.
TIMEOUT_SECONDS = 60.0
CODE = "0c1Example0Code0Of0wx0login00001"
OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
SESSION_KEY = "HyVFkGl5F5OQWJZZaNzBBg=="

NewClient = Callable[..., WechatClient]


@pytest.fixture
async def wechat() -> AsyncIterator[WechatServer]:
    async with WechatServer() as server:
        server.issue_code(OPENID, code=CODE)
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def client(wechat: WechatServer, session: aiohttp.ClientSession) -> WechatClient:
    return new_client(wechat, session)


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    assert_nothing_secret(caplog.text + "".join(repr(record.__dict__) for record in caplog.records))


def new_client(
    wechat: WechatServer, session: aiohttp.ClientSession, *, secret: str | None = None, timeout: float = TIMEOUT_SECONDS
) -> WechatClient:
    return WechatClient(
        session,
        app_id=wechat.app_id,
        secret=SecretStr(secret or wechat.secret),
        base_url=wechat.base_url,
        timeout_seconds=timeout,
    )


def assert_nothing_secret(text: str) -> None:
    for secret in (WechatServer().secret, CODE, OPENID, SESSION_KEY):
        assert secret not in text


def assert_tells_nothing_secret(failure: BaseException) -> None:
    # Not only suppressed: an error reporter walks __context__ whatever __suppress_context__ says.
    assert failure.__cause__ is None
    assert failure.__context__ is None
    assert_nothing_secret("".join(traceback.format_exception(failure)) + repr(failure) + repr(vars(failure)))


async def unavailable(client: WechatClient) -> WechatUnavailable:
    with pytest.raises(WechatUnavailable) as caught:
        await client.code_to_openid(CODE)
    assert_tells_nothing_secret(caught.value)
    return caught.value


async def test_a_code_becomes_its_openid(client: WechatClient, wechat: WechatServer) -> None:
    assert await client.code_to_openid(CODE) == OPENID
    assert wechat.queries == [
        {"appid": wechat.app_id, "secret": wechat.secret, "js_code": CODE, "grant_type": "authorization_code"}
    ]


async def test_a_unionid_changes_nothing(client: WechatClient, wechat: WechatServer) -> None:
    code = wechat.issue_code(OPENID, unionid="oHAUs6LSuwgHq-mlnFrffKXw3QYM")
    assert await client.code_to_openid(code) == OPENID


@pytest.mark.parametrize(
    "body",
    [
        b'{"openid":"%s","session_key":"x","errcode":0,"errmsg":"ok"}' % OPENID.encode(),
        b'{"openid":"%s","session_key":"x","later":{"added":1}}' % OPENID.encode(),
    ],
    ids=["errcode 0", "unknown field"],
)
async def test_every_documented_form_of_success_is_understood(
    client: WechatClient, wechat: WechatServer, body: bytes
) -> None:
    wechat.then(raw(body), raw(body, content_type="application/json"))
    assert await client.code_to_openid(CODE) == OPENID
    assert await client.code_to_openid(CODE) == OPENID


@pytest.mark.parametrize("code", ["a&secret=other&appid=b", "a+b%2B=/?#c", "../../x", "';--"])
async def test_a_code_cannot_change_the_request(client: WechatClient, wechat: WechatServer, code: str) -> None:
    wechat.issue_code(OPENID, code=code)
    assert await client.code_to_openid(code) == OPENID
    assert wechat.queries[0]["js_code"] == code
    assert wechat.queries[0]["appid"] == wechat.app_id


@pytest.mark.parametrize("code", ["", "a b", "碳币", "\ud800", "a\r\nb", "x" * 513])
async def test_what_no_code_can_be_is_refused_without_asking(
    client: WechatClient, wechat: WechatServer, code: str
) -> None:
    with pytest.raises(WechatCodeInvalid):
        await client.code_to_openid(code)
    assert wechat.queries == []


async def test_a_code_works_once(client: WechatClient) -> None:
    await client.code_to_openid(CODE)
    with pytest.raises(WechatCodeInvalid) as caught:
        await client.code_to_openid(CODE)
    assert_tells_nothing_secret(caught.value)


@pytest.mark.parametrize(
    ("errcode", "expected"),
    [
        (40029, WechatCodeInvalid),
        (40163, WechatCodeInvalid),
        (41008, WechatCodeInvalid),
        (45011, WechatRateLimited),
        (40226, WechatUserBlocked),
    ],
)
async def test_an_expected_refusal_has_its_own_exception_and_no_log(
    client: WechatClient,
    wechat: WechatServer,
    caplog: pytest.LogCaptureFixture,
    errcode: int,
    expected: type[Exception],
) -> None:
    wechat.always(error(errcode))
    with pytest.raises(expected) as caught:
        await client.code_to_openid(CODE)
    assert_tells_nothing_secret(caught.value)
    assert str(caught.value) == expected.__doc__
    assert len(wechat.queries) == 1
    assert [record for record in caplog.records if record.name.startswith("service")] == []


async def test_an_errcode_sent_as_text_is_understood(client: WechatClient, wechat: WechatServer) -> None:
    wechat.then(raw(b'{"errcode":"40029","errmsg":"invalid code"}'))
    with pytest.raises(WechatCodeInvalid):
        await client.code_to_openid(CODE)


def test_a_rate_limit_says_when_to_come_back() -> None:
    assert WechatRateLimited().retry_after_seconds == 60


@pytest.mark.parametrize("fault", [error(-1), cut], ids=["system busy", "connection cut"])
async def test_a_passing_fault_is_tried_once_more(
    client: WechatClient, wechat: WechatServer, caplog: pytest.LogCaptureFixture, fault: Behaviour
) -> None:
    wechat.then(fault)
    assert await client.code_to_openid(CODE) == OPENID
    assert len(wechat.queries) == 2
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("fault", [error(-1), cut], ids=["system busy", "connection cut"])
async def test_a_fault_that_stays_is_tried_no_third_time(
    client: WechatClient, wechat: WechatServer, fault: Behaviour
) -> None:
    wechat.always(fault)
    await unavailable(client)
    assert len(wechat.queries) == 2


async def test_the_time_out_bounds_the_whole_call(wechat: WechatServer, session: aiohttp.ClientSession) -> None:
    wechat.always(hang)
    failure = await unavailable(new_client(wechat, session, timeout=0.05))
    assert failure.reason == "no answer within 0.05 s"


async def test_a_refused_connection_is_unavailable(session: aiohttp.ClientSession) -> None:
    with socket.socket() as bound:  # Bound and not listening, so that nobody else can answer on this port.
        bound.bind(("127.0.0.1", 0))
        server = WechatServer()
        server.base_url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        failure = await unavailable(new_client(server, session))
    assert failure.reason == "no connection (ClientConnectorError)"


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (raw(b"<html>502</html>", status=502, content_type="text/html"), "HTTP status 502"),
        (redirect, "HTTP status 302"),
        (raw(b"<html>maintenance</html>", content_type="text/html"), "the answer is not the documented JSON"),
        (raw(b""), "the answer is not the documented JSON"),
        (raw(b"[]"), "the answer is not the documented JSON"),
        (raw(b'{"openid":"%s"' % OPENID.encode()), "the answer is not the documented JSON"),
        (raw(b'{"openid":["%s"]}' % OPENID.encode()), "the answer is not the documented JSON"),
        (raw(b'{"openid":"\xff"}'), "the answer is not the documented JSON"),
        (raw(b'{"openid":"","session_key":"x"}'), "the answer is not the documented JSON"),
        (raw(b'{"session_key":"x"}'), "the answer has neither openid nor errcode"),
        (raw(b" " * (ANSWER_BYTES_MAX + 1)), "the answer is larger than 65536 bytes"),
        (endless(), "the answer is larger than 65536 bytes"),
        (cut_short, "no connection (ClientPayloadError)"),
        (error(50001), f"errcode 50001, rid {RID}"),
    ],
)
async def test_an_answer_that_is_not_documented_is_unavailable_and_a_warning(
    client: WechatClient, wechat: WechatServer, caplog: pytest.LogCaptureFixture, behaviour: Behaviour, reason: str
) -> None:
    wechat.always(behaviour)
    failure = await unavailable(client)
    assert failure.reason == reason
    assert len(wechat.queries) == 1
    assert [(record.levelname, record.message) for record in caplog.records if record.name.startswith("service")] == [
        ("WARNING", f"WeChat login is not available: {reason}")
    ]


async def test_an_answer_of_the_largest_size_is_read(client: WechatClient, wechat: WechatServer) -> None:
    wechat.then(raw(b'{"openid":"%s"}'.ljust(ANSWER_BYTES_MAX + 2 - len(OPENID)) % OPENID.encode()))
    assert await client.code_to_openid(CODE) == OPENID


async def test_text_of_wechats_is_not_repeated(client: WechatClient, wechat: WechatServer) -> None:
    wechat.always(error(50001, f"appid {wechat.app_id} secret {wechat.secret} code {CODE}"))
    assert (await unavailable(client)).reason == f"errcode 50001, rid {RID}"


async def test_wrong_credentials_are_an_error_once_until_they_work_again(
    client: WechatClient, wechat: WechatServer, caplog: pytest.LogCaptureFixture
) -> None:
    refused = error(40125)
    wechat.then(refused, refused)
    assert (await unavailable(client)).reason == f"WeChat refuses our app id or secret: errcode 40125, rid {RID}"
    await unavailable(client)
    await client.code_to_openid(CODE)
    wechat.then(refused)
    await unavailable(client)
    assert [record.levelname for record in caplog.records if record.name.startswith("service")] == [
        "ERROR",
        "WARNING",
        "ERROR",
    ]
    assert "TANBI_WECHAT_SECRET" in caplog.text


async def test_the_server_refuses_other_credentials_as_wechat_does(
    wechat: WechatServer, session: aiohttp.ClientSession
) -> None:
    assert "errcode 40125" in (await unavailable(new_client(wechat, session, secret="another"))).reason
    wechat.app_id = "wxffffffffffffffff"
    client = WechatClient(session, app_id="wx0", secret=SecretStr(wechat.secret), base_url=wechat.base_url)
    assert "errcode 40013" in (await unavailable(client)).reason


def test_the_client_does_not_show_its_secret(wechat: WechatServer, client: WechatClient) -> None:
    assert_nothing_secret(repr(client) + repr(vars(client)))
