"""HTTP of redemption."""

from datetime import timedelta

from aiohttp import hdrs, web

from schemas.redemptions import (
    CaptureRequest,
    MerchantRedemption,
    MerchantRedemptions,
    MerchantRedemptionsQuery,
    OwnRedemption,
    OwnRedemptionRequest,
    PayCode,
    PayCodeRedemptionRequest,
    RefundRequest,
    VoidRequest,
)
from service.auth import (
    Machine,
    Merchant,
    authenticate_machine,
    authenticate_merchant,
    authenticate_resident,
    bearer_token,
    is_signed,
)
from service.db import transaction
from service.errors import (
    AboveCaptured,
    AboveHeld,
    AlreadyCaptured,
    DatabaseUnavailable,
    Draining,
    Forbidden,
    HoldExpired,
    HoldVoided,
    InsufficientCoins,
    KeyUnknown,
    MerchantDayLimit,
    MerchantUnknown,
    NotCaptured,
    OfferDayLimit,
    OfferUnknown,
    OutOfStock,
    PayCodeExpired,
    PayCodeUnknown,
    PayCodeUsed,
    QueueFull,
    RedemptionLimit,
    RedemptionUnknown,
    ResidentDayLimit,
    SignatureRefused,
    TokenInvalid,
    ValidationFailed,
)
from service.groupcommit import GroupCommit, Poisoned
from service.idempotency import QUEUED_WRITE, StoredAnswer, read_keyed
from service.keys import ENGINE, KEYRING, METRICS, REFERENCE, SETTINGS
from service.redemption import queries
from service.redemption.commands import ApiKey, Asker, Capture, Command, Refund, SessionToken, Spend, Void, Wanted
from service.redemption.committing import Decided
from service.redemption.listing import list_redemptions
from service.redemption.pay_codes import issue_pay_code
from service.routing import JSON_CONTENT_TYPE, Routes, json_response, path_id, read_body, read_model, read_query
from service.secrets import token_hash

routes = Routes("redemption")

COMMANDS: web.AppKey[GroupCommit[Command, Decided]] = web.AppKey("commands", GroupCommit)

WRITE = (*QUEUED_WRITE, QueueFull, Draining)
SIGNED_WRITE = (*WRITE, SignatureRefused, KeyUnknown, Forbidden)
SPENDING = (
    InsufficientCoins,
    OfferUnknown,
    OutOfStock,
    OfferDayLimit,
    RedemptionLimit,
    ResidentDayLimit,
    MerchantDayLimit,
)


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
    problems=(*WRITE, MerchantUnknown, *SPENDING),
    idempotent=True,
)
async def post_own_redemption(request: web.Request) -> web.Response:
    """The resident has scanned the merchant's code. The coins are taken at once. The same Idempotency-Key with the same
    bytes hears the first answer again, a decline too."""
    asker = SessionToken(token_hash(bearer_token(request)))
    wanted = await read_model(request, OwnRedemptionRequest, request.app[SETTINGS])
    spend = Spend(wanted.merchant_id, None, wanted.coins, wanted.offer_id, capture=True)
    return await _command(request, asker, spend, "captured")


@routes.route(
    "POST",
    "/v1/redemptions",
    summary="Take or hold coins by a resident's pay-code",
    caller=("merchant", "machine"),
    takes=PayCodeRedemptionRequest,
    answers={201: MerchantRedemption},
    problems=(*SIGNED_WRITE, PayCodeUnknown, PayCodeExpired, PayCodeUsed, *SPENDING),
    idempotent=True,
)
async def post_pay_code_redemption(request: web.Request) -> web.Response:
    """The merchant, or its machine, has scanned the resident's code. With `capture` true the coins are taken at once;
    with false they are held until `expires_at`, to be captured or voided by then. One code pays once; one that was
    declined is as good as before."""
    asker = await _asker(request)
    wanted = await read_model(request, PayCodeRedemptionRequest, request.app[SETTINGS])
    digest = request.app[KEYRING].pay_code_digest(wanted.pay_code)
    spend = Spend(None, digest, wanted.coins, wanted.offer_id, wanted.capture)
    return await _command(request, asker, spend, "captured" if wanted.capture else "authorised")


@routes.route(
    "POST",
    "/v1/redemptions/{id}/capture",
    summary="Take what is held, or part of it",
    caller=("merchant", "machine"),
    takes=CaptureRequest,
    answers={200: MerchantRedemption},
    problems=(*SIGNED_WRITE, RedemptionUnknown, HoldExpired, HoldVoided, AlreadyCaptured, AboveHeld),
    idempotent=True,
)
async def post_capture(request: web.Request) -> web.Response:
    """Until `expires_at`; what is not taken is the resident's again. A hold is captured once. The machine that asked
    for the hold may tell later what it gave out, within its merchant's grace."""
    asker = await _asker(request)
    wanted = await read_model(request, CaptureRequest, request.app[SETTINGS])
    return await _command(request, asker, Capture(path_id(request), wanted.coins), "captured")


