"""HTTP of held drops: the mini-program."""

from aiohttp import hdrs, web

from schemas.reviews import AppealRequest, HeldDrop, HeldDrops, HeldDropsQuery
from service.auth import authenticate_resident, bearer_token
from service.db import snapshot, transaction
from service.errors import (
    AlreadyAppealed,
    DatabaseUnavailable,
    HeldDropUnknown,
    NothingToAppeal,
    TokenInvalid,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE, answer_once, read_keyed
from service.keys import ENGINE, SETTINGS
from service.review.appealing import appeal, read_held_drops
from service.routing import Routes, json_response, path_id, read_model, read_query

routes = Routes("residents")


@routes.route(
    "GET",
    "/v1/me/held-drops",
    summary="The resident's held drops, newest first",
    caller="resident",
    query=HeldDropsQuery,
    answers={200: HeldDrops},
    problems=(TokenInvalid, ValidationFailed, DatabaseUnavailable),
)
async def get_held_drops(request: web.Request) -> web.Response:
    """Drops that an operator has to look at, or has: why in plain words, what was decided and why, and whether the
    resident may appeal."""
    token = bearer_token(request)
    query = read_query(request, HeldDropsQuery)
    async with snapshot(request.app[ENGINE]) as connection:
        resident = await authenticate_resident(connection, token, demo=request.app[SETTINGS].demo)
        page = await read_held_drops(connection, resident.id, query)
    return _not_stored(json_response(page))


@routes.route(
    "POST",
    "/v1/me/held-drops/{id}/appeal",
    summary="Say why a held drop was right",
    caller="resident",
    takes=AppealRequest,
    answers={201: HeldDrop},
    problems=(*KEYED_WRITE, HeldDropUnknown, AlreadyAppealed, NothingToAppeal),
    idempotent=True,
)
async def post_appeal(request: web.Request) -> web.Response:
    """Once a drop, before it is decided or after it was rejected; then another operator than the one who rejected it
    decides."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, AppealRequest, settings)
    keyed = await read_keyed(request)
    review_id = path_id(request)
    if review_id is None:
        raise HeldDropUnknown
    async with transaction(request.app[ENGINE]) as connection:
        resident = await authenticate_resident(connection, token, demo=settings.demo)
        answer = await answer_once(
            connection,
            actor=resident.actor,
            keyed=keyed,
            work=lambda: appeal(connection, resident.id, review_id, wanted),
        )
    return _not_stored(answer.response())


def _not_stored(response: web.Response) -> web.Response:
    """Personal: not for any cache on the way."""
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
