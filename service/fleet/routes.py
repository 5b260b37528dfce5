"""HTTP of bins about themselves: to be claimed, to change keys, to read their configuration."""

import math
import re
import time
from datetime import timedelta

from aiohttp import hdrs, web

from schemas.bin_keys import CLAIM_KEYID, BinConfig, Claim, ClaimedBin, ConfirmKey, IssuedKey, NewKey
from schemas.fleet import BinKeys
from schemas.patterns import KEYID
from schemas.signatures import Algorithm, VerifyKey
from service.auth import authenticate_bin, verified_signer
from service.db import transaction
from service.errors import (
    BinKeyUnknown,
    BinSuspended,
    BodyTooLarge,
    ClaimCodeRefused,
    ClaimsRateLimited,
    DatabaseUnavailable,
    KeyInvalid,
    KeyNotNewest,
    KeyProofWrong,
    KeysRateLimited,
    KeyTaken,
    KeyUnknown,
    KeyUnreadable,
    MalformedJson,
    NewestKeyStays,
    SignatureRefused,
    UnsupportedMediaType,
    ValidationFailed,
)
from service.fleet.attempts import ClaimAttempts
from service.fleet.claiming import claim_bin
from service.fleet.configuring import etag_of, read_config
from service.fleet.rules import ed25519_public_key
from service.fleet.signing_keys import confirm_key, end_own_key, make_key
from service.keys import ENGINE, KEYRING, REFERENCE, SETTINGS
from service.reference import BinSigner, Signer
from service.routing import Routes, json_response, read_model

ATTEMPTS = web.AppKey("claim_attempts", ClaimAttempts)
BODY_PROBLEMS = (MalformedJson, BodyTooLarge, UnsupportedMediaType, ValidationFailed)
SIGNED = (SignatureRefused, KeyUnknown, KeyUnreadable, BinSuspended, DatabaseUnavailable)

routes = Routes("fleet")


@routes.route(
    "POST",
    "/v1/bins/claim",
    summary="Claim a bin with its claim code",
    takes=Claim,
    answers={201: ClaimedBin},
    problems=(
        *BODY_PROBLEMS,
        KeyInvalid,
        SignatureRefused,
        ClaimCodeRefused,
        ClaimsRateLimited,
        BinSuspended,
        KeyTaken,
        DatabaseUnavailable,
    ),
)
async def post_claim(request: web.Request) -> web.Response:
    """The bin is active from then on, with this key and no other. With `ed25519` the request is signed with the key
    that it brings, in the profile of bins, as keyid `claim`: the answer says which keyid the key has from then on. With
    `hmac-sha256` it is not signed, and the answer has the secret, once: where that is lost, the operator makes another
    code. A code is good once; with the same public key it may be sent again, for the same answer. Wrong codes are
    limited by the address that they come from."""
    app, settings = request.app, request.app[SETTINGS]
    claim = await read_model(request, Claim, settings)
    public_key = None
    if claim.public_key is not None:
        public_key = ed25519_public_key(claim.public_key)
        await _check_possession(request, public_key, settings.signature_tolerance_seconds)
    attempts = app[ATTEMPTS]
    who = attempts.take(request.remote)
    try:
        async with transaction(app[ENGINE]) as connection:
            claimed = await claim_bin(connection, app[KEYRING], claim.claim_code, public_key, demo=settings.demo)
    except ClaimCodeRefused:
        raise
    except BaseException:
        # The code was not what was wrong, or nobody knows.
        attempts.give_back(who)
        raise
    attempts.give_back(who)
    return _not_stored(json_response(claimed, 201))


@routes.route(
    "POST",
    "/v1/bins/me/keys",
    summary="Change the bin's key",
    caller="bin",
    takes=NewKey,
    answers={201: IssuedKey},
    problems=(*SIGNED, *BODY_PROBLEMS, KeyInvalid, KeyProofWrong, KeyNotNewest, KeyTaken, KeysRateLimited),
)
async def post_key(request: web.Request) -> web.Response:
    """Signed with the bin's newest key. A public key counts at once. A secret counts when it is confirmed
    (`POST /v1/bins/me/keys/confirm`), and until then this call gives the same one again. The key before it stays good
    for an overlap, so that what is on its way arrives; of more than two the oldest ends at once. Sent again with the
    same public key, also signed with the key before, it changes nothing: write the new key down before you send it."""
    app, settings = request.app, request.app[SETTINGS]
    wanted = await read_model(request, NewKey, settings)
    signer = await _signer(request, await request.read())
    async with transaction(app[ENGINE]) as connection:
        issued = await make_key(
            connection,
            app[KEYRING],
            signer.bin_id,
            signer.key.keyid,
            wanted,
            overlap=timedelta(days=settings.key_overlap_days),
            demo=settings.demo,
        )
    return _not_stored(json_response(issued, 201))


