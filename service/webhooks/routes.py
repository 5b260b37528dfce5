"""HTTP of webhooks: a merchant's endpoints and messages, and an operator's replay."""

from uuid import UUID

from aiohttp import hdrs, web
from aiohttp.abc import AbstractResolver

from schemas.webhooks import (
    RegisteredWebhook,
    WebhookEndpoints,
    WebhookMessages,
    WebhookMessagesQuery,
    WebhookRegistration,
    WebhookReplay,
    WebhookReplayRequest,
)
from service.auth import authenticate_merchant, bearer_token
from service.db import transaction
from service.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    Forbidden,
    MalformedJson,
    TokenInvalid,
    UnsupportedMediaType,
    ValidationFailed,
    WebhookLimitReached,
    WebhookUnknown,
)
from service.idempotency import KEYED_WRITE
from service.keys import ENGINE, KEYRING, SETTINGS
from service.operator_requests import operator_writes
from service.routing import Routes, json_response, path_id, read_model, read_query
from service.webhooks.endpoints import disable_endpoint, read_endpoints, register_endpoint
from service.webhooks.messages import read_messages, replay_message
from service.webhooks.sending import check_url

RESOLVER = web.AppKey("webhook_resolver", AbstractResolver)
REPLAYERS = frozenset({"operator", "admin"})
READ_PROBLEMS = (TokenInvalid, Forbidden, DatabaseUnavailable)

routes = Routes("webhooks")


@routes.route(
    "POST",
    "/v1/merchants/me/webhooks",
    summary="Register where messages are posted",
    caller="merchant",
    takes=WebhookRegistration,
    answers={201: RegisteredWebhook},
    problems=(
        *READ_PROBLEMS,
        MalformedJson,
        BodyTooLarge,
        UnsupportedMediaType,
        ValidationFailed,
        WebhookLimitReached,
    ),
)
async def post_webhook(request: web.Request) -> web.Response:
    """From now on each message of the merchant is posted there, signed with the secret of this answer by Standard
    Webhooks 1.0. Needs no Idempotency-Key: after a lost answer send the same URL again, for the same endpoint with a
    new secret."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, WebhookRegistration, settings)
    # Before any look-up of a name: not everyone may send us to ask for one.
    async with request.app[ENGINE].connect() as connection:
        merchant = await authenticate_merchant(connection, token, demo=settings.demo)
    url = await check_url(
        wanted.url,
        request.app[RESOLVER],
        merchant_id=merchant.id,
        private_addresses=settings.webhook_private_addresses,
    )
    async with transaction(request.app[ENGINE]) as connection:
        merchant = await authenticate_merchant(connection, token, demo=settings.demo)
        registered = await register_endpoint(
            connection,
            request.app[KEYRING],
            merchant_id=merchant.id,
            url=url,
            endpoints_max=settings.webhook_endpoints_max,
            demo=settings.demo,
        )
    response = json_response(registered, 201)
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


@routes.route(
    "GET",
    "/v1/merchants/me/webhooks",
    summary="Where messages are posted",
    caller="merchant",
    answers={200: WebhookEndpoints},
    problems=READ_PROBLEMS,
)
async def get_webhooks(request: web.Request) -> web.Response:
    """All endpoints of the merchant, without their secrets."""
    token = bearer_token(request)
    async with request.app[ENGINE].connect() as connection:
        merchant = await authenticate_merchant(connection, token, demo=request.app[SETTINGS].demo)
        return json_response(await read_endpoints(connection, merchant.id))


@routes.route(
    "DELETE",
    "/v1/merchants/me/webhooks/{id}",
    summary="Disable an endpoint",
    caller="merchant",
    answers={204: None},
    problems=(*READ_PROBLEMS, WebhookUnknown),
)
async def delete_webhook(request: web.Request) -> web.Response:
    """Nothing is posted there any more, and what still waits for it fails. The call may be repeated. To post there
    again, register the URL again."""
    token = bearer_token(request)
    async with transaction(request.app[ENGINE]) as connection:
        merchant = await authenticate_merchant(connection, token, demo=request.app[SETTINGS].demo)
        await disable_endpoint(connection, _id(request), because="by its merchant", merchant_id=merchant.id)
    return web.Response(status=204)


@routes.route(
    "GET",
    "/v1/merchants/me/webhook-messages",
    summary="What was sent, and what was answered",
    caller="merchant",
    query=WebhookMessagesQuery,
    answers={200: WebhookMessages},
    problems=(*READ_PROBLEMS, ValidationFailed),
)
async def get_webhook_messages(request: web.Request) -> web.Response:
    """The merchant's messages, newest first, each with its deliveries and their attempts. Settled messages are kept for
    90 days, unless the operator has set another time."""
    token = bearer_token(request)
    query = read_query(request, WebhookMessagesQuery)
    async with request.app[ENGINE].connect() as connection:
        merchant = await authenticate_merchant(connection, token, demo=request.app[SETTINGS].demo)
        page = await read_messages(connection, merchant.id, before_number=query.cursor, limit=query.limit)
    return json_response(page)


@routes.route(
    "POST",
    "/v1/webhook-messages/{id}/replay",
    summary="Send a message again",
    caller="operator",
    takes=WebhookReplayRequest,
    answers={200: WebhookReplay},
    problems=(*KEYED_WRITE, Forbidden, WebhookUnknown),
    idempotent=True,
)
async def post_webhook_replay(request: web.Request) -> web.Response:
    """To every endpoint that the merchant has now, whatever became of the message before, with the same webhook-id: who
    has it already tells by that. Needs the role operator or admin. Send `{}`."""
    demo = request.app[SETTINGS].demo
    return await operator_writes(
        request,
        WebhookReplayRequest,
        lambda connection, _, __: replay_message(connection, _id(request), demo=demo),
        roles=REPLAYERS,
    )


def _id(request: web.Request) -> UUID:
    """Raises WebhookUnknown."""
    found = path_id(request)
    if found is None:
        raise WebhookUnknown
    return found
