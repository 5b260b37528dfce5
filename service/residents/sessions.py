"""A resident's sessions: log in by WeChat, log out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from service.db import transaction
from service.errors import WechatCodeRefused, WechatRateLimited, WechatUnavailable, WechatUserRefused
from service.residents import queries, wechat
from service.residents.residents import ResidentExists, register_resident
from service.secrets import Keyring, new_token, token_hash

TOKEN_PREFIX: Final = "tbr"  # noqa: S105  # how a resident's token begins, not a token
# More devices than anyone logs in from; without a bound one person could fill the table.
SESSIONS_PER_RESIDENT_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was just opened; the token is stored nowhere."""

    resident_id: int
    token: str
    expires_at: datetime


async def open_session(connection: AsyncConnection, resident_id: int, lifetime: timedelta, demo: bool) -> Session:
    """A new session of this resident; their expired ones, and those beyond SESSIONS_PER_RESIDENT_MAX, are deleted."""
    token = new_token(TOKEN_PREFIX)
    expires_at = await queries.insert_session(connection, token_hash(token), resident_id, lifetime=lifetime, demo=demo)
    await queries.prune_sessions(connection, resident_id, keep=SESSIONS_PER_RESIDENT_MAX)
    return Session(resident_id, token, expires_at)


async def close_session(connection: AsyncConnection, token: str) -> None:
    """The token is not accepted any more."""
    await queries.delete_session(connection, token_hash(token))


async def log_in(
    engine: AsyncEngine, keyring: Keyring, client: wechat.WechatClient, code: str, *, lifetime: timedelta, demo: bool
) -> Session:
    """A session for the person whose mini-program got `code`; who is new is registered.

    Raises WechatCodeRefused, WechatUserRefused, WechatRateLimited or WechatUnavailable. WeChat is asked before the
    transaction begins, so that a slow answer holds no connection.
    """
    openid_digest = keyring.openid_digest(await _openid(client, code))
    try:
        return await _open_for(engine, openid_digest, lifetime=lifetime, demo=demo)
    except ResidentExists:
        # The same person logged in at the same moment and was registered there; here all was rolled back.
        return await _open_for(engine, openid_digest, lifetime=lifetime, demo=demo)


async def _open_for(engine: AsyncEngine, openid_digest: bytes, *, lifetime: timedelta, demo: bool) -> Session:
    async with transaction(engine) as connection:
        resident_id = await queries.find_resident(connection, openid_digest)
        if resident_id is None:
            resident_id = await register_resident(connection, demo=demo, openid_digest=openid_digest)
        return await open_session(connection, resident_id, lifetime, demo)


async def _openid(client: wechat.WechatClient, code: str) -> str:
    try:
        return await client.code_to_openid(code)
    except wechat.WechatCodeInvalid:
        raise WechatCodeRefused from None
    except wechat.WechatUserBlocked:
        raise WechatUserRefused from None
    except wechat.WechatRateLimited as error:
        raise WechatRateLimited(retry_after_seconds=error.retry_after_seconds) from None
    except wechat.WechatUnavailable:
        # The reason is the operator's and logged there.
        raise WechatUnavailable(retry_after_seconds=5) from None
