"""HTTP of telemetry."""

import pydantic_core
from aiohttp import hdrs, web

from schemas.telemetry import Telemetry, TelemetryOutcomes, telemetry_batch_adapter
from schemas.weigh_events import CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT
from service.auth import identify_bin
from service.cloud_events import POSTING_PROBLEMS
from service.errors import (
    BinRetired,
)
from service.fleet.telemetry import TelemetryIntake, read_telemetry
from service.keys import METRICS, REFERENCE, SETTINGS
from service.routing import JSON_CONTENT_TYPE, Routes, read_body

TELEMETRY = web.AppKey("telemetry", TelemetryIntake)
CONTENT_TYPES = (CONTENT_TYPE_EVENT, CONTENT_TYPE_BATCH, JSON_CONTENT_TYPE)
JSON_HEADERS = {hdrs.CONTENT_TYPE: JSON_CONTENT_TYPE}

routes = Routes("fleet")


@routes.route(
    "POST",
    "/v1/telemetry",
    summary="Tell a bin's state: a heartbeat, what it measures, or a batch of both",
    caller="bin",
    takes={
        CONTENT_TYPE_EVENT: Telemetry,
        CONTENT_TYPE_BATCH: telemetry_batch_adapter,
        JSON_CONTENT_TYPE: Telemetry,
    },
    answers={200: TelemetryOutcomes},
    problems=(*POSTING_PROBLEMS, BinRetired),
)
async def post_telemetry(request: web.Request) -> web.Response:
    """One outcome an event, in order. What is left out stays as it was told before, and an event without `data` is a
    heartbeat; a bin that is not heard of for 15 minutes is offline. Of each thing that is told, the newest by its own
    time is the bin's state; what is older adds to its history, and sending it again is safe. Smoke, heat, a scale's
    zero that is off and a low battery are alarms at once. A suspended bin is heard too: smoke is smoke. The answer may
    take a quarter of a second, as telemetry of many bins is written together."""
    app = request.app
    body = await read_body(request, CONTENT_TYPES, app[SETTINGS])
    signed = await identify_bin(request, body, app[REFERENCE], app[SETTINGS].signature_tolerance_seconds)
    bin_id = signed.signer.bin_id
    app[METRICS].note_skew(bin_id, signed.clock_skew_seconds)
    outcomes = await app[TELEMETRY].take(bin_id, read_telemetry(body), signed.clock_skew_seconds)
    app[METRICS].count_telemetry(outcomes)
    return web.Response(body=pydantic_core.to_json({"outcomes": outcomes}), headers=JSON_HEADERS)
