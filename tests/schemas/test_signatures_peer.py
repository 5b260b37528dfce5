"""The signature profile against an independent implementation, and its parser against one of structured fields."""

import time
from dataclasses import dataclass
from typing import Any

import http_sf
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, MappingKeyResolver, algorithms
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import signatures
from schemas.signatures import (
    Algorithm,
    SignatureError,
    parse_signature_headers,
    sign_request,
    verify_request,
)
from tests.schemas.signing import BODY, KEYS, SECRET, VERIFY_KEYS, both_algorithms, patiently


@dataclass
class Message:
    method: str
    url: str
    headers: dict[str, str]


PEER_ALGORITHMS = {Algorithm.ED25519: algorithms.ED25519, Algorithm.HMAC_SHA256: algorithms.HMAC_SHA256}
PEER_RESOLVERS = {
    Algorithm.ED25519: MappingKeyResolver(
        public_keys={"NK-0001": Ed25519PublicKey.from_public_bytes(KEYS[Algorithm.ED25519].public_bytes)},
        private_keys={"NK-0001": Ed25519PrivateKey.from_private_bytes(SECRET)},
    ),
    Algorithm.HMAC_SHA256: MappingKeyResolver(public_keys={"NK-0001": SECRET}, private_keys={"NK-0001": SECRET}),
}
TARGETS = ["/v1/weigh-events", "/v1/weigh-events?x=1", "/v1/weigh-events?", "/", "/a%2Fb?%E7%BA%B8=%20&&=?"]


@both_algorithms
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("body", [b"", BODY])
def test_another_implementation_verifies_what_we_sign(algorithm: Algorithm, target: str, body: bytes) -> None:
    headers = sign_request(KEYS[algorithm], method="POST", target=target, body=body, created=int(time.time()))
    verifier = HTTPMessageVerifier(
        signature_algorithm=PEER_ALGORITHMS[algorithm], key_resolver=PEER_RESOLVERS[algorithm]
    )
    results = verifier.verify(
        Message("POST", f"http://bins.example{target}", headers),
        require_components=signatures.REQUIRED_COMPONENTS,
        body=body,
    )
    assert [(result.parameters["keyid"], result.body) for result in results] == [("NK-0001", body)]


@both_algorithms
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("include_alg", [True, False])
def test_we_verify_what_another_implementation_signs(algorithm: Algorithm, target: str, include_alg: bool) -> None:
    message = Message("POST", f"http://Bins.example:80{target}", {"X-Note": "  a note "})
    signer = HTTPMessageSigner(signature_algorithm=PEER_ALGORITHMS[algorithm], key_resolver=PEER_RESOLVERS[algorithm])
    signer.sign(
        message,
        key_id="NK-0001",
        covered_component_ids=(
            "x-note",
            "@path",
            "@query",
            "@method",
            "@authority",
            "@target-uri",
            "@scheme",
            "@request-target",
            "content-digest",
        ),
        body=BODY,
        include_alg=include_alg,
        nonce='a "quoted" \\ nonce',
        tag="tanbi",
    )
    headers = {name.lower(): value for name, value in message.headers.items()}
    parsed = parse_signature_headers(headers["signature-input"], headers["signature"])
    assert (parsed.label, parsed.nonce, parsed.tag) == ("pyhms", 'a "quoted" \\ nonce', "tanbi")
    assert parsed.alg == (algorithm if include_alg else None)
    verify_request(
        VERIFY_KEYS[algorithm],
        parsed,
        method="POST",
        target=target,
        fields=headers,
        body=BODY,
        now=int(time.time()),
        authority="Bins.example:80",
        scheme="http",
    )


@patiently
@given(
    st.from_regex(
        r'[a-z*][a-z0-9]{0,3}=\(("@?[a-z]{1,3}"(?: {1,2}"@?[a-z!]{1,3}"(;[a-z]{1,2}(=("a"|1|\?0))?)?){0,2})?\)'
        r'(?:; ?(?:created=-?[0-9]{1,3}|expires=[0-9]|nonce="(?:[ -~]|\\.){0,3}")){0,2};keyid="[ -~]{0,3}"',
        fullmatch=True,
    )
)
@example('sig1=("@method");created=01;keyid="a"')
@example('sig1=("@method");created=-0;keyid="a"')
@example('sig1=("@method" );keyid="a"')
@example('sig1=("@method");created=1;created=2;keyid="a"')
def test_what_is_parsed_is_canonical_and_means_what_a_structured_fields_parser_reads(signature_input: str) -> None:
    label = signature_input.partition("=")[0]
    try:
        parsed = parse_signature_headers(signature_input, f"{label}=:AAAA:")
    except SignatureError:
        return
    read: Any = http_sf.parse(signature_input.encode(), tltype="dictionary")
    assert http_sf.ser(read) == signature_input
    [(read_label, (items, parameters))] = read.items()
    assert (read_label, tuple(name for name, _ in items)) == (parsed.label, parsed.components)
    assert all(parsed._asdict()[name] == value for name, value in parameters.items())
    assert [name for name, value in parsed._asdict().items() if value is None and name in parameters] == []
