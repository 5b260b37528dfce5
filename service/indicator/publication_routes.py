"""HTTP of publications."""

import asyncio
from uuid import UUID

from aiohttp import web

from schemas.publications import (
    Publication,
    PublicationProposal,
    Publications,
    PublicationsQuery,
    PublishRequest,
    Recomputation,
    RejectPublicationRequest,
)
from service.business_days import business_today
from service.errors import (
    AlreadyPublished,
    AreaUnknown,
    DatabaseUnavailable,
    Forbidden,
    OwnPublication,
    PeriodNotOver,
    ProposalOutdated,
    PublicationDecided,
    PublicationUnknown,
    RateNotKnown,
    RequesterRevoked,
    RestatementRefused,
    TokenInvalid,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE
from service.indicator.inputs import RECORDERS
from service.indicator.publishing import (
    gather_record,
    propose,
    publish,
    read_number,
    read_publication,
    read_publications,
    recompute,
    reject,
)
from service.keys import SETTINGS
from service.operator_requests import operator_snapshot, operator_writes
from service.routing import Routes, json_response, path_id, read_query

READ = (TokenInvalid, Forbidden, PublicationUnknown, DatabaseUnavailable)

routes = Routes("publications")


@routes.route(
    "POST",
    "/v1/indicator/publications",
    summary="Propose a figure for publication",
    caller="operator",
    takes=PublicationProposal,
    answers={201: Publication},
    problems=(
        *KEYED_WRITE,
        Forbidden,
        AreaUnknown,
        PublicationUnknown,
        PeriodNotOver,
        RateNotKnown,
        AlreadyPublished,
        RestatementRefused,
    ),
    idempotent=True,
)
async def post_publication(request: web.Request) -> web.Response:
    """The rate with its formula, inputs, coverage and the version of the code is frozen, and waits for another
    operator. Of an area, period and formula one figure is published; a later correction is a restatement, which names
    the publication that it replaces and the reason. Needs the role operator or admin."""
    settings = request.app[SETTINGS]
    return await operator_writes(
        request,
        PublicationProposal,
        lambda connection, operator, wanted: propose(
            connection,
            operator,
            wanted,
            formula_id=settings.indicator_formula,
            today=business_today(settings.business_timezone),
        ),
        roles=RECORDERS,
        status=201,
    )


@routes.route(
    "POST",
    "/v1/indicator/publications/{id}/publish",
    summary="Publish a figure that another operator proposed",
    caller="operator",
    takes=PublishRequest,
    answers={200: Publication},
    problems=(
        *KEYED_WRITE,
        OwnPublication,
        Forbidden,
        PublicationUnknown,
        PublicationDecided,
        RequesterRevoked,
        ProposalOutdated,
        AlreadyPublished,
        RestatementRefused,
    ),
    idempotent=True,
)
async def post_publication_publish(request: web.Request) -> web.Response:
    """It gets its number, and is public. Nobody publishes what they proposed, nor what another key of that name has
    proposed. Where operators have recorded since what changes the figure, its coverage or what it does not count, it is
    not published, and the problem says what differs: reject it, and propose it anew. What bins weighed counts as it was
    proposed. Needs the role operator or admin."""
    today = business_today(request.app[SETTINGS].business_timezone)
    return await operator_writes(
        request,
        PublishRequest,
        lambda connection, operator, _: publish(connection, operator, _publication_id(request), today=today),
        roles=RECORDERS,
    )


@routes.route(
    "POST",
    "/v1/indicator/publications/{id}/reject",
    summary="Reject a proposed figure, or withdraw one's own",
    caller="operator",
    takes=RejectPublicationRequest,
    answers={200: Publication},
    problems=(*KEYED_WRITE, Forbidden, PublicationUnknown, PublicationDecided),
    idempotent=True,
)
async def post_publication_rejection(request: web.Request) -> web.Response:
    """It cannot be published any more. Needs the role operator or admin."""
    return await operator_writes(
        request,
        RejectPublicationRequest,
        lambda connection, operator, wanted: reject(connection, operator, _publication_id(request), wanted.reason),
        roles=RECORDERS,
    )


@routes.route(
    "GET",
    "/v1/indicator/publications",
    summary="Published and proposed figures, newest first",
    caller="operator",
    query=PublicationsQuery,
    answers={200: Publications},
    problems=(TokenInvalid, Forbidden, ValidationFailed, DatabaseUnavailable),
)
async def get_publications(request: web.Request) -> web.Response:
    """With who proposed and who published, and for a restatement the figure it replaced and the difference."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, PublicationsQuery)
        return json_response(await read_publications(connection, query))


@routes.route(
    "GET",
    "/v1/indicator/publications/{id}",
    summary="A publication with all that it froze",
    caller="operator",
    answers={200: Publication},
    problems=READ,
)
async def get_publication(request: web.Request) -> web.Response:
    """Its record has the inputs with their documents, the coverage, and the version of the code; the digest is of the
    bytes of `record_text`."""
    async with operator_snapshot(request) as connection:
        found = await read_publication(connection, _publication_id(request))
    return await asyncio.to_thread(json_response, found)


@routes.route(
    "GET",
    "/v1/indicator/publications/{id}/recomputation",
    summary="A published figure, computed again from the stored inputs",
    caller="operator",
    answers={200: Recomputation},
    problems=READ,
)
async def get_recomputation(request: web.Request) -> web.Response:
    """Every step beside what was published: the digest, each input as it is stored, each sum, the digits."""
    async with operator_snapshot(request) as connection:
        gathered = await gather_record(connection, await read_number(connection, _publication_id(request)))
    return await asyncio.to_thread(lambda: json_response(recompute(gathered)))


def _publication_id(request: web.Request) -> UUID:
    """Raises PublicationUnknown."""
    publication_id = path_id(request)
    if publication_id is None:
        raise PublicationUnknown
    return publication_id
