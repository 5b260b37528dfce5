"""HTTP of the indicator."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from schemas.indicator import IndicatorInput, InputsQuery, RateQuery, RecordedInput, RecordedInputs, RecyclingRate
from service.auth import OPERATOR_ROLES, authenticate_operator, bearer_token
from service.db import snapshot, transaction
from service.errors import (
    AreaUnknown,
    DatabaseUnavailable,
    Forbidden,
    InputOverlaps,
    TokenInvalid,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE, answer_once, read_keyed
from service.indicator.inputs import read_inputs, record_input
from service.indicator.rate import recycling_rate
from service.keys import ENGINE, SETTINGS
from service.periods import Period
from service.routing import Routes, json_response, read_model, read_query
from service.settings import Settings

RECORDERS = frozenset({"operator", "admin"})
READ_PROBLEMS = (TokenInvalid, Forbidden, AreaUnknown, ValidationFailed, DatabaseUnavailable)

routes = Routes("indicator")


def business_day(settings: Settings) -> date:
    return datetime.now(ZoneInfo(settings.business_timezone)).date()


@routes.route(
    "GET",
    "/v1/indicator/recycling-rate",
    summary="The recycling rate of an area",
    caller="operator",
    query=RateQuery,
    answers={200: RecyclingRate},
    problems=READ_PROBLEMS,
)
async def get_recycling_rate(request: web.Request) -> web.Response:
    """Of a year or a month and any area of the tree, with the masses it is made of, where they come from, and what is
    missing. An area's own inputs count, or else what all of its child areas add up to. Where something that the formula
    needs is not recorded, the rate is null and the answer says what; nothing is estimated."""
    app = request.app
    settings = app[SETTINGS]
    token = bearer_token(request)
    query = read_query(request, RateQuery)
    async with snapshot(app[ENGINE]) as connection:
        await authenticate_operator(connection, token, OPERATOR_ROLES, demo=settings.demo)
        rate = await recycling_rate(
            connection,
            area_id=query.area,
            period=Period.parse(query.period),
            formula_id=query.formula,
            today=business_day(settings),
        )
    return json_response(rate)


@routes.route(
    "POST",
    "/v1/indicator/inputs",
    summary="Record a mass for the indicator",
    caller="operator",
    takes=IndicatorInput,
    answers={201: RecordedInput},
    problems=(*KEYED_WRITE, Forbidden, AreaUnknown, InputOverlaps),
    idempotent=True,
)
async def post_input(request: web.Request) -> web.Response:
    """The same area, period, kind and source again is a correction: it gets the next version and supersedes the one
    before. Sources of one kind add up. Of waste cleared and kitchen waste, a source that reports some months must
    report all months that a rate is asked for: record 0 where there was nothing. Recyclables of a month that was not
    reported are not counted, and the rate's coverage says so. A year and a month of it cannot both be recorded. Needs
    the role operator or admin."""
    app = request.app
    settings = app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, IndicatorInput, settings)
    keyed = await read_keyed(request)
    async with transaction(app[ENGINE]) as connection:
        operator = await authenticate_operator(connection, token, RECORDERS, demo=settings.demo)
        answer = await answer_once(
            connection,
            actor=operator.actor,
            keyed=keyed,
            work=lambda: record_input(connection, wanted, recorded_by=operator.key_id, today=business_day(settings)),
        )
    return answer.response()


@routes.route(
    "GET",
    "/v1/indicator/inputs",
    summary="The recorded inputs, newest first",
    caller="operator",
    query=InputsQuery,
    answers={200: RecordedInputs},
    problems=READ_PROBLEMS,
)
async def get_inputs(request: web.Request) -> web.Response:
    """Every version, also those that a later one superseded."""
    app = request.app
    token = bearer_token(request)
    query = read_query(request, InputsQuery)
    async with snapshot(app[ENGINE]) as connection:
        await authenticate_operator(connection, token, OPERATOR_ROLES, demo=app[SETTINGS].demo)
        page = await read_inputs(
            connection,
            area_id=query.area,
            period=None if query.period is None else Period.parse(query.period),
            before_id=query.cursor,
            limit=query.limit,
        )
    return json_response(page)
