"""HTTP of weighing."""

import pydantic_core
from aiohttp import web

from schemas.weigh_events import (
    CONTENT_TYPE_BATCH,
    CONTENT_TYPE_EVENT,
    WeighEvent,
    WeighEventOutcomes,
    weigh_event_batch_adapter,
)
from service.auth import authenticate_bin
from service.errors import (
    BinSuspended,
    BodyTooLarge,
    DatabaseUnavailable,
    Draining,
    KeyUnknown,
    KeyUnreadable,
    MalformedJson,
    QueueFull,
    SignatureRefused,
    SourceMismatch,
    UnsupportedMediaType,
    ValidationFailed,
)
from service.keys import METRICS, REFERENCE, SETTINGS
from service.routing import JSON_CONTENT_TYPE, Routes, read_body
from service.weighing.intake import Intake, parse_events

INTAKE = web.AppKey("intake", Intake)
CONTENT_TYPES = (CONTENT_TYPE_EVENT, CONTENT_TYPE_BATCH, JSON_CONTENT_TYPE)
JSON_HEADERS = {"Content-Type": JSON_CONTENT_TYPE}

routes = Routes("weighing")


@routes.route(
    "POST",
    "/v1/weigh-events",
    summary="Post one weigh event or a batch",
    caller="bin",
    takes={
        CONTENT_TYPE_EVENT: WeighEvent,
        CONTENT_TYPE_BATCH: weigh_event_batch_adapter,
        JSON_CONTENT_TYPE: WeighEvent,
    },
    answers={200: WeighEventOutcomes},
    problems=(
        MalformedJson,
        SignatureRefused,
        KeyUnknown,
        SourceMismatch,
        BinSuspended,
        BodyTooLarge,
        KeyUnreadable,
        UnsupportedMediaType,
        ValidationFailed,
        QueueFull,
        Draining,
        DatabaseUnavailable,
    ),
)
async def post_weigh_events(request: web.Request) -> web.Response:
    """One outcome an event, in order; what is credited is committed before this answers. A retry of the same bytes is
    always safe. One bad event never fails its batch."""
    app = request.app
    settings = app[SETTINGS]
    body = await read_body(request, CONTENT_TYPES, settings)
    signed = await authenticate_bin(request, body, app[REFERENCE], settings.signature_tolerance_seconds)
    outcomes = await app[INTAKE].take(signed.signer.bin_id, parse_events(body), signed.clock_skew_seconds)
    app[METRICS].count_outcomes(outcomes)
    app[METRICS].note_skew(signed.signer.bin_id, signed.clock_skew_seconds)
    return web.Response(body=pydantic_core.to_json({"outcomes": outcomes}), headers=JSON_HEADERS)
