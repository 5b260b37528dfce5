"""What operators' routes share: who asks is found in the transaction that reads or writes, so a key that is revoked
meanwhile either did it or did nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pydantic
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import Answer
from service.auth import OPERATOR_ROLES, Operator, authenticate_operator, bearer_token
from service.db import snapshot, transaction
from service.idempotency import answer_once, read_keyed
from service.keys import ENGINE, SETTINGS
from service.routing import read_model

Wanted = TypeVar("Wanted", bound=pydantic.BaseModel)
Given = TypeVar("Given", bound=Answer)


@asynccontextmanager
async def operator_snapshot(request: web.Request) -> AsyncIterator[AsyncConnection]:
    """One moment of the database, for an operator of any role to read. Raises TokenInvalid or Forbidden.

    Read the query inside, so that it is judged only for who may ask.
    """
    token = bearer_token(request)
    async with snapshot(request.app[ENGINE]) as connection:
        await authenticate_operator(connection, token, OPERATOR_ROLES, demo=request.app[SETTINGS].demo)
        yield connection


async def operator_writes(
    request: web.Request,
    model: type[Wanted],
    work: Callable[[AsyncConnection, Operator, Wanted], Awaitable[Given]],
    *,
    roles: frozenset[str],
    status: int = 200,
) -> web.Response:
    """Do `work` with the body once, whatever was sent again under the same idempotency key, in one transaction.

    Raises TokenInvalid, Forbidden, what reading the body raises, and IdempotencyKeyMissing, IdempotencyKeyReused or
    IdempotencyKeyInUse. An expected error of `work` with status 404 or 409 is the answer.
    """
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    # Before the transaction: a body may come slowly.
    wanted = await read_model(request, model, settings)
    keyed = await read_keyed(request)
    async with transaction(request.app[ENGINE]) as connection:
        operator = await authenticate_operator(connection, token, roles, demo=settings.demo)
        answer = await answer_once(
            connection,
            actor=operator.actor,
            keyed=keyed,
            work=lambda: work(connection, operator, wanted),
            status=status,
        )
    return answer.response()
