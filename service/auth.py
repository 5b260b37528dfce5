"""Who is calling: a bin or a machine by its signature, a resident, merchant or operator by a bearer token."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from aiohttp import hdrs, web
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.signatures import SignatureError, SignatureStale, parse_signature_headers, verify_request
from schemas.usual_signature import is_signed_as_usual, usual_signature
from service.errors import BinSuspended, Forbidden, KeyUnknown, SignatureRefused, TokenInvalid, TwoCredentials
from service.reference import BinSigner, Reference, SignerKind, Signers
from service.secrets import token_hash
from service.tables.people import api_key, session

TOKEN_CHARACTERS_MAX: Final = 128
SIGNATURE_FIELDS: Final = ("Signature-Input", "Signature", "Content-Digest")
OPERATOR_ROLES: Final = frozenset({"viewer", "operator", "auditor", "admin"})


@dataclass(frozen=True, slots=True)
class Resident:
    id: int

    @property
    def actor(self) -> str:
        """Whose idempotency keys these are."""
        return f"resident:{self.id}"


@dataclass(frozen=True, slots=True)
class Merchant:
    id: str

    @property
    def actor(self) -> str:
        return f"merchant:{self.id}"


@dataclass(frozen=True, slots=True)
class Machine:
    """A merchant's device, which signs."""

    id: str
    merchant_id: str

    @property
    def actor(self) -> str:
        """Its idempotency keys are its own: two machines may both count from 1."""
        return f"machine:{self.id}"


@dataclass(frozen=True, slots=True)
class Operator:
    key_id: UUID
    role: str

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"


@dataclass(frozen=True, slots=True)
class ScrapStation:
    """A scrap station by one of its keys."""

    id: str
    key_id: UUID

    @property
    def actor(self) -> str:
        return f"station:{self.id}"


@dataclass(frozen=True, slots=True)
class SignedBin:
    """A bin that signed. Its clock was so many seconds behind the service's when it did; less than 0 is ahead."""

    signer: BinSigner
    clock_skew_seconds: int


async def authenticate_bin(
    request: web.Request, body: bytes, reference: Reference, tolerance_seconds: int
) -> SignedBin:
    """The bin whose key signed this request and body, by the algorithm of the key's record.

    Raises SignatureRefused with the profile's code, KeyUnknown, KeyUnreadable or BinSuspended.
    """
    signed = await identify_bin(request, body, reference, tolerance_seconds)
    if signed.signer.suspended:
        raise BinSuspended
    return signed


async def identify_bin(request: web.Request, body: bytes, reference: Reference, tolerance_seconds: int) -> SignedBin:
    """As authenticate_bin, of whatever state the bin is in. Raises SignatureRefused, KeyUnknown or KeyUnreadable."""
    signer, created = await _signer(request, body, reference.bins, tolerance_seconds)
    return SignedBin(signer, int(time.time()) - created)


def is_signed(request: web.Request) -> bool:
    """Whether a machine speaks, where a merchant may too. Raises TwoCredentials for a request that says both."""
    signed = SIGNATURE_FIELDS[0] in request.headers
    if signed and hdrs.AUTHORIZATION in request.headers:
        raise TwoCredentials
    return signed


async def authenticate_machine(
    request: web.Request, body: bytes, reference: Reference, tolerance_seconds: int
) -> Machine:
    """The machine whose key signed this request and body, in the bins' profile.

    A signature may be sent again within its tolerance, under another Idempotency-Key too where it does not cover that
    header. It moves no coins twice: a pay-code is used once, a hold is resolved once, and machines do nothing else.

    Raises SignatureRefused with the profile's code, KeyUnknown or KeyUnreadable.
    """
    signer, _ = await _signer(request, body, reference.machines, tolerance_seconds)
    return Machine(signer.machine_id, signer.merchant_id)


async def _signer(
    request: web.Request, body: bytes, signers: Signers[SignerKind], tolerance_seconds: int
) -> tuple[SignerKind, int]:
    """Who signed, and when by their own clock, in Unix seconds."""
    now = time.time()
    signed = _usual_signer(request, body, signers, int(now), tolerance_seconds)
    if signed is None:

        async def find(keyid: str) -> SignerKind | None:
            return signers.known(keyid) or await signers.find(keyid)

        signed = await verified_signer(request, body, find, tolerance_seconds)
    if not signed[0].valid_at(now):
        raise KeyUnknown
    return signed


def _usual_signer(
    request: web.Request, body: bytes, signers: Signers[SignerKind], now: int, tolerance_seconds: int
) -> tuple[SignerKind, int] | None:
    """The signer of a request in the usual form by a remembered key; None leaves the decision to the long way."""
    headers = request.headers
    inputs, signatures, digests = (headers.getall(name, ()) for name in SIGNATURE_FIELDS)
    if not len(inputs) == len(signatures) == len(digests) == 1:
        return None
    usual = usual_signature(inputs[0])
    signer = None if usual is None else signers.known(usual.keyid)
    if usual is None or signer is None:
        return None
    accepted = is_signed_as_usual(
        usual,
        signer.key,
        method=request.method,
        target=request.raw_path,
        digest=digests[0],
        signature=signatures[0],
        body=body,
        now=now,
        tolerance_seconds=tolerance_seconds,
    )
    return (signer, usual.created) if accepted else None


