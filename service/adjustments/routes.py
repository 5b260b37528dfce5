"""HTTP of adjustments."""

from uuid import UUID

from aiohttp import hdrs, web

from schemas.adjustments import (
    Adjustment,
    AdjustmentRequest,
    Adjustments,
    AdjustmentsQuery,
    ApproveAdjustmentRequest,
    RejectAdjustmentRequest,
)
from service.adjustments.adjusting import (
    Release,
    after_release,
    approve_adjustment,
    read_adjustment,
    read_adjustments,
    reject_adjustment,
    request_adjustment,
)
from service.auth import authenticate_operator, bearer_token
from service.db import transaction
from service.errors import (
    AdjustmentDecided,
    AdjustmentUnknown,
    CorrectionExceeds,
    DatabaseUnavailable,
    Forbidden,
    HoldsDue,
    InsufficientCoins,
    OwnAdjustment,
    RequesterRevoked,
    ResidentUnknown,
    TokenInvalid,
    TransferUnknown,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE, StoredAnswer, answer_once, read_keyed
from service.keys import ENGINE, SETTINGS
from service.operator_requests import operator_snapshot, operator_writes
from service.routing import Routes, json_response, path_id, read_model, read_query

ADJUSTERS = frozenset({"operator", "admin"})

RELEASE: web.AppKey[Release] = web.AppKey("release")

routes = Routes("adjustments")


@routes.route(
    "POST",
    "/v1/adjustments",
    summary="Request a correction of a wallet",
    caller="operator",
    takes=AdjustmentRequest,
    answers={201: Adjustment},
    problems=(*KEYED_WRITE, Forbidden, ResidentUnknown, TransferUnknown),
    idempotent=True,
)
async def post_adjustment(request: web.Request) -> web.Response:
    """No coins move until another operator approves. Needs the role operator or admin."""
    demo = request.app[SETTINGS].demo
    response = await operator_writes(
        request,
        AdjustmentRequest,
        lambda connection, operator, wanted: request_adjustment(connection, operator, wanted, demo=demo),
        roles=ADJUSTERS,
        status=201,
    )
    return _not_stored(response)


@routes.route(
    "POST",
    "/v1/adjustments/{id}/approve",
    summary="Approve another operator's correction",
    caller="operator",
    takes=ApproveAdjustmentRequest,
    answers={200: Adjustment},
    problems=(
        *KEYED_WRITE,
        OwnAdjustment,
        Forbidden,
        AdjustmentUnknown,
        AdjustmentDecided,
        RequesterRevoked,
        CorrectionExceeds,
        InsufficientCoins,
        HoldsDue,
    ),
    idempotent=True,
)
async def post_approval(request: web.Request) -> web.Response:
    """The coins move, and the transfer names both operators. Nobody approves their own, nor what another key of that
    name has requested, nor what a key that was revoked since has requested. Corrections of one transfer together take
    back at most what it moved. A debit above what is available is declined and goes on waiting: try again with a new
    Idempotency-Key, or reject it. Needs the role operator or admin."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    await read_model(request, ApproveAdjustmentRequest, settings)
    keyed = await read_keyed(request)

    async def approve() -> StoredAnswer:
        async with transaction(request.app[ENGINE]) as connection:
            operator = await authenticate_operator(connection, token, ADJUSTERS, demo=settings.demo)
            adjustment_id = _adjustment_id(request)
            return await answer_once(
                connection,
                actor=operator.actor,
                keyed=keyed,
                work=lambda: approve_adjustment(connection, operator, adjustment_id),
                status=200,
            )

    answer = await after_release(approve, request.app[RELEASE])
    return _not_stored(answer.response())


@routes.route(
    "POST",
    "/v1/adjustments/{id}/reject",
    summary="Reject a correction, or withdraw one's own",
    caller="operator",
    takes=RejectAdjustmentRequest,
    answers={200: Adjustment},
    problems=(*KEYED_WRITE, Forbidden, AdjustmentUnknown, AdjustmentDecided),
    idempotent=True,
)
async def post_rejection(request: web.Request) -> web.Response:
    """No coins move, and it cannot be approved any more. Needs the role operator or admin."""
    response = await operator_writes(
        request,
        RejectAdjustmentRequest,
        lambda connection, operator, wanted: reject_adjustment(
            connection, operator, _adjustment_id(request), wanted.reason
        ),
        roles=ADJUSTERS,
    )
    return _not_stored(response)


@routes.route(
    "GET",
    "/v1/adjustments",
    summary="Corrections of wallets, newest first",
    caller="operator",
    query=AdjustmentsQuery,
    answers={200: Adjustments},
    problems=(TokenInvalid, Forbidden, ValidationFailed, DatabaseUnavailable),
)
async def get_adjustments(request: web.Request) -> web.Response:
    """Those that wait, that were approved or that were rejected; all of them where `state` is not given."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, AdjustmentsQuery)
        page = await read_adjustments(connection, query)
    return _not_stored(json_response(page))


@routes.route(
    "GET",
    "/v1/adjustments/{id}",
    summary="Look up a correction",
    caller="operator",
    answers={200: Adjustment},
    problems=(TokenInvalid, Forbidden, AdjustmentUnknown, DatabaseUnavailable),
)
async def get_adjustment(request: web.Request) -> web.Response:
    """With the names of both operators, and the transfer that moved the coins."""
    async with operator_snapshot(request) as connection:
        found = await read_adjustment(connection, _adjustment_id(request))
    return _not_stored(json_response(found))


def _adjustment_id(request: web.Request) -> UUID:
    """Raises AdjustmentUnknown."""
    adjustment_id = path_id(request)
    if adjustment_id is None:
        raise AdjustmentUnknown
    return adjustment_id


def _not_stored(response: web.Response) -> web.Response:
    """It tells of one person's coins: not for any cache on the way."""
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
