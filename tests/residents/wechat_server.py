"""A local HTTP server that answers code2Session as WeChat documents it, for tests of the client and of logins.

    async with WechatServer() as wechat:
        code = wechat.issue_code("openid-1")        # what wx.login would give the mini-program; works once
        wechat.then(error(-1))                      # the next call only
        wechat.always(hang)                         # every call from now on; always(None) ends it

Give the service `wechat.base_url`, `wechat.app_id` and `wechat.secret`; read what it asked from `wechat.queries`.
"""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Self

from aiohttp import web

Behaviour = Callable[["WechatServer", web.Request], Awaitable[web.StreamResponse]]

ERRMSG = {
    -1: "system error",
    40013: "invalid appid",
    40029: "invalid code",
    40125: "invalid appsecret",
    40163: "code been used",
    40226: "code blocked",
    45011: "api minute-quota reach limit  mustslower  retry next minute",
}
APP_ID = "wx0123456789abcdef"
SECRET = "00112233445566778899aabbccddeeff"
RID = "6515357b-15f0e52f-024d7479"


def text_plain(answer: dict[str, object]) -> web.Response:
    """JSON under the content type that WeChat really sends."""
    return web.Response(text=json.dumps(answer), content_type="text/plain")


def error(errcode: int, errmsg: str | None = None) -> Behaviour:
    """Answers with an errcode, HTTP status 200, as WeChat does."""

    async def behave(_: "WechatServer", __: web.Request) -> web.StreamResponse:
        message = ERRMSG.get(errcode, "unknown error") if errmsg is None else errmsg
        return text_plain({"errcode": errcode, "errmsg": f"{message}, rid: {RID}"})

    return behave


def raw(body: bytes, *, status: int = 200, content_type: str = "text/plain") -> Behaviour:
    """Answers with these bytes."""

    async def behave(_: "WechatServer", __: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, content_type=content_type)

    return behave


def endless() -> Behaviour:
    """Streams for as long as the client reads."""

    async def behave(_: "WechatServer", request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 16_384)

    return behave


async def redirect(_: "WechatServer", __: web.Request) -> web.StreamResponse:
    """Sends the client to the same address, without the query."""
    return web.Response(status=302, headers={"Location": "/sns/jscode2session"})


async def hang(server: "WechatServer", request: web.Request) -> web.StreamResponse:
    """Answers only when the server closes."""
    await server.closing.wait()
    return await cut(server, request)


async def cut(_: "WechatServer", request: web.Request) -> web.StreamResponse:
    """Drops the connection instead of answering."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def cut_short(server: "WechatServer", request: web.Request) -> web.StreamResponse:
    """Drops the connection in the middle of an answer."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"openid":')
    return await cut(server, request)


class WechatServer:
    """Knows its codes; each works once, then it is "code been used". Refuses another app id or secret."""

    def __init__(self, app_id: str = APP_ID, secret: str = SECRET) -> None:
        self.app_id = app_id
        self.secret = secret
        self.base_url = ""
        self.queries: list[dict[str, str]] = []
        self.closing = asyncio.Event()
        self._people: dict[str, dict[str, object]] = {}
        self._used: set[str] = set()
        self._next: deque[Behaviour] = deque()
        self._always: Behaviour | None = None

    def issue_code(self, openid: str, *, unionid: str | None = None, code: str | None = None) -> str:
        """A fresh code for this openid."""
        code = code or secrets.token_hex(16)
        self._people[code] = {"openid": openid, **({"unionid": unionid} if unionid else {})}
        return code

    def then(self, *behaviours: Behaviour) -> None:
        """What the next calls get, one each; after them the usual answers again."""
        self._next.extend(behaviours)

    def always(self, behaviour: Behaviour | None) -> None:
        """What every call gets once `then` is used up; None for the usual answers."""
        self._always = behaviour

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/sns/jscode2session", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closing.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        behaviour = self._next.popleft() if self._next else self._always
        return await (behaviour(self, request) if behaviour else self._login(request))

    async def _login(self, request: web.Request) -> web.StreamResponse:
        code = request.query.get("js_code", "")
        if request.query.get("appid") != self.app_id:
            return await error(40013)(self, request)
        if request.query.get("secret") != self.secret:
            return await error(40125)(self, request)
        if code in self._used:
            return await error(40163)(self, request)
        if code not in self._people or request.query.get("grant_type") != "authorization_code":
            return await error(40029)(self, request)
        self._used.add(code)
        return text_plain({"session_key": "HyVFkGl5F5OQWJZZaNzBBg==", **self._people[code]})
