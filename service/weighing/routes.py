"""HTTP of weighing."""

import pydantic_core
from aiohttp import web

from schemas.weigh_events import (
    CONTENT_TYPE_BATCH,
    CONTENT_TYPE_EVENT,
    PricedEvents,
    WeighEvent,
    WeighEventOutcomes,
    weigh_event_batch_adapter,
)
from service.auth import authenticate_bin, authenticate_operator, bearer_token, is_signed
from service.cloud_events import POSTING_PROBLEMS
from service.errors import (
    BinSuspended,
    BodyTooLarge,
    DatabaseUnavailable,
    Forbidden,
    KeyUnknown,
    KeyUnreadable,
    MalformedJson,
    SignatureRefused,
    SourceMismatch,
    TokenInvalid,
    TwoCredentials,
    UnsupportedMediaType,
    ValidationFailed,
)
from service.keys import ENGINE, METRICS, REFERENCE, SETTINGS
from service.routing import JSON_CONTENT_TYPE, Routes, json_response, read_body
from service.weighing.intake import Intake, parse_events
from service.weighing.pricing import Pricing

INTAKE = web.AppKey("intake", Intake)
PRICING = web.AppKey("pricing", Pricing)
CONTENT_TYPES = (CONTENT_TYPE_EVENT, CONTENT_TYPE_BATCH, JSON_CONTENT_TYPE)
JSON_HEADERS = {"Content-Type": JSON_CONTENT_TYPE}

FORMS = {
    CONTENT_TYPE_EVENT: WeighEvent,
    CONTENT_TYPE_BATCH: weigh_event_batch_adapter,
    JSON_CONTENT_TYPE: WeighEvent,
}

routes = Routes("weighing")


@routes.route(
    "POST",
    "/v1/weigh-events",
    summary="Post one weigh event or a batch",
    caller="bin",
    takes=FORMS,
    answers={200: WeighEventOutcomes},
    problems=(*POSTING_PROBLEMS, BinSuspended),
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


@routes.route(
    "POST",
    "/v1/weigh-events:price",
    summary="Ask what weigh events would earn",
    caller=("bin", "operator"),
    takes=FORMS,
    answers={200: PricedEvents},
    problems=(
        MalformedJson,
        SignatureRefused,
        KeyUnknown,
        TokenInvalid,
        TwoCredentials,
        Forbidden,
        SourceMismatch,
        BinSuspended,
        BodyTooLarge,
        KeyUnreadable,
        UnsupportedMediaType,
        ValidationFailed,
        DatabaseUnavailable,
    ),
)
async def price_weigh_events(request: web.Request) -> web.Response:
    """The same body as for posting. Answers what each event would earn and which rules would act if it were posted now;
    nothing is stored and no sequence is used up. A bin asks about its own events, an operator about any bin's."""
    app = request.app
    settings = app[SETTINGS]
    body = await read_body(request, CONTENT_TYPES, settings)
    bin_id, skew = None, None
    if is_signed(request):
        signed = await authenticate_bin(request, body, app[REFERENCE], settings.signature_tolerance_seconds)
        bin_id, skew = signed.signer.bin_id, signed.clock_skew_seconds
    else:
        async with app[ENGINE].connect() as connection:
            await authenticate_operator(connection, bearer_token(request), demo=settings.demo)
    return json_response(PricedEvents(priced=await app[PRICING].price(bin_id, parse_events(body), skew)))
