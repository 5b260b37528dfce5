"""HTTP of operators about bins: registered, moved, served, retired, their keys, and their firmware."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeVar

from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import Answer
from schemas.fleet import (
    AnnouncedFirmware,
    BinHistory,
    BinKeys,
    BinMove,
    BinReason,
    BinRecord,
    ClaimCode,
    FirmwareAnnouncement,
    FirmwareNotices,
    FirmwareQuery,
    HistoryQuery,
    KeyEnd,
    MovedBin,
    NewBin,
    ScaleChange,
    ServiceVisit,
)
from schemas.patterns import BIN_ID
from service.auth import Operator, authenticate_operator, bearer_token
from service.db import transaction
from service.errors import (
    BinExists,
    BinKeyUnknown,
    BinNotClaimed,
    BinRetired,
    BinStandsThere,
    BinTimeRefused,
    BinUnknown,
    BodyTooLarge,
    DatabaseUnavailable,
    Forbidden,
    MalformedJson,
    SiteUnknown,
    TokenInvalid,
    UnsupportedMediaType,
    ValidationFailed,
)
from service.fleet.bins import make_claim_code, register_bin
from service.fleet.changes import By, read_history
from service.fleet.firmware import announce_firmware, read_firmware_notices
from service.fleet.lifecycle import change_scale, move_bin, record_visit, resume_bin, retire_bin, suspend_bin
from service.fleet.signing_keys import end_key, read_bin_keys, replace_keys
from service.idempotency import KEYED_WRITE
from service.keys import ENGINE, SETTINGS
from service.operator_requests import operator_snapshot, operator_writes
from service.routing import Model, Routes, json_response, read_model, read_query

KEEPERS: Final = frozenset({"operator", "admin"})
READ: Final = (TokenInvalid, Forbidden, DatabaseUnavailable)
WRITE: Final = (*KEYED_WRITE, Forbidden, BinUnknown, BinRetired)
CODE: Final = (
    *READ,
    MalformedJson,
    BodyTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
    BinUnknown,
    BinRetired,
)

routes = Routes("fleet")


@routes.route(
    "POST",
    "/v1/bins",
    summary="Register a bin",
    caller="operator",
    takes=NewBin,
    answers={201: BinRecord},
    problems=(*KEYED_WRITE, Forbidden, BinExists, SiteUnknown),
    idempotent=True,
)
async def post_bin(request: web.Request) -> web.Response:
    """Nothing is taken from it before it has been claimed: ask for its claim code next. Needs the role operator or
    admin, as does every change of a bin."""
    return await _write(
        request, NewBin, lambda connection, _, wanted, by: register_bin(connection, wanted, by), status=201
    )


@routes.route(
    "POST",
    "/v1/bins/{bin_id}/claim-code",
    summary="Make a claim code for a bin",
    caller="operator",
    takes=BinReason,
    answers={201: ClaimCode},
    problems=CODE,
)
async def post_claim_code(request: web.Request) -> web.Response:
    """For the installer, as text and as a picture. The code before it is good no longer, so the call takes no
    Idempotency-Key: after a lost answer call again. A bin that is active keeps its keys until it is claimed anew."""
    return await _make_code(request, make_claim_code)


@routes.route(
    "POST",
    "/v1/bins/{bin_id}/rotate",
    summary="End all keys of a bin and make a claim code",
    caller="operator",
    takes=BinReason,
    answers={201: ClaimCode},
    problems=CODE,
)
async def post_rotation(request: web.Request) -> web.Response:
    """For a bin whose newest key was stolen or lost: nothing that is signed with any of its keys is taken, by every
    process within a second or what is set, until it is claimed with the new code. To stop it from the very moment,
    suspend it first. Takes no Idempotency-Key, as a claim code."""
    return await _make_code(request, replace_keys)


@routes.route(
    "POST",
    "/v1/bins/{bin_id}/suspend",
    summary="Take nothing more from a bin",
    caller="operator",
    takes=BinReason,
    answers={200: BinRecord},
    problems=(*WRITE, BinNotClaimed),
    idempotent=True,
)
async def post_suspension(request: web.Request) -> web.Response:
    """From the answer on none of its events is stored; it keeps them, and sends them when it is resumed."""
    return await _write(request, BinReason, lambda connection, bin_id, _, by: suspend_bin(connection, bin_id, by))


@routes.route(
    "POST",
    "/v1/bins/{bin_id}/resume",
    summary="Take events of a suspended bin again",
    caller="operator",
    takes=BinReason,
    answers={200: BinRecord},
    problems=(*WRITE, BinNotClaimed),
    idempotent=True,
)
async def post_resumption(request: web.Request) -> web.Response:
    """What it has kept is credited as of when it was weighed."""
    return await _write(request, BinReason, lambda connection, bin_id, _, by: resume_bin(connection, bin_id, by))


@routes.route(
    "POST",
    "/v1/bins/{bin_id}/move",
    summary="Say that a bin stands at another site",
    caller="operator",
    takes=BinMove,
    answers={200: MovedBin},
    problems=(*WRITE, SiteUnknown, BinStandsThere, BinTimeRefused),
    idempotent=True,
)
async def post_move(request: web.Request) -> web.Response:
    """Events are of the site where the bin stood at their own time, whenever they arrive: last month's volume stays
    with last month's site. What is stored already is not moved; the answer says how many events that are."""
    return await _write(request, BinMove, move_bin)


