"""Signed requests as a bin sends them, and what the service then says: for the tests of the signature profile."""

import base64
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from schemas.signatures import (
    Algorithm,
    Fields,
    SigningKey,
    VerifyKey,
    content_digest,
    parse_signature_headers,
    sign_request,
    signature_base,
    verify_request,
)

NOW = 1_790_000_000
TARGET = "/v1/weigh-events?x=1"
BODY = b'{"specversion": "1.0"}'
SECRET = bytes(range(32))


def verify_key(key: SigningKey) -> VerifyKey:
    material = key.public_bytes if key.algorithm is Algorithm.ED25519 else key.secret
    return VerifyKey(key.keyid, key.algorithm, material)


KEYS = {algorithm: SigningKey("NK-0001", algorithm, SECRET) for algorithm in Algorithm}
VERIFY_KEYS = {algorithm: verify_key(key) for algorithm, key in KEYS.items()}
# No limit of time: a slow machine is not a fault of the code.
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
both_algorithms = pytest.mark.parametrize("algorithm", list(Algorithm))


@dataclass(frozen=True)
class Sent:
    """A signed request as a bin sends it."""

    algorithm: Algorithm = Algorithm.HMAC_SHA256
    method: str = "POST"
    target: str = TARGET
    body: bytes = BODY
    headers: dict[str, str] = field(default_factory=dict)


def signed(algorithm: Algorithm = Algorithm.HMAC_SHA256, target: str = TARGET, body: bytes = BODY) -> Sent:
    headers = sign_request(KEYS[algorithm], method="POST", target=target, body=body, created=NOW)
    return Sent(algorithm, target=target, body=body, headers=headers)


def receive(sent: Sent, now: int = NOW, **changes: Any) -> None:
    """Verify `sent`, with what a test changes: a header by its name with underscores, or the method, target or body."""
    headers = {name.lower().replace("-", "_"): value for name, value in sent.headers.items()}
    headers |= {name: changes[name] for name in changes if name in headers}
    digest = headers["content_digest"]
    verify_request(
        VERIFY_KEYS[sent.algorithm],
        parse_signature_headers(headers["signature_input"], headers["signature"]),
        method=changes.get("method", sent.method),
        target=changes.get("target", sent.target),
        fields={} if digest is None else {"content-digest": digest},
        body=changes.get("body", sent.body),
        now=now,
    )


def signed_over(params: str, fields: Fields | None = None, algorithm: Algorithm = Algorithm.HMAC_SHA256) -> Sent:
    """A request whose signature is right for `params`, whatever they are: for what sign_request never writes."""
    digest = content_digest(BODY)
    covered = params[1 : params.index(")")]
    names = [name.strip('"') for name in covered.split()]
    base = signature_base(
        names, params, method="POST", target=TARGET, fields={"content-digest": digest, **(fields or {})}
    )
    signature = base64.b64encode(KEYS[algorithm].sign(base)).decode()
    headers = {"Content-Digest": digest, "Signature-Input": f"sig1={params}", "Signature": f"sig1=:{signature}:"}
    return Sent(algorithm, headers=headers)
