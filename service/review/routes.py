"""HTTP of reviews: the operators' queue."""

from uuid import UUID

from aiohttp import hdrs, web

from schemas.reviews import RejectRequest, ReleaseRequest, Review, ReviewItem, Reviews, ReviewsQuery
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
from service.idempotency import KEYED_WRITE
from service.keys import SETTINGS
from service.operator_requests import operator_snapshot, operator_writes
from service.review.deciding import reject, release
from service.review.reading import read_review, read_reviews
from service.routing import Routes, json_response, path_id, read_query

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
    async with operator_snapshot(request) as connection:
        query = read_query(request, ReviewsQuery)
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
    async with operator_snapshot(request) as connection:
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
    zone, demo = settings.business_timezone, settings.demo
    response = await operator_writes(
        request,
        ReleaseRequest,
        lambda connection, operator, wanted: release(connection, operator, _id(request), wanted, zone=zone, demo=demo),
        roles=REVIEWERS,
    )
    return _not_stored(response)


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
    response = await operator_writes(
        request,
        RejectRequest,
        lambda connection, operator, wanted: reject(connection, operator, _id(request), wanted),
        roles=REVIEWERS,
    )
    return _not_stored(response)


def _id(request: web.Request) -> UUID:
    """Raises ReviewUnknown for what no id is."""
    review_id = path_id(request)
    if review_id is None:
        raise ReviewUnknown
    return review_id


def _not_stored(response: web.Response) -> web.Response:
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