@routes.route(
    "POST",
    "/v1/bins/me/keys/confirm",
    summary="Show that the bin has its new secret",
    caller="bin",
    takes=ConfirmKey,
    answers={200: BinKeys},
    problems=(*SIGNED, *BODY_PROBLEMS, KeyNotNewest),
)
async def post_confirmation(request: web.Request) -> web.Response:
    """Signed with the secret that `POST /v1/bins/me/keys` has issued, after it was written down. It counts from then
    on, and the key before it for the overlap. Sent again, it changes nothing. Send `{}`."""
    settings = request.app[SETTINGS]
    await read_model(request, ConfirmKey, settings)
    signer, _ = await verified_signer(
        request,
        await request.read(),
        request.app[REFERENCE].find_issued,
        settings.signature_tolerance_seconds,
    )
    async with transaction(request.app[ENGINE]) as connection:
        keys = await confirm_key(
            connection, signer.bin_id, signer.key.keyid, overlap=timedelta(days=settings.key_overlap_days)
        )
    return json_response(keys)


@routes.route(
    "DELETE",
    "/v1/bins/me/keys/{keyid}",
    summary="End the key before the newest",
    caller="bin",
    answers={204: None},
    problems=(*SIGNED, KeyNotNewest, BinKeyUnknown, NewestKeyStays),
)
async def delete_key(request: web.Request) -> web.Response:
    """Signed with the newest key, with the digest of no bytes: the overlap is over, and nothing that the other key has
    signed is taken any more, by every process within a second or what the operator has set. The call may be
    repeated."""
    signer = await _signer(request, b"")
    keyid = request.match_info["keyid"]
    if not re.fullmatch(KEYID, keyid):
        raise BinKeyUnknown
    async with transaction(request.app[ENGINE]) as connection:
        await end_own_key(connection, signer.bin_id, signer.key.keyid, keyid)
    return web.Response(status=204)


@routes.route(
    "GET",
    "/v1/bins/me/config",
    summary="What the bin needs to know",
    caller="bin",
    answers={200: BinConfig, 304: None},
    problems=SIGNED,
)
async def get_config(request: web.Request) -> web.Response:
    """Signed with the digest of no bytes. Send the `ETag` of the answer before as `If-None-Match`: 304 where nothing
    has changed but the time and the count of events. Every answer has the service's time in `Date`."""
    now = time.time()
    signer = await _signer(request, b"")
    rules = request.app[REFERENCE].rules.at(now, came_at=now)
    async with request.app[ENGINE].connect() as connection:
        config = await read_config(connection, request.app[SETTINGS], rules, signer.key.keyid, now)
    etag = etag_of(config)
    known = {each.value for each in request.if_none_match or ()}
    response = web.Response(status=304) if {etag, "*"} & known else json_response(config)
    # Weak: what it does not cover differs each time.
    response.headers[hdrs.ETAG] = f'W/"{etag}"'
    response.headers[hdrs.CACHE_CONTROL] = "private, no-cache"
    return response


async def _signer(request: web.Request, body: bytes) -> BinSigner:
    tolerance_seconds = request.app[SETTINGS].signature_tolerance_seconds
    return (await authenticate_bin(request, body, request.app[REFERENCE], tolerance_seconds)).signer


async def _check_possession(request: web.Request, public_key: bytes, tolerance_seconds: int) -> None:
    """That the request was signed with the key that it brings. Raises SignatureRefused."""
    posted = Signer(VerifyKey(CLAIM_KEYID, Algorithm.ED25519, public_key), 0, math.inf)

    async def find(_keyid: str) -> Signer:
        return posted

    await verified_signer(request, await request.read(), find, tolerance_seconds)


def _not_stored(response: web.Response) -> web.Response:
    """It may have a secret in it."""
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    return response
