"""HTTP of bins' states and alarms, for operators."""

import re

from aiohttp import hdrs, web

from schemas.bin_states import (
    Alarms,
    AlarmsQuery,
    BinDetail,
    BinsQuery,
    BinStates,
    TelemetryHistory,
    TelemetryQuery,
)
from schemas.gaps import BinGapsQuery, GapsQuery, SequenceGaps
from schemas.patterns import PARTNER_ID
from service.errors import BinUnknown, DatabaseUnavailable, Forbidden, TokenInvalid, ValidationFailed
from service.fleet.gaps import list_gaps
from service.fleet.states import limits_of, list_alarms, list_states, list_telemetry, read_state
from service.keys import SETTINGS
from service.operator_requests import operator_snapshot
from service.routing import JSON_CONTENT_TYPE, Routes, json_response, read_query

READ_PROBLEMS = (TokenInvalid, Forbidden, DatabaseUnavailable)

routes = Routes("fleet")


@routes.route(
    "GET",
    "/v1/bins",
    summary="States of bins",
    caller="operator",
    query=BinsQuery,
    answers={200: BinStates},
    problems=(*READ_PROBLEMS, ValidationFailed),
)
async def get_bins(request: web.Request) -> web.Response:
    """Each bin with whether it is offline, wants emptying or has alarms, and what it told last. A page begins after the
    last bin of the page before, whatever has changed meanwhile."""
    settings = request.app[SETTINGS]
    async with operator_snapshot(request) as connection:
        query = read_query(request, BinsQuery)
        page = await list_states(connection, query, limits_of(settings))
    return web.Response(body=page.as_json(), headers={hdrs.CONTENT_TYPE: JSON_CONTENT_TYPE})


@routes.route(
    "GET",
    "/v1/bins/{bin_id}",
    summary="The state of a bin",
    caller="operator",
    answers={200: BinDetail},
    problems=(*READ_PROBLEMS, BinUnknown),
)
async def get_bin(request: web.Request) -> web.Response:
    """As in the list, with its open alarms."""
    settings = request.app[SETTINGS]
    async with operator_snapshot(request) as connection:
        return json_response(await read_state(connection, _bin_id(request), limits_of(settings)))


@routes.route(
    "GET",
    "/v1/bins/{bin_id}/telemetry",
    summary="What a bin told",
    caller="operator",
    query=TelemetryQuery,
    answers={200: TelemetryHistory},
    problems=(*READ_PROBLEMS, BinUnknown, ValidationFailed),
)
async def get_bin_telemetry(request: web.Request) -> web.Response:
    """Newest first: one event of each five minutes, and each that opened or closed an alarm, for thirty days."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, TelemetryQuery)
        return json_response(await list_telemetry(connection, _bin_id(request), query))


@routes.route(
    "GET",
    "/v1/alarms",
    summary="Alarms of bins",
    caller="operator",
    query=AlarmsQuery,
    answers={200: Alarms},
    problems=(*READ_PROBLEMS, ValidationFailed),
)
async def get_alarms(request: web.Request) -> web.Response:
    """Newest first. An alarm is open until the bin says otherwise; nobody closes it by hand."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, AlarmsQuery)
        return json_response(await list_alarms(connection, query))


@routes.route(
    "GET",
    "/v1/gaps",
    summary="Events of bins that never came",
    caller="operator",
    query=GapsQuery,
    answers={200: SequenceGaps},
    problems=(*READ_PROBLEMS, ValidationFailed, BinUnknown),
)
async def get_gaps(request: web.Request) -> web.Response:
    """Each bin numbers its events; what is missing of its count is a gap until it comes late. Newest first."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, GapsQuery)
        return json_response(await list_gaps(connection, query.bin, query))


@routes.route(
    "GET",
    "/v1/bins/{bin_id}/gaps",
    summary="Events of a bin that never came",
    caller="operator",
    query=BinGapsQuery,
    answers={200: SequenceGaps},
    problems=(*READ_PROBLEMS, ValidationFailed, BinUnknown),
)
async def get_bin_gaps(request: web.Request) -> web.Response:
    """As in the list of all bins."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, BinGapsQuery)
        return json_response(await list_gaps(connection, _bin_id(request), query))


def _bin_id(request: web.Request) -> str:
    """Raises BinUnknown for what no bin's id can be."""
    bin_id = request.match_info["bin_id"]
    if re.fullmatch(PARTNER_ID, bin_id) is None:
        raise BinUnknown
    return bin_id
