"""HTTP of reviews: the operators' queue."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.reviews import RejectRequest, ReleaseRequest, Review, ReviewItem, Reviews, ReviewsQuery
from service.auth import OPERATOR_ROLES, Operator, authenticate_operator, bearer_token
from service.db import snapshot, transaction
from service.errors import (
    AreaUnknown,
    BinUnknown,
    DatabaseUnavailable,
    Forbidden,
    OwnRejection,
    ReviewDecided,
    ReviewUnknown,
    TokenInvalid,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE, answer_once, read_keyed
from service.keys import ENGINE, SETTINGS
from service.review.deciding import reject, release
from service.review.reading import read_review, read_reviews
from service.routing import Routes, json_response, path_id, read_model, read_query

REVIEWERS = frozenset({"operator", "admin"})

routes = Routes("review")


@routes.route(
    "GET",
    "/v1/reviews",
    summary="Held drops, oldest first",
    caller="operator",
    query=ReviewsQuery,
    answers={200: Reviews},
    problems=(TokenInvalid, Forbidden, ValidationFailed, BinUnknown, AreaUnknown, DatabaseUnavailable),
)
async def get_reviews(request: web.Request) -> web.Response:
    """With `state=waiting` the queue: what nobody has decided yet, and what was appealed against."""
    token = bearer_token(request)
    query = read_query(request, ReviewsQuery)
    async with snapshot(request.app[ENGINE]) as connection:
        await authenticate_operator(connection, token, OPERATOR_ROLES, demo=request.app[SETTINGS].demo)
        page = await read_reviews(connection, query)
    return _not_stored(json_response(page))


@routes.route(
    "GET",
    "/v1/reviews/{id}",
    summary="A held drop, with all that is needed to decide",
    caller="operator",
    answers={200: Review},
    problems=(TokenInvalid, Forbidden, ReviewUnknown, DatabaseUnavailable),
)
async def get_review(request: web.Request) -> web.Response:
    """The drop and why it was held, what happened to its box before and after, the account's day, the bin with its
    clock and place, the appeal, and the decisions so far. No card and no name; the appeal is personal."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    async with snapshot(request.app[ENGINE]) as connection:
        await authenticate_operator(connection, token, OPERATOR_ROLES, demo=settings.demo)
        review = await read_review(connection, _id(request), zone=settings.business_timezone)
    return _not_stored(json_response(review))


@routes.route(
    "POST",
    "/v1/reviews/{id}/release",
    summary="Let a held drop count",
    caller="operator",
    takes=ReleaseRequest,
    answers={200: ReviewItem},
    problems=(*KEYED_WRITE, Forbidden, OwnRejection, ReviewUnknown, ReviewDecided),
    idempotent=True,
)
async def post_release(request: web.Request) -> web.Response:
    """Its volume is of the day of its time, its coins are of the tariff that was in force then, and go to whoever the
    card belongs to by now; where that is nobody, they wait like those of any drop. The resident reads the reason. Who
    has rejected a drop does not decide on the appeal, also not with a second key of the same name. Needs the role
    operator or admin."""
    settings = request.app[SETTINGS]
    wanted = await read_model(request, ReleaseRequest, settings)
    zone, demo = settings.business_timezone, settings.demo
    return await _decide(
        request,
        lambda connection, operator: release(connection, operator, _id(request), wanted, zone=zone, demo=demo),
    )


@routes.route(
    "POST",
    "/v1/reviews/{id}/reject",
    summary="Let a held drop count nowhere",
    caller="operator",
    takes=RejectRequest,
    answers={200: ReviewItem},
    problems=(*KEYED_WRITE, Forbidden, OwnRejection, ReviewUnknown, ReviewDecided),
    idempotent=True,
)
async def post_review_rejection(request: web.Request) -> web.Response:
    """The resident reads the reason, and may appeal once: then the drop is in the queue again, for another operator.
    Needs the role operator or admin."""
    wanted = await read_model(request, RejectRequest, request.app[SETTINGS])
    return await _decide(request, lambda connection, operator: reject(connection, operator, _id(request), wanted))


async def _decide(
    request: web.Request, decide: Callable[[AsyncConnection, Operator], Awaitable[ReviewItem]]
) -> web.Response:
    """The body was read, and found good."""
    token = bearer_token(request)
    keyed = await read_keyed(request)
    async with transaction(request.app[ENGINE]) as connection:
        operator = await authenticate_operator(connection, token, REVIEWERS, demo=request.app[SETTINGS].demo)
        answer = await answer_once(
            connection,
            actor=operator.actor,
            keyed=keyed,
            work=lambda: decide(connection, operator),
            status=200,
        )
    return _not_stored(answer.response())


def _id(request: web.Request) -> UUID:
    """Raises ReviewUnknown for what no id is."""
    review_id = path_id(request)
    if review_id is None:
        raise ReviewUnknown
    return review_id


def _not_stored(response: web.Response) -> web.Response:
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
