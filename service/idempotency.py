"""A request that takes effect once: the first answer to an idempotency key is the answer for ever.

The answer is stored in the transaction of the effect, so there is never one without the other: after a cut socket, a
killed service or a lost database, the same request sent again finds either both or neither. The primary key of
`idempotency_key` guarantees it. The advisory lock is there only so that a request whose twin is still running is told
so at once, instead of waiting for the twin's insert: it is taken on 64 bits of a hash, and two keys that share them see
a needless 409 at worst.

Keys are kept for ever: nothing deletes them yet, so no retry comes too late. An actor is a resident, a merchant, a
machine or an operator's key; the same key of another actor is another key.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import pydantic_core
import sqlalchemy as sa
from aiohttp import hdrs, web
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import IDEMPOTENCY_KEY_PATTERN, Answer
from service.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    IdempotencyKeyInUse,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    MalformedJson,
    TanbiError,
    TokenInvalid,
    UnsupportedMediaType,
    ValidationFailed,
)
from service.problems import PROBLEM_CONTENT_TYPE, prefers_chinese, problem_document
from service.tables.redemption import idempotency_key

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"
KEY: Final = re.compile(IDEMPOTENCY_KEY_PATTERN)
# Decided by the state of the database: stored, so that a retry hears the same. Whatever else fails (400, 401, 403, 422,
# 5xx) is no answer to the intent, and the same key may be sent again once it is mended.
DECLINE_STATUSES: Final = frozenset({404, 409})

# What any keyed write may be answered with, besides what it decides: one whose twins wait for the first, and one whose
# twins are told that it is still running.
QUEUED_WRITE: Final[tuple[type[TanbiError], ...]] = (
    MalformedJson,
    IdempotencyKeyMissing,
    TokenInvalid,
    BodyTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    IdempotencyKeyReused,
    DatabaseUnavailable,
)
KEYED_WRITE: Final = (*QUEUED_WRITE, IdempotencyKeyInUse)


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request as its key remembers it. `digest` is SHA-256 over method, path, query and the body's bytes, 32 bytes:
    a retry sends the same bytes, and a body that says the same in other bytes counts as another request."""

    key: str
    digest: bytes
    chinese: bool


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer as it is stored, to be sent after COMMIT. `code` is the problem's, None for a success."""

    status: int
    body: bytes
    code: str | None
    replayed: bool

    def response(self) -> web.Response:
        """The same status and the same bytes each time; a header tells that it was said before."""
        headers: dict[str, str] = {hdrs.CONTENT_TYPE: "application/json" if self.code is None else PROBLEM_CONTENT_TYPE}
        if self.replayed:
            headers[REPLAYED_HEADER] = "true"
        return web.Response(status=self.status, body=self.body, headers=headers)


async def read_keyed(request: web.Request) -> KeyedRequest:
    """The key and digest of a request whose body was read and found good. Raises IdempotencyKeyMissing."""
    keys = request.headers.getall(KEY_HEADER, [])
    if len(keys) != 1 or not KEY.fullmatch(keys[0]):
        raise IdempotencyKeyMissing
    head = f"{request.method} {request.raw_path}\n".encode()
    digest = hashlib.sha256(head + await request.read()).digest()
    return KeyedRequest(keys[0], digest, prefers_chinese(request))


async def answer_once(
    connection: AsyncConnection,
    *,
    actor: str,
    keyed: KeyedRequest,
    work: Callable[[], Awaitable[Answer]],
    status: int = 201,
) -> StoredAnswer:
    """Do `work` and store its answer, or give the answer that is stored under this key.

    Runs in the caller's transaction, which must be committed before the answer is sent. An expected error of `work`
    with status 404 or 409 is an answer too: what `work` changed is rolled back, and the problem is stored. Any other
    error passes through, and the caller's transaction with it.

    Raises IdempotencyKeyReused where the key belongs to another request, and IdempotencyKeyInUse where the same key is
    still running. Five round trips besides `work`'s own, two for a replay.
    """
    stored = await _claim(connection, actor, keyed)
    if stored is not None:
        return stored
    try:
        async with connection.begin_nested():
            body = (await work()).model_dump_json().encode()
        answer = StoredAnswer(status, body, None, replayed=False)
    except TanbiError as error:
        if error.status not in DECLINE_STATUSES:
            raise
        body = pydantic_core.to_json(problem_document(error, chinese=keyed.chinese))
        answer = StoredAnswer(error.status, body, error.code, replayed=False)
    await _store(connection, actor, keyed, answer)
    return answer


async def _claim(connection: AsyncConnection, actor: str, keyed: KeyedRequest) -> StoredAnswer | None:
    """Lock the key until the transaction ends, and read what is stored under it; None for a new one.

    Two statements: only one that begins when the lock is had is sure to see what the twin before has committed. Raises
    IdempotencyKeyReused or IdempotencyKeyInUse.
    """
    digest = hashlib.sha256(f"{actor}\0{keyed.key}".encode()).digest()
    lock_id = int.from_bytes(digest[:8], "big", signed=True)
    locked = (
        await connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(sa.literal(lock_id, sa.BigInteger))))
    ).scalar_one()
    stored = idempotency_key.c
    row = (
        await connection.execute(
            sa.select(stored.request_digest, stored.status, stored.answer).where(
                stored.actor == actor, stored.key == keyed.key
            )
        )
    ).one_or_none()
    if row is None:
        if not locked:
            raise IdempotencyKeyInUse
        return None
    # Whoever holds the lock now only reads the same answer.
    if row.request_digest != keyed.digest:
        raise IdempotencyKeyReused
    code = pydantic_core.from_json(row.answer)["code"] if row.status in DECLINE_STATUSES else None
    return StoredAnswer(row.status, row.answer.encode(), code, replayed=True)


async def _store(connection: AsyncConnection, actor: str, keyed: KeyedRequest, answer: StoredAnswer) -> None:
    """Keep the answer.

    Raises IdempotencyKeyInUse where a twin was first in spite of the lock, which a fail-over forgets: everything is
    rolled back, and the same request sent again finds the twin's answer.
    """
    kept = await connection.execute(
        postgresql.insert(idempotency_key)
        .values(
            actor=actor,
            key=keyed.key,
            request_digest=keyed.digest,
            status=answer.status,
            answer=answer.body.decode(),
        )
        .on_conflict_do_nothing()
        .returning(idempotency_key.c.key)
    )
    if kept.one_or_none() is None:
        raise IdempotencyKeyInUse
