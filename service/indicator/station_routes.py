"""HTTP of scrap stations: their own months and weights, and all of them for operators."""

from aiohttp import web

from schemas.stations import (
    Station,
    StationReceipt,
    StationReport,
    Stations,
    StationsQuery,
    StationWeights,
    WeightsQuery,
)
from service.auth import authenticate_station, bearer_token
from service.business_days import business_today
from service.db import snapshot, transaction
from service.errors import (
    DatabaseUnavailable,
    Forbidden,
    InputOverlaps,
    MaterialUnknown,
    MonthNotDue,
    TokenInvalid,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE, answer_once, read_keyed
from service.indicator.stations import read_station, read_stations, read_weights, report_weights
from service.keys import ENGINE, SETTINGS
from service.operator_requests import operator_snapshot
from service.routing import Routes, json_response, read_model, read_query

READ_PROBLEMS = (TokenInvalid, Forbidden, DatabaseUnavailable)

routes = Routes("stations")


@routes.route(
    "POST",
    "/v1/stations/me/weights",
    summary="Report what a scrap station bought in a month",
    caller="station",
    takes=StationReport,
    answers={201: StationReceipt},
    problems=(*KEYED_WRITE, Forbidden, MonthNotDue, MaterialUnknown, InputOverlaps),
    idempotent=True,
)
async def post_station_weights(request: web.Request) -> web.Response:
    """By material, all of it or nothing, from the day after the month on. The same month again is a correction: a
    material that is left out stays as it was, and 0 says that none was bought. Without what bins and pickups brought
    there, which is weighed elsewhere. Where no document is named, the report itself is the document, by its digest."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, StationReport, settings)
    keyed = await read_keyed(request)
    today = business_today(settings.business_timezone)
    async with transaction(request.app[ENGINE]) as connection:
        station = await authenticate_station(connection, token, demo=settings.demo)
        answer = await answer_once(
            connection,
            actor=station.actor,
            keyed=keyed,
            work=lambda: report_weights(connection, station.id, wanted, recorded_by=station.key_id, today=today),
        )
    return answer.response()


@routes.route(
    "GET",
    "/v1/stations/me",
    summary="A scrap station's own months",
    caller="station",
    answers={200: Station},
    problems=READ_PROBLEMS,
)
async def get_own_station(request: web.Request) -> web.Response:
    """Which are reported and which are missing, newest first."""
    settings = request.app[SETTINGS]
    async with snapshot(request.app[ENGINE]) as connection:
        station = await authenticate_station(connection, bearer_token(request), demo=settings.demo)
        today = business_today(settings.business_timezone)
        return json_response(await read_station(connection, station.id, today=today))


@routes.route(
    "GET",
    "/v1/stations/me/weights",
    summary="What a scrap station has reported of a month",
    caller="station",
    query=WeightsQuery,
    answers={200: StationWeights},
    problems=(*READ_PROBLEMS, ValidationFailed),
)
async def get_own_station_weights(request: web.Request) -> web.Response:
    """What counts, by material; also what an operator has recorded for the station."""
    token = bearer_token(request)
    query = read_query(request, WeightsQuery)
    async with snapshot(request.app[ENGINE]) as connection:
        station = await authenticate_station(connection, token, demo=request.app[SETTINGS].demo)
        return json_response(await read_weights(connection, station.id, query.month))


@routes.route(
    "GET",
    "/v1/stations",
    summary="All scrap stations and their months",
    caller="operator",
    query=StationsQuery,
    answers={200: Stations},
    problems=(*READ_PROBLEMS, ValidationFailed),
)
async def get_stations(request: web.Request) -> web.Response:
    """By id, each with the months that are reported and those that are missing."""
    settings = request.app[SETTINGS]
    async with operator_snapshot(request) as connection:
        query = read_query(request, StationsQuery)
        today = business_today(settings.business_timezone)
        return json_response(await read_stations(connection, query, today=today))