async def verified_signer(
    request: web.Request,
    body: bytes,
    find: Callable[[str], Awaitable[SignerKind | None]],
    tolerance_seconds: int,
) -> tuple[SignerKind, int]:
    """Who of those that `find` gives by their keyid signed this request and body, and when by their own clock, in Unix
    seconds. Whether the key counts now is not asked.

    Raises SignatureRefused with the profile's code, KeyUnknown, and what `find` raises.
    """
    now = int(time.time())
    headers = request.headers
    try:
        # A repeated field is one value with commas (RFC 9110 §5.3), which is more than one signature.
        inputs, signatures = (", ".join(headers.getall(name, ())) for name in SIGNATURE_FIELDS[:2])
        parsed = parse_signature_headers(inputs, signatures)
        signer = await find(parsed.keyid)
        if signer is None:
            raise KeyUnknown
        verify_request(
            signer.key,
            parsed,
            method=request.method,
            target=request.raw_path,
            fields={name.lower(): headers.getall(name) for name in headers},
            body=body,
            now=now,
            tolerance_seconds=tolerance_seconds,
            authority=request.host,
            scheme=request.scheme,
        )
    except SignatureStale as error:
        # A bin that has lost its clock sets it by this: it cannot ask in any other way.
        raise SignatureRefused(error.code, str(error), server_unix_seconds=now) from None
    except SignatureError as error:
        raise SignatureRefused(error.code, str(error)) from None
    # Verified, so it is there.
    return signer, parsed.created or 0


def bearer_token(request: web.Request) -> str:
    """Raises TokenInvalid where there is none that could be one of ours."""
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    # A scheme may be written in either case (RFC 9110 §11.1).
    if scheme.lower() != "bearer" or not token.isascii() or not 0 < len(token) <= TOKEN_CHARACTERS_MAX:
        raise TokenInvalid(headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="tanbi"'})
    return token


async def authenticate_resident(connection: AsyncConnection, token: str, *, demo: bool) -> Resident:
    """The resident of a session that has not expired. Raises TokenInvalid."""
    resident_id = (
        await connection.execute(
            sa.select(session.c.resident_id).where(
                session.c.token_hash == token_hash(token),
                session.c.expires_at > sa.func.now(),
                session.c.demo.is_(False) | sa.literal(demo),
            )
        )
    ).scalar_one_or_none()
    if resident_id is None:
        raise TokenInvalid(headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="tanbi"'})
    return Resident(resident_id)


async def authenticate_merchant(connection: AsyncConnection, token: str, *, demo: bool) -> Merchant:
    """The merchant of an API key. Raises TokenInvalid, or Forbidden for another's key."""
    row = await _api_key(connection, token, demo=demo)
    if row.merchant_id is None:
        raise Forbidden(f"This is {_whose(row.role)} key; a merchant's is needed.")
    return Merchant(row.merchant_id)


async def authenticate_station(connection: AsyncConnection, token: str, *, demo: bool) -> ScrapStation:
    """The scrap station of an API key. Raises TokenInvalid, or Forbidden for another's key."""
    row = await _api_key(connection, token, demo=demo)
    if row.station_id is None:
        raise Forbidden(f"This is {_whose(row.role)} key; a scrap station's is needed.")
    return ScrapStation(row.station_id, row.id)


def _whose(role: str) -> str:
    return {"merchant": "a merchant's", "station": "a scrap station's"}.get(role, "an operator's")


async def authenticate_operator(
    connection: AsyncConnection, token: str, roles: frozenset[str] = OPERATOR_ROLES, *, demo: bool
) -> Operator:
    """The operator of an API key with one of `roles`. Raises TokenInvalid or Forbidden."""
    row = await _api_key(connection, token, demo=demo)
    if row.role not in roles:
        raise Forbidden(f"This needs a key with the role {' or '.join(sorted(roles))}; this one is {row.role}.")
    return Operator(row.id, row.role)


async def _api_key(connection: AsyncConnection, token: str, *, demo: bool) -> Any:
    row = (
        await connection.execute(
            sa.select(api_key.c.id, api_key.c.role, api_key.c.merchant_id, api_key.c.station_id).where(
                api_key.c.key_hash == token_hash(token),
                api_key.c.revoked_at.is_(None),
                api_key.c.demo.is_(False) | sa.literal(demo),
            )
        )
    ).one_or_none()
    if row is None:
        raise TokenInvalid(headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="tanbi"'})
    return row
