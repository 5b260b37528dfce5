"""HTTP of redemption."""

from datetime import timedelta
from uuid import UUID

from aiohttp import web

from schemas.redemptions import (
    MerchantRedemption,
    OwnRedemption,
    OwnRedemptionRequest,
    PayCode,
    PayCodeRedemptionRequest,
)
from service.auth import authenticate_merchant, authenticate_resident, bearer_token
from service.db import transaction
from service.errors import (
    DatabaseUnavailable,
    Forbidden,
    InsufficientCoins,
    MerchantUnknown,
    PayCodeExpired,
    PayCodeUnknown,
    PayCodeUsed,
    RedemptionUnknown,
    TokenInvalid,
)
from service.idempotency import KEYED_WRITE, StoredAnswer, answer_once, read_keyed
from service.keys import ENGINE, KEYRING, METRICS, SETTINGS
from service.redemption import queries
from service.redemption.pay_codes import issue_pay_code
from service.redemption.redeeming import redeem_own, redeem_pay_code
from service.routing import Routes, json_response, read_model

routes = Routes("redemption")


@routes.route(
    "POST",
    "/v1/me/pay-codes",
    summary="Get a pay-code to show to a merchant",
    caller="resident",
    answers={201: PayCode},
    problems=(TokenInvalid, DatabaseUnavailable),
)
async def post_pay_code(request: web.Request) -> web.Response:
    """Good for one redemption until `expires_at`. A new code makes the earlier one worthless; so the call may be
    repeated freely and needs no key."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    async with transaction(request.app[ENGINE]) as connection:
        resident = await authenticate_resident(connection, token, demo=settings.demo)
        answer = await issue_pay_code(
            connection,
            request.app[KEYRING],
            resident_id=resident.id,
            lifetime=timedelta(seconds=settings.pay_code_seconds),
        )
    # A code is money for a minute: nothing between here and the screen may keep it.
    response = json_response(answer, 201)
    response.headers["Cache-Control"] = "no-store"
    return response


@routes.route(
    "POST",
    "/v1/me/redemptions",
    summary="Pay a merchant with coins",
    caller="resident",
    takes=OwnRedemptionRequest,
    answers={201: OwnRedemption},
    problems=(*KEYED_WRITE, MerchantUnknown, InsufficientCoins),
    idempotent=True,
)
async def post_own_redemption(request: web.Request) -> web.Response:
    """The resident has scanned the merchant's code. The coins are taken at once. The same Idempotency-Key with the same
    bytes hears the first answer again, a decline too."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, OwnRedemptionRequest, settings)
    keyed = await read_keyed(request)
    async with transaction(request.app[ENGINE]) as connection:
        resident = await authenticate_resident(connection, token, demo=settings.demo)
        answer = await answer_once(
            connection, actor=resident.actor, keyed=keyed, work=lambda: redeem_own(connection, resident, wanted)
        )
    return _counted(request, answer)


@routes.route(
    "POST",
    "/v1/redemptions",
    summary="Take coins by a resident's pay-code",
    caller="merchant",
    takes=PayCodeRedemptionRequest,
    answers={201: MerchantRedemption},
    problems=(*KEYED_WRITE, Forbidden, PayCodeUnknown, PayCodeExpired, PayCodeUsed, InsufficientCoins),
    idempotent=True,
)
async def post_pay_code_redemption(request: web.Request) -> web.Response:
    """The merchant, or its machine, has scanned the resident's code. The coins are taken at once. A code pays once; one
    that was declined stays good until it expires. The same Idempotency-Key with the same bytes hears the first answer
    again, a decline too."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, PayCodeRedemptionRequest, settings)
    keyed = await read_keyed(request)
    digest = request.app[KEYRING].pay_code_digest(wanted.pay_code)
    async with transaction(request.app[ENGINE]) as connection:
        merchant = await authenticate_merchant(connection, token, demo=settings.demo)
        answer = await answer_once(
            connection,
            actor=merchant.actor,
            keyed=keyed,
            work=lambda: redeem_pay_code(connection, merchant, digest, wanted.coins),
        )
    return _counted(request, answer)


@routes.route(
    "GET",
    "/v1/redemptions/{id}",
    summary="Look up a redemption",
    caller="merchant",
    answers={200: MerchantRedemption},
    problems=(TokenInvalid, Forbidden, RedemptionUnknown, DatabaseUnavailable),
)
async def get_redemption(request: web.Request) -> web.Response:
    """The merchant's own only. Another merchant's, one that is not there and an id that cannot be one are all 404: the
    answer does not tell which."""
    token = bearer_token(request)
    async with transaction(request.app[ENGINE]) as connection:
        merchant = await authenticate_merchant(connection, token, demo=request.app[SETTINGS].demo)
        redemption_id = _redemption_id(request.match_info["id"])
        if redemption_id is None:
            raise RedemptionUnknown
        found = await queries.find_redemption(connection, redemption_id, merchant.id)
    if found is None:
        raise RedemptionUnknown
    return json_response(MerchantRedemption.model_validate(found, from_attributes=True))


def _redemption_id(text: str) -> UUID | None:
    """None for what no redemption has: UUID() alone would take braces, `urn:uuid:` and hyphens anywhere."""
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text.lower() else None


def _counted(request: web.Request, answer: StoredAnswer) -> web.Response:
    """Once an intent: a replay is the same redemption told again."""
    if not answer.replayed:
        request.app[METRICS].count_redemption(answer.code or "captured")
    return answer.response()