@routes.route(
    "POST",
    "/v1/bins/{bin_id}/service",
    summary="Write down a service visit",
    caller="operator",
    takes=ServiceVisit,
    answers={200: BinRecord},
    problems=(*WRITE, BinTimeRefused),
    idempotent=True,
)
async def post_visit(request: web.Request) -> web.Response:
    """Its clock was set then. An event that says it is from before the visit and comes after it is held for review."""
    return await _write(request, ServiceVisit, record_visit)


@routes.route(
    "POST",
    "/v1/bins/{bin_id}/retire",
    summary="Retire a bin",
    caller="operator",
    takes=BinReason,
    answers={200: BinRecord},
    problems=WRITE,
    idempotent=True,
)
async def post_retirement(request: web.Request) -> web.Response:
    """For good: its keys end and its claim code with them. What it has told stays."""
    return await _write(request, BinReason, lambda connection, bin_id, _, by: retire_bin(connection, bin_id, by))


@routes.route(
    "PATCH",
    "/v1/bins/{bin_id}/scale",
    summary="Change what is known of a bin's scale",
    caller="operator",
    takes=ScaleChange,
    answers={200: BinRecord},
    problems=WRITE,
    idempotent=True,
)
async def patch_scale(request: web.Request) -> web.Response:
    """A new certificate, another scale, other boxes. It holds for the events that arrive from then on."""
    return await _write(request, ScaleChange, change_scale)


@routes.route(
    "POST",
    "/v1/bins/{bin_id}/end-key",
    summary="End one key of a bin",
    caller="operator",
    takes=KeyEnd,
    answers={200: BinKeys},
    problems=(*WRITE, BinKeyUnknown),
    idempotent=True,
)
async def post_key_end(request: web.Request) -> web.Response:
    """A key that was stolen and is not the newest: what is signed with it is refused by every process within a second,
    or what is set. To end the newest is to lock the bin out, or to go back to the one before: rotate instead."""
    return await _write(
        request, KeyEnd, lambda connection, bin_id, wanted, by: end_key(connection, bin_id, wanted.keyid, by)
    )


@routes.route(
    "GET",
    "/v1/bins/{bin_id}/keys",
    summary="All keys of a bin",
    caller="operator",
    answers={200: BinKeys},
    problems=(*READ, BinUnknown),
)
async def get_keys(request: web.Request) -> web.Response:
    """Also those that are over, oldest first; never the keys themselves."""
    async with operator_snapshot(request) as connection:
        return json_response(await read_bin_keys(connection, _bin_id(request)))


@routes.route(
    "GET",
    "/v1/bins/{bin_id}/history",
    summary="What was done to a bin",
    caller="operator",
    query=HistoryQuery,
    answers={200: BinHistory},
    problems=(*READ, ValidationFailed, BinUnknown),
)
async def get_history(request: web.Request) -> web.Response:
    """Newest first: what, from when on, why, and by whom."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, HistoryQuery)
        return json_response(await read_history(connection, _bin_id(request), query))


@routes.route(
    "POST",
    "/v1/firmware-notices",
    summary="Tell bins about firmware",
    caller="operator",
    takes=FirmwareAnnouncement,
    answers={201: AnnouncedFirmware},
    problems=(*KEYED_WRITE, Forbidden),
    idempotent=True,
)
async def post_firmware_notice(request: web.Request) -> web.Response:
    """Bins of the model read it with their configuration, from its time on; a newer notice stands before it. The
    service keeps no firmware: the digest says that what the bin fetches is what was meant."""
    return await _write(
        request,
        FirmwareAnnouncement,
        lambda connection, _bin, wanted, _by: announce_firmware(connection, wanted),
        status=201,
    )


@routes.route(
    "GET",
    "/v1/firmware-notices",
    summary="What bins were told about firmware",
    caller="operator",
    query=FirmwareQuery,
    answers={200: FirmwareNotices},
    problems=(*READ, ValidationFailed),
)
async def get_firmware_notices(request: web.Request) -> web.Response:
    """Newest first, of all models."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, FirmwareQuery)
        return json_response(await read_firmware_notices(connection, query))


AnswerKind = TypeVar("AnswerKind", bound=Answer)


async def _write(
    request: web.Request,
    model: type[Model],
    work: Callable[[AsyncConnection, str, Model, By], Awaitable[AnswerKind]],
    *,
    status: int = 200,
) -> web.Response:
    """Do `work` once, on the bin of the path where it has one, by whoever asks."""

    async def on_bin(connection: AsyncConnection, operator: Operator, wanted: Model) -> AnswerKind:
        bin_id = _bin_id(request) if "bin_id" in request.match_info else ""
        return await work(connection, bin_id, wanted, By(operator.key_id, getattr(wanted, "reason", None)))

    return await operator_writes(request, model, on_bin, roles=KEEPERS, status=status)


async def _make_code(request: web.Request, make: Callable[..., Awaitable[Any]]) -> web.Response:
    """A code is not stored with the answer to a key: see docs/decisions."""
    settings = request.app[SETTINGS]
    token = bearer_token(request)
    wanted = await read_model(request, BinReason, settings)
    async with transaction(request.app[ENGINE]) as connection:
        operator = await authenticate_operator(connection, token, KEEPERS, demo=settings.demo)
        code: ClaimCode = await make(
            connection,
            _bin_id(request),
            By(operator.key_id, wanted.reason),
            lifetime=timedelta(hours=settings.claim_code_hours),
            demo=settings.demo,
        )
    response = json_response(code, 201)
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response


def _bin_id(request: web.Request) -> str:
    """Raises BinUnknown for what can be none."""
    bin_id = request.match_info["bin_id"]
    if not re.fullmatch(BIN_ID, bin_id):
        raise BinUnknown
    return bin_id
