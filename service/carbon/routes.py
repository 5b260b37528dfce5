"""HTTP of carbon."""

from aiohttp import web

from schemas.carbon import CarbonAvoided, CarbonQuery, FactorSet, FactorSetRequest, FactorSets
from service.auth import authenticate_operator, bearer_token
from service.carbon.avoiding import read_avoided
from service.carbon.factor_sets import add_set, list_sets, read_set
from service.db import transaction
from service.errors import (
    AreaUnknown,
    BodyTooLarge,
    DatabaseUnavailable,
    FactorSetDiffers,
    Forbidden,
    MalformedJson,
    SiteUnknown,
    TokenInvalid,
    UnsupportedMediaType,
    ValidationFailed,
)
from service.keys import ENGINE, SETTINGS
from service.operator_requests import operator_snapshot
from service.periods import Period
from service.routing import Routes, json_response, read_model, read_query

RECORDERS = frozenset({"operator", "admin"})
READ_PROBLEMS = (TokenInvalid, Forbidden, DatabaseUnavailable)

routes = Routes("carbon")


@routes.route(
    "GET",
    "/v1/carbon",
    summary="The emissions that recycling avoided",
    caller="operator",
    query=CarbonQuery,
    answers={200: CarbonAvoided},
    problems=(*READ_PROBLEMS, ValidationFailed, AreaUnknown, SiteUnknown),
)
async def get_carbon(request: web.Request) -> web.Response:
    """Of a site, or of an area with all below it, in a period: grams by material, CO2e by each factor set that was in
    force, and together. Each drop counts by the set of its own business day, so a set that is chosen later changes
    nothing here. It is a comparison by a method, not a certified reduction: name the set and its source beside the
    figure."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, CarbonQuery)
        answer = await read_avoided(
            connection, area_id=query.area, site_id=query.site, period=Period.parse(query.period)
        )
    return json_response(answer)


@routes.route(
    "GET",
    "/v1/carbon/factor-sets",
    summary="Every carbon factor set",
    caller="operator",
    answers={200: FactorSets},
    problems=READ_PROBLEMS,
)
async def get_factor_sets(request: web.Request) -> web.Response:
    """With its factors and its source, and the days on which it is in force. Which one is, from a day on, is chosen by
    `tanbi carbon choose`."""
    async with operator_snapshot(request) as connection:
        answer = await list_sets(connection)
    return json_response(answer)


@routes.route(
    "POST",
    "/v1/carbon/factor-sets",
    summary="Add a carbon factor set",
    caller="operator",
    takes=FactorSetRequest,
    answers={200: FactorSet, 201: FactorSet},
    problems=(
        *READ_PROBLEMS,
        MalformedJson,
        BodyTooLarge,
        UnsupportedMediaType,
        ValidationFailed,
        FactorSetDiffers,
    ),
)
async def post_factor_set(request: web.Request) -> web.Response:
    """All or nothing, and for ever: a set is never changed. 201 the first time; 200 where the very same set is there
    already, so the request may be sent again: the set is its own idempotency key. It counts for nothing until it is
    chosen. Needs the role operator or admin."""
    app = request.app
    settings = app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, FactorSetRequest, settings)
    async with transaction(app[ENGINE]) as connection:
        operator = await authenticate_operator(connection, token, RECORDERS, demo=settings.demo)
        new = await add_set(connection, wanted, recorded_by=operator.key_id)
        answer = await read_set(connection, wanted.id)
    return json_response(answer, 201 if new else 200)