@routes.route(
    "POST",
    "/v1/redemptions/{id}/void",
    summary="Give back what is held",
    caller=("merchant", "machine"),
    takes=VoidRequest,
    answers={200: MerchantRedemption},
    problems=(*SIGNED_WRITE, RedemptionUnknown, HoldExpired, HoldVoided, AlreadyCaptured),
    idempotent=True,
)
async def post_void(request: web.Request) -> web.Response:
    """Nothing was given out: all that is held is the resident's again. Send `{}`."""
    asker = await _asker(request)
    await read_model(request, VoidRequest, request.app[SETTINGS])
    return await _command(request, asker, Void(path_id(request)), "voided")


@routes.route(
    "POST",
    "/v1/redemptions/{id}/refund",
    summary="Give back what was captured, or part of it",
    caller="merchant",
    takes=RefundRequest,
    answers={200: MerchantRedemption},
    problems=(*WRITE, Forbidden, RedemptionUnknown, NotCaptured, AboveCaptured),
    idempotent=True,
)
async def post_refund(request: web.Request) -> web.Response:
    """As often as wanted, until all that was captured is given back. Machines do not."""
    asker = await _asker(request)
    wanted = await read_model(request, RefundRequest, request.app[SETTINGS])
    return await _command(request, asker, Refund(path_id(request), wanted.coins, wanted.reason), "refunded")


@routes.route(
    "GET",
    "/v1/redemptions",
    summary="The merchant's redemptions, newest first",
    caller="merchant",
    query=MerchantRedemptionsQuery,
    answers={200: MerchantRedemptions},
    problems=(TokenInvalid, Forbidden, ValidationFailed, DatabaseUnavailable),
)
async def get_merchant_redemptions(request: web.Request) -> web.Response:
    """How each stands now, so that one can be found to be refunded or captured. Not who the resident is."""
    token = bearer_token(request)
    query = read_query(request, MerchantRedemptionsQuery)
    async with request.app[ENGINE].connect() as connection:
        merchant = await authenticate_merchant(connection, token, demo=request.app[SETTINGS].demo)
        page = await list_redemptions(connection, merchant.id, before=query.cursor, limit=query.limit)
    return json_response(page)


@routes.route(
    "GET",
    "/v1/redemptions/{id}",
    summary="Look up a redemption",
    caller=("merchant", "machine"),
    answers={200: MerchantRedemption},
    problems=(TokenInvalid, SignatureRefused, KeyUnknown, Forbidden, RedemptionUnknown, DatabaseUnavailable),
)
async def get_redemption(request: web.Request) -> web.Response:
    """The merchant's own only, a machine's its own only. Another's, one that is not there and an id that cannot be one
    are all 404: the answer does not tell which."""
    asker = await _asker(request)
    token = None if isinstance(asker, Machine) else bearer_token(request)
    async with transaction(request.app[ENGINE]) as connection:
        caller: Merchant | Machine
        if isinstance(asker, Machine):
            caller = asker
        else:
            caller = await authenticate_merchant(connection, token or "", demo=request.app[SETTINGS].demo)
        redemption_id = path_id(request)
        found = None if redemption_id is None else await queries.find_redemption(connection, redemption_id, caller)
    if found is None:
        raise RedemptionUnknown
    return json_response(MerchantRedemption.model_validate(found, from_attributes=True))


async def _asker(request: web.Request) -> Asker:
    """A machine by its signature, checked here, or a merchant by its key, which the transaction looks up."""
    if not is_signed(request):
        return ApiKey(token_hash(bearer_token(request)))
    settings = request.app[SETTINGS]
    # Within the time that a body may take, before anything is made of it.
    body = await read_body(request, (JSON_CONTENT_TYPE,), settings) if request.method == hdrs.METH_POST else b""
    return await authenticate_machine(request, body, request.app[REFERENCE], settings.signature_tolerance_seconds)


async def _command(request: web.Request, asker: Asker, wanted: Wanted, success: str) -> web.Response:
    keyed = await read_keyed(request)
    (decided,) = await request.app[COMMANDS].submit([Command(asker, keyed, wanted)])
    if isinstance(decided, Poisoned):
        raise decided.error
    if not isinstance(decided, StoredAnswer):
        raise decided
    # Once an intent: a replay is the same told again.
    if not decided.replayed:
        request.app[METRICS].count_redemption(decided.code or success)
    return decided.response()
