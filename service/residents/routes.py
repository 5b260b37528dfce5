"""HTTP of residents: the mini-program."""

from datetime import UTC, datetime, timedelta

from aiohttp import hdrs, web

from schemas.residents import (
    BindCard,
    BoundCard,
    LogIn,
    Me,
    OpenedSession,
    RedemptionsQuery,
    ResidentRedemptions,
    Transfers,
    TransfersQuery,
)
from service.auth import authenticate_resident, bearer_token
from service.business_days import business_day
from service.db import snapshot, transaction
from service.errors import (
    BodyTooLarge,
    CardLimitReached,
    CardTaken,
    DatabaseUnavailable,
    MalformedJson,
    TokenInvalid,
    UnsupportedMediaType,
    ValidationFailed,
    WechatCodeRefused,
    WechatRateLimited,
    WechatUnavailable,
    WechatUserRefused,
)
from service.keys import ENGINE, KEYRING, REFERENCE, SETTINGS
from service.residents.cards import bind_card, credit_bound_card
from service.residents.claiming import Terms
from service.residents.overview import read_overview
from service.residents.redemptions import read_redemptions
from service.residents.sessions import close_session, log_in
from service.residents.statement import read_statement
from service.residents.wechat import WechatClient
from service.routing import Routes, json_response, read_model, read_query

# Absent where the operator has not set TANBI_WECHAT_APP_ID.
WECHAT = web.AppKey("wechat", WechatClient)

WECHAT_NOT_CONFIGURED = (
    "Log-in by WeChat is not set up on this service: its operator has to set TANBI_WECHAT_APP_ID and"
    " TANBI_WECHAT_SECRET, from mp.weixin.qq.com."
)
BODY_PROBLEMS = (MalformedJson, BodyTooLarge, UnsupportedMediaType, ValidationFailed)

routes = Routes("residents")


@routes.route(
    "POST",
    "/v1/sessions",
    summary="Log in with a code of wx.login()",
    takes=LogIn,
    answers={201: OpenedSession},
    problems=(
        *BODY_PROBLEMS,
        WechatCodeRefused,
        WechatUserRefused,
        WechatRateLimited,
        WechatUnavailable,
        DatabaseUnavailable,
    ),
)
async def post_session(request: web.Request) -> web.Response:
    """Who logs in for the first time is registered. A code works once: after a lost answer call wx.login() again."""
    app = request.app
    settings = app[SETTINGS]
    body = await read_model(request, LogIn, settings)
    client = app.get(WECHAT)
    if client is None:
        raise WechatUnavailable(WECHAT_NOT_CONFIGURED, retry_after_seconds=3600)
    session = await log_in(
        app[ENGINE],
        app[KEYRING],
        client,
        body.wechat_code,
        lifetime=timedelta(days=settings.session_days),
        demo=settings.demo,
    )
    return _not_stored(
        json_response(
            OpenedSession(token=session.token, expires_at=session.expires_at, resident_id=session.resident_id), 201
        )
    )


@routes.route(
    "DELETE",
    "/v1/sessions/current",
    summary="Log out",
    caller="resident",
    answers={204: None},
    problems=(TokenInvalid, DatabaseUnavailable),
)
async def delete_current_session(request: web.Request) -> web.Response:
    """The token of this request is no longer accepted; other sessions of the resident go on."""
    app = request.app
    token = bearer_token(request)
    async with transaction(app[ENGINE]) as connection:
        await authenticate_resident(connection, token, demo=app[SETTINGS].demo)
        await close_session(connection, token)
    return web.Response(status=204)


@routes.route(
    "GET",
    "/v1/me",
    summary="What the resident has: coins, weights, avoided CO2e",
    caller="resident",
    answers={200: Me},
    problems=(TokenInvalid, DatabaseUnavailable),
)
async def get_me(request: web.Request) -> web.Response:
    """Coins are as of now; weights are added up within about two seconds of a drop."""
    app = request.app
    settings = app[SETTINGS]
    token = bearer_token(request)
    async with snapshot(app[ENGINE]) as connection:
        resident = await authenticate_resident(connection, token, demo=settings.demo)
        me = await read_overview(
            connection,
            resident.id,
            today=business_day(datetime.now(UTC), settings.business_timezone),
            zone=settings.business_timezone,
        )
    return _not_stored(json_response(me))


@routes.route(
    "GET",
    "/v1/me/transfers",
    summary="The resident's transfers, newest first",
    caller="resident",
    query=TransfersQuery,
    answers={200: Transfers},
    problems=(TokenInvalid, ValidationFailed, DatabaseUnavailable),
)
async def get_transfers(request: web.Request) -> web.Response:
    """Coins are signed: what came in is positive, what went out negative."""
    app = request.app
    token = bearer_token(request)
    query = read_query(request, TransfersQuery)
    async with app[ENGINE].connect() as connection:
        resident = await authenticate_resident(connection, token, demo=app[SETTINGS].demo)
        page = await read_statement(connection, resident.id, before_id=query.cursor, limit=query.limit)
    return _not_stored(json_response(page))


@routes.route(
    "GET",
    "/v1/me/redemptions",
    summary="The resident's redemptions, newest first",
    caller="resident",
    query=RedemptionsQuery,
    answers={200: ResidentRedemptions},
    problems=(TokenInvalid, ValidationFailed, DatabaseUnavailable),
)
async def get_redemptions(request: web.Request) -> web.Response:
    """What became of each: whether its coins are held, were taken, given back, or are the resident's again."""
    app = request.app
    token = bearer_token(request)
    query = read_query(request, RedemptionsQuery)
    async with app[ENGINE].connect() as connection:
        resident = await authenticate_resident(connection, token, demo=app[SETTINGS].demo)
        page = await read_redemptions(connection, resident.id, before=query.cursor, limit=query.limit)
    return _not_stored(json_response(page))


@routes.route(
    "POST",
    "/v1/me/cards",
    summary="Bind a card",
    caller="resident",
    takes=BindCard,
    answers={200: BoundCard, 201: BoundCard},
    problems=(TokenInvalid, *BODY_PROBLEMS, CardTaken, CardLimitReached, DatabaseUnavailable),
)
async def post_card(request: web.Request) -> web.Response:
    """Unclaimed drops of the last 30 days with this card are credited, once. 201 the first time; 200 when the resident
    has the card already: the card is its own idempotency key, so the request may be sent again. More than 1000 such
    drops go on being credited after the answer. What is beyond the limits of a day waits for an operator, see
    `/v1/me/held-drops`."""
    app = request.app
    settings = app[SETTINGS]
    token = bearer_token(request)
    body = await read_model(request, BindCard, settings)
    digest = app[KEYRING].credential_digest("card", body.value)
    terms = Terms.of(settings, app[REFERENCE])
    async with transaction(app[ENGINE]) as connection:
        resident = await authenticate_resident(connection, token, demo=settings.demo)
        binding = await bind_card(
            connection,
            resident.id,
            digest,
            cards_max=settings.cards_per_resident_max,
            waiting_max=terms.waiting_max,
            demo=settings.demo,
        )
    # In a transaction of its own, when the binding can be seen by all: see cards.py.
    async with transaction(app[ENGINE]) as connection:
        credited = await credit_bound_card(connection, resident.id, digest, terms)
    answer = BoundCard(
        bound_at=binding.bound_at,
        credited_events=credited.events,
        credited_coins=credited.coins,
        balance_coins=credited.balance_coins,
    )
    return _not_stored(json_response(answer, 201 if binding.new else 200))


def _not_stored(response: web.Response) -> web.Response:
    """Personal, or a token: not for any cache on the way."""
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
