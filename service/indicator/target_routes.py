"""HTTP of the targets."""

from aiohttp import web

from schemas.targets import NewTarget, SetTargets, TargetReceipt, TargetsQuery
from service.errors import (
    AreaUnknown,
    DatabaseUnavailable,
    Forbidden,
    NothingToWithdraw,
    TokenInvalid,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE
from service.indicator.inputs import RECORDERS
from service.indicator.setting_targets import read_targets, set_target
from service.operator_requests import operator_snapshot, operator_writes
from service.routing import Routes, json_response, read_query

routes = Routes("indicator")


@routes.route(
    "POST",
    "/v1/indicator/targets",
    summary="Set a year's target of an area",
    caller="operator",
    takes=NewTarget,
    answers={201: TargetReceipt},
    problems=(*KEYED_WRITE, Forbidden, AreaUnknown, NothingToWithdraw),
    idempotent=True,
)
async def post_target(request: web.Request) -> web.Response:
    """The same area and year again is a correction: it gets the next version and supersedes the one before; with
    `withdraw` the year has no target of its own. The same rate changes nothing, unless it has another reason or nobody
    knows who set it. Years between two targets lie on the straight line; an area without targets has those of the
    nearest area above it. What is published keeps the target of its own time. Needs the role operator or admin."""
    return await operator_writes(
        request,
        NewTarget,
        lambda connection, operator, wanted: set_target(connection, wanted, set_by=operator.key_id),
        roles=RECORDERS,
        status=201,
    )


@routes.route(
    "GET",
    "/v1/indicator/targets",
    summary="The targets by year, with who set them",
    caller="operator",
    query=TargetsQuery,
    answers={200: SetTargets},
    problems=(TokenInvalid, Forbidden, AreaUnknown, ValidationFailed, DatabaseUnavailable),
)
async def get_targets(request: web.Request) -> web.Response:
    """Those that count, or with `history` every version; the last that was set first."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, TargetsQuery)
        return json_response(await read_targets(connection, query))
