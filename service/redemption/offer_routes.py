"""HTTP of offers: the merchant's catalogue, and what residents see of all of them."""

import re

from aiohttp import hdrs, web

from schemas.offers import (
    MerchantOffer,
    MerchantOffers,
    MerchantOffersQuery,
    NewOffer,
    OfferChange,
    Offers,
    OffersQuery,
)
from schemas.patterns import PARTNER_ID
from service.auth import authenticate_merchant, authenticate_resident, bearer_token
from service.db import transaction
from service.errors import (
    DatabaseUnavailable,
    Forbidden,
    OfferExists,
    OfferUnknown,
    StockTooSmall,
    TokenInvalid,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE, answer_once, read_keyed
from service.keys import ENGINE, SETTINGS
from service.redemption.offer_queries import Around
from service.redemption.offers import add_offer, change_offer, list_offers, list_own_offers
from service.routing import Routes, json_response, read_model, read_query

routes = Routes("redemption")


@routes.route(
    "GET",
    "/v1/offers",
    summary="What coins buy, nearest first",
    caller="resident",
    query=OffersQuery,
    answers={200: Offers},
    problems=(TokenInvalid, ValidationFailed, DatabaseUnavailable),
)
async def get_offers(request: web.Request) -> web.Response:
    """Offers that are valid now, with the sites where each is to be had. With a point, the offer with the nearest site
    comes first; without, they come by id. Round the point to three decimals before sending it: where a resident is is
    personal data, and more decimals are refused. One that is sold out is shown with `stock_left` 0."""
    app = request.app
    token = bearer_token(request)
    query = read_query(request, OffersQuery)
    async with app[ENGINE].connect() as connection:
        await authenticate_resident(connection, token, demo=app[SETTINGS].demo)
        page = await list_offers(
            connection,
            around=Around.of(query.latitude, query.longitude, query.radius_m),
            merchant_id=query.merchant_id,
            machine_kind=query.machine_kind,
            after=query.cursor,
            limit=query.limit,
        )
    response = json_response(page)
    # It says where the resident was.
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


@routes.route(
    "POST",
    "/v1/merchants/me/offers",
    summary="Add an offer to the merchant's catalogue",
    caller="merchant",
    takes=NewOffer,
    answers={201: MerchantOffer},
    problems=(*KEYED_WRITE, Forbidden, OfferExists),
    idempotent=True,
)
async def post_offer(request: web.Request) -> web.Response:
    """It can be had from `valid_from` on; residents are shown it at the merchant's shop or its machines of one kind. Of
    an offer with a stock, each redemption takes one piece, and a hold that is voided or expires puts it back."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, NewOffer, settings)
    keyed = await read_keyed(request)
    async with transaction(request.app[ENGINE]) as connection:
        merchant = await authenticate_merchant(connection, token, demo=settings.demo)
        answer = await answer_once(
            connection,
            actor=merchant.actor,
            keyed=keyed,
            work=lambda: add_offer(connection, merchant.id, wanted),
        )
    return answer.response()


@routes.route(
    "GET",
    "/v1/merchants/me/offers",
    summary="The merchant's catalogue",
    caller="merchant",
    query=MerchantOffersQuery,
    answers={200: MerchantOffers},
    problems=(TokenInvalid, Forbidden, ValidationFailed, DatabaseUnavailable),
)
async def get_own_offers(request: web.Request) -> web.Response:
    """By id, with what is left of each; also those that have not begun and those that are over."""
    app = request.app
    token = bearer_token(request)
    query = read_query(request, MerchantOffersQuery)
    async with app[ENGINE].connect() as connection:
        merchant = await authenticate_merchant(connection, token, demo=app[SETTINGS].demo)
        page = await list_own_offers(connection, merchant.id, after=query.cursor, limit=query.limit)
    return json_response(page)


@routes.route(
    "PATCH",
    "/v1/merchants/me/offers/{id}",
    summary="Change, restock or withdraw an offer",
    caller="merchant",
    takes=OfferChange,
    answers={200: MerchantOffer},
    problems=(*KEYED_WRITE, Forbidden, OfferUnknown, StockTooSmall),
    idempotent=True,
)
async def patch_offer(request: web.Request) -> web.Response:
    """Holds from the answer on: what was redeemed before keeps the price it had. To withdraw the offer, send a
    `valid_until` that has passed: it ends at once. Stock is added to, not set, because redemptions take from it at the
    same time."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, OfferChange, settings)
    keyed = await read_keyed(request)
    offer_id = request.match_info["id"]
    async with transaction(request.app[ENGINE]) as connection:
        merchant = await authenticate_merchant(connection, token, demo=settings.demo)
        if not re.fullmatch(PARTNER_ID, offer_id):
            raise OfferUnknown("You have no offer with this id.")
        answer = await answer_once(
            connection,
            actor=merchant.actor,
            keyed=keyed,
            work=lambda: change_offer(connection, merchant.id, offer_id, wanted),
            status=200,
        )
    return answer.response()
