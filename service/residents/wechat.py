"""WeChat mini-program login: exchanges the code of `wx.login` for the resident's openid (code2Session).

Source: developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session (fields, codes -1, 40029, 40226,
45011) and WeChat's general return codes (40013, 40125, 40163, 41002, 41004, 41008).

WeChat takes the app's secret and the resident's code in the query. So no exception that holds an address leaves this
module, not even as a cause or context, and no text of WeChat's reaches a log: what is said of a failure is made here.
"""

import asyncio
import logging
import random
import re
from dataclasses import dataclass
from typing import Annotated

import aiohttp
from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints, ValidationError
from yarl import URL

logger = logging.getLogger(__name__)

ANSWER_BYTES_MAX = 64 * 1024
RETRY_DELAY_SECONDS = (0.1, 0.3)

# A code is opaque and in practice 32 letters and digits; the bound only keeps out what no code can be.
_CODE = re.compile(r"[!-~]{1,512}")
# The id by which WeChat's support finds a call; this exact form, because the rest of errmsg is not ours to repeat.
_RID = re.compile(r"\brid: ([0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8})\b")

_SYSTEM_BUSY = -1
_CODE_INVALID = frozenset({40029, 40163, 41008})
_RATE_LIMITED = 45011
_USER_BLOCKED = 40226
_CREDENTIALS_REFUSED = frozenset({40013, 40125, 41002, 41004})


class WechatCodeInvalid(Exception):
    """WeChat does not accept this code: it is wrong, older than five minutes or already used. Call wx.login again."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class WechatRateLimited(Exception):
    """WeChat takes no more logins of this resident for now (100 a minute). Wait, then call wx.login again."""

    retry_after_seconds = 60  # errmsg of 45011: "retry next minute"

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class WechatUserBlocked(Exception):
    """WeChat rates this resident as high risk and blocks the login; only WeChat can lift that."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class WechatUnavailable(Exception):
    """WeChat login is not available. Try again later; `reason` is for the operator and holds nothing secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"WeChat login is not available: {reason}")
        self.reason = reason


class _Answer(BaseModel):
    """What is kept of WeChat's answer; session_key and unionid are dropped while it is parsed."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    openid: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    errcode: int = 0
    errmsg: str = ""


@dataclass(frozen=True, slots=True)
class _NoAnswer:
    reason: str


class WechatClient:
    """Asks WeChat who a resident is. The session is the caller's to open and close; many calls may run at once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        app_id: str,
        secret: SecretStr,
        base_url: str = "https://api.weixin.qq.com",
        timeout_seconds: float = 5.0,
    ) -> None:
        self._session = session
        self._app_id = app_id
        self._secret = secret
        self._address = URL(base_url) / "sns" / "jscode2session"
        self._timeout_seconds = timeout_seconds
        self._credentials_refused = False

    async def code_to_openid(self, code: str) -> str:
        """The openid (1 to 128 characters) of the resident whose mini-program got this code from wx.login.

        Takes at most `timeout_seconds`, one repetition after "system busy" included, and the one that aiohttp itself
        makes of a GET whose connection was cut. WeChat may have used the code up before the cut: the repetition then
        ends as WechatCodeInvalid, and what that asks of the mini-program, a new code, is right.

        Raises WechatCodeInvalid, WechatRateLimited, WechatUserBlocked, or WechatUnavailable for all else.
        """
        if not _CODE.fullmatch(code):
            raise WechatCodeInvalid
        answer = await self._ask_in_time(code)
        if isinstance(answer, _NoAnswer):
            raise self._unavailable(answer.reason)
        if answer.errcode in _CREDENTIALS_REFUSED:
            raise self._refused(answer)
        self._credentials_refused = False
        if answer.errcode in _CODE_INVALID:
            raise WechatCodeInvalid
        if answer.errcode == _RATE_LIMITED:
            raise WechatRateLimited
        if answer.errcode == _USER_BLOCKED:
            raise WechatUserBlocked
        if answer.errcode != 0:
            raise self._unavailable(_describe(answer))
        if answer.openid is None:
            raise self._unavailable("the answer has neither openid nor errcode")
        return answer.openid

    async def _ask_in_time(self, code: str) -> _Answer | _NoAnswer:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._ask(code)
                if isinstance(answer, _Answer) and answer.errcode == _SYSTEM_BUSY:
                    # Jitter, so that replicas that WeChat turned away at one moment do not return at one moment.
                    await asyncio.sleep(random.uniform(*RETRY_DELAY_SECONDS))  # noqa: S311  # a delay, not a secret
                    answer = await self._ask(code)
                return answer
        except TimeoutError:
            return _NoAnswer(f"no answer within {self._timeout_seconds:g} s")

    async def _ask(self, code: str) -> _Answer | _NoAnswer:
        query = {
            "appid": self._app_id,
            "secret": self._secret.get_secret_value(),
            "js_code": code,
            "grant_type": "authorization_code",
        }
        try:
            # A redirect is not followed: it would carry the secret to whatever host it names.
            async with self._session.get(self._address, params=query, allow_redirects=False) as response:
                if response.status != 200:
                    return _NoAnswer(f"HTTP status {response.status}")
                body = await _read_bounded(response.content)
        except (aiohttp.ClientError, OSError) as error:
            # The class only: aiohttp's messages and attributes hold the address, and with it the secret and the code.
            return _NoAnswer(f"no connection ({type(error).__name__})")
        if body is None:
            return _NoAnswer(f"the answer is larger than {ANSWER_BYTES_MAX} bytes")
        try:
            # Whatever the content type: WeChat labels its JSON text/plain.
            return _Answer.model_validate_json(body)
        except ValidationError:
            return _NoAnswer("the answer is not the documented JSON")

    def _unavailable(self, reason: str) -> WechatUnavailable:
        logger.warning("WeChat login is not available: %s", reason)
        return WechatUnavailable(reason)

    def _refused(self, answer: _Answer) -> WechatUnavailable:
        """ERROR once, not for every resident who tries, until WeChat has taken the credentials again."""
        reason = f"WeChat refuses our app id or secret: {_describe(answer)}"
        level = logging.WARNING if self._credentials_refused else logging.ERROR
        self._credentials_refused = True
        logger.log(level, "%s. Compare TANBI_WECHAT_APP_ID and TANBI_WECHAT_SECRET with mp.weixin.qq.com.", reason)
        return WechatUnavailable(reason)


async def _read_bounded(content: aiohttp.StreamReader) -> bytes | None:
    """The whole body, or None as soon as it is longer than ANSWER_BYTES_MAX."""
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            return None
    return bytes(body)


def _describe(answer: _Answer) -> str:
    rid = _RID.search(answer.errmsg)
    return f"errcode {answer.errcode}" + (f", rid {rid[1]}" if rid else "")
