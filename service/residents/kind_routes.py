"""HTTP of traders: operators."""

from typing import Final

from aiohttp import web

from schemas.residents import KindRequest, ResidentKind
from service.errors import Forbidden, ResidentUnknown
from service.idempotency import KEYED_WRITE
from service.keys import SETTINGS
from service.operator_requests import operator_writes
from service.residents.kinds import mark
from service.routing import Routes

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
    demo = request.app[SETTINGS].demo
    return await operator_writes(
        request,
        KindRequest,
        lambda connection, operator, wanted: mark(connection, operator, wanted, demo=demo),
        roles=MARKERS,
    )
