"""HTTP of clearances."""

import pydantic_core
from aiohttp import web

from schemas.clearances import Clearance, ClearanceOutcomes, Clearances, ClearancesQuery, clearance_batch_adapter
from schemas.weigh_events import CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT
from service.auth import authenticate_bin
from service.cloud_events import POSTING_PROBLEMS
from service.errors import (
    BinSuspended,
    BinUnknown,
    DatabaseUnavailable,
    Forbidden,
    TokenInvalid,
    ValidationFailed,
)
from service.keys import METRICS, REFERENCE, SETTINGS
from service.operator_requests import operator_snapshot
from service.routing import JSON_CONTENT_TYPE, Routes, json_response, read_body, read_query
from service.weighing import clearance_reading
from service.weighing.clearances import ClearanceIntake, read_clearances

CONTENT_TYPES = (CONTENT_TYPE_EVENT, CONTENT_TYPE_BATCH, JSON_CONTENT_TYPE)
JSON_HEADERS = {"Content-Type": JSON_CONTENT_TYPE}
CLEARANCES = web.AppKey("clearances", ClearanceIntake)

routes = Routes("weighing")


@routes.route(
    "POST",
    "/v1/clearances",
    summary="Tell that boxes were emptied: one, or a batch",
    caller="bin",
    takes={
        CONTENT_TYPE_EVENT: Clearance,
        CONTENT_TYPE_BATCH: clearance_batch_adapter,
        JSON_CONTENT_TYPE: Clearance,
    },
    answers={200: ClearanceOutcomes},
    problems=(*POSTING_PROBLEMS, BinSuspended),
)
async def post_clearances(request: web.Request) -> web.Response:
    """One outcome an event, in order; what is recorded is committed before this answers, and a retry of the same bytes
    is always safe. An emptying takes the next number of the bin's count, as a drop does; send what happened in its
    order, or nobody knows which drops lay in the box. It closes the box's account also where it is doubtful, or
    rejected by a rule. `collector` is the id of a staff card or a vehicle, never a person's name."""
    app = request.app
    settings = app[SETTINGS]
    body = await read_body(request, CONTENT_TYPES, settings)
    signed = await authenticate_bin(request, body, app[REFERENCE], settings.signature_tolerance_seconds)
    bin_id = signed.signer.bin_id
    outcomes = await app[CLEARANCES].take(bin_id, read_clearances(body), signed.clock_skew_seconds)
    app[METRICS].count_clearances(outcomes)
    app[METRICS].note_skew(bin_id, signed.clock_skew_seconds)
    return web.Response(body=pydantic_core.to_json({"outcomes": outcomes}), headers=JSON_HEADERS)


@routes.route(
    "GET",
    "/v1/clearances",
    summary="Boxes that were emptied, newest first",
    caller="operator",
    query=ClearancesQuery,
    answers={200: Clearances},
    problems=(TokenInvalid, Forbidden, ValidationFailed, BinUnknown, DatabaseUnavailable),
)
async def get_clearances(request: web.Request) -> web.Response:
    """Each held against what was dropped since the one before: what the box must have weighed, what it did, and whether
    the scale may err by the difference. With `code=any` those that are doubtful."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, ClearancesQuery)
        return json_response(await clearance_reading.read_clearances(connection, query))
