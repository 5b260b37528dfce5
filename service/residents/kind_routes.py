"""HTTP of traders: operators."""

from typing import Final

from aiohttp import web

from schemas.residents import KindRequest, ResidentKind
from service.auth import authenticate_operator, bearer_token
from service.db import transaction
from service.errors import Forbidden, ResidentUnknown
from service.idempotency import KEYED_WRITE, answer_once, read_keyed
from service.keys import ENGINE, SETTINGS
from service.residents.kinds import mark
from service.routing import Routes, read_model

MARKERS: Final = frozenset({"operator", "admin"})

routes = Routes("review")


@routes.route(
    "POST",
    "/v1/resident-kinds",
    summary="Mark an account as a trader's, or as a resident's again",
    caller="operator",
    takes=KindRequest,
    answers={200: ResidentKind},
    problems=(*KEYED_WRITE, Forbidden, ResidentUnknown),
    idempotent=True,
)
async def post_kind(request: web.Request) -> web.Response:
    """Traders bring what others have collected: the limits of a day that hold for them are others. From the next drop
    on; who did it, when and why is kept. Needs the role operator or admin."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, KindRequest, settings)
    keyed = await read_keyed(request)
    async with transaction(request.app[ENGINE]) as connection:
        operator = await authenticate_operator(connection, token, MARKERS, demo=settings.demo)
        answer = await answer_once(
            connection,
            actor=operator.actor,
            keyed=keyed,
            work=lambda: mark(connection, operator, wanted, demo=settings.demo),
            status=200,
        )
    return answer.response()
