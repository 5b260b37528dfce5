"""No changed bit of a signed request passes, and no text whatever raises anything but a SignatureError."""

import base64

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas import signatures
from schemas.signatures import (
    Algorithm,
    ContentDigestMismatch,
    SignatureError,
    SignatureWrong,
    parse_signature_headers,
    verify_request,
)
from tests.schemas.signing import BODY, NOW, TARGET, VERIFY_KEYS, both_algorithms, patiently, receive, signed


def flipped(value: bytes, bit: int) -> bytes:
    index = bit % (8 * len(value))
    return bytes(byte ^ (1 << index % 8 if place == index // 8 else 0) for place, byte in enumerate(value))


@patiently
@given(st.sampled_from(Algorithm), st.binary(min_size=1, max_size=400), st.integers(0, 3200))
def test_any_flipped_bit_of_the_body_is_refused(algorithm: Algorithm, body: bytes, bit: int) -> None:
    with pytest.raises(ContentDigestMismatch):
        receive(signed(algorithm, body=body), body=flipped(body, bit))


@both_algorithms
@pytest.mark.parametrize("part", ["method", "target", "content_digest", "signature_input", "signature"])
def test_any_flipped_bit_of_the_method_target_or_a_header_is_refused(algorithm: Algorithm, part: str) -> None:
    sent = signed(algorithm)
    headers = {name.lower().replace("-", "_"): value for name, value in sent.headers.items()}
    value = {"method": sent.method, "target": sent.target, **headers}[part].encode("ascii")
    for bit in range(8 * len(value)):
        with pytest.raises(SignatureError):
            receive(sent, NOW, **{part: flipped(value, bit).decode("latin-1")})


@both_algorithms
def test_any_flipped_bit_of_the_signature_itself_is_wrong(algorithm: Algorithm) -> None:
    sent = signed(algorithm)
    genuine = base64.b64decode(sent.headers["Signature"].removeprefix("sig1=:").removesuffix(":"))
    for bit in range(8 * len(genuine)):
        with pytest.raises(SignatureWrong):
            receive(sent, signature=f"sig1=:{base64.b64encode(flipped(genuine, bit)).decode()}:")


def near(good: str) -> st.SearchStrategy[str]:
    """Text that is `good` with a piece replaced: it gets deeper into the parser than noise does."""
    ends = st.integers(0, len(good))
    pieces = st.one_of(st.text(max_size=8), st.sampled_from(list('";=() \\:?@,*\n')), st.just(good))
    return st.builds(lambda start, length, piece: good[:start] + piece + good[start + length :], ends, ends, pieces)


GOOD = signed().headers
OTHER_INPUT = (
    'other=("date" "@authority" "content-digest");created=1;keyid="NK-0001";alg="ed25519";nonce="a\\"b";tag="t"'
)


@settings(patiently, max_examples=400)
@given(
    st.one_of(st.none(), st.text(), near(GOOD["Signature-Input"]), near(OTHER_INPUT)),
    st.one_of(st.none(), st.text(), near(GOOD["Signature"])),
    st.one_of(st.text(), near(GOOD["Content-Digest"])),
    st.one_of(st.just("POST"), st.text()),
    st.one_of(st.just(TARGET), st.text()),
    st.sampled_from(Algorithm),
)
def test_arbitrary_text_is_refused_with_a_signature_error_and_nothing_else(
    signature_input: str | None, signature: str | None, digest: str, method: str, target: str, algorithm: Algorithm
) -> None:
    assume((signature_input, signature) != (GOOD["Signature-Input"], GOOD["Signature"]))
    fields = {"content-digest": digest, "date": digest}
    with pytest.raises(SignatureError):
        verify_request(
            VERIFY_KEYS[algorithm],
            parse_signature_headers(signature_input, signature),
            method=method,
            target=target,
            fields=fields,
            body=BODY,
            now=NOW,
            authority=method,
            scheme=target,
        )


@pytest.mark.parametrize("piece", ['"', "\\", '\\"', "=", ":", " ", '("', '"a" ', ";created=1", ';nonce="\\\\"', "A"])
@pytest.mark.parametrize("start", ["", "sig1=", 'sig1=("', 'sig1=("a"', 'sig1=();nonce="', "sig1=:"])
def test_repetition_up_to_the_limit_is_refused_without_backtracking(start: str, piece: str) -> None:
    text = (start + piece * signatures.HEADER_BYTES_MAX)[: signatures.HEADER_BYTES_MAX]
    with pytest.raises(SignatureError):
        parse_signature_headers(text, GOOD["Signature"])
    with pytest.raises(SignatureError):
        parse_signature_headers(GOOD["Signature-Input"], text)
