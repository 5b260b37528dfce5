"""What the signature profile demands of a request, of its headers and of a key."""

import base64
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from schemas import signatures
from schemas.signatures import (
    Algorithm,
    InvalidKey,
    SignatureAlgorithm,
    SignatureComponents,
    SignatureError,
    SignatureMalformed,
    SignatureMissing,
    SignatureStale,
    SignatureWrong,
    SigningKey,
    VerifyKey,
    parse_signature_headers,
    sign_request,
)
from tests.schemas.signing import (
    BODY,
    KEYS,
    NOW,
    SECRET,
    TARGET,
    Sent,
    both_algorithms,
    patiently,
    receive,
    signed,
    signed_over,
)


@both_algorithms
def test_a_signed_request_covers_the_four_components_and_says_no_algorithm(algorithm: Algorithm) -> None:
    headers = signed(algorithm).headers
    assert list(headers) == ["Content-Digest", "Signature-Input", "Signature"]
    assert headers["Signature-Input"] == (
        'sig1=("@method" "@path" "@query" "content-digest");created=1790000000;keyid="NK-0001"'
    )


@patiently
@given(
    st.sampled_from(Algorithm),
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)),
    st.binary(max_size=1000),
    st.integers(NOW - 300, NOW + 300),
)
def test_what_is_signed_verifies(algorithm: Algorithm, method: str, rest: str, body: bytes, created: int) -> None:
    target = "/" + rest
    headers = sign_request(KEYS[algorithm], method=method, target=target, body=body, created=created)
    receive(Sent(algorithm, method, target, body, headers))


@both_algorithms
def test_another_key_of_the_same_id_is_wrong(algorithm: Algorithm) -> None:
    headers = sign_request(
        SigningKey("NK-0001", algorithm, b"x" * 32), method="POST", target=TARGET, body=BODY, created=NOW
    )
    with pytest.raises(SignatureWrong):
        receive(Sent(algorithm, headers=headers))


@both_algorithms
def test_the_same_key_under_another_id_is_wrong(algorithm: Algorithm) -> None:
    headers = sign_request(
        SigningKey("NK-0002", algorithm, SECRET), method="POST", target=TARGET, body=BODY, created=NOW
    )
    with pytest.raises(SignatureWrong, match="names another key"):
        receive(Sent(algorithm, headers=headers))


def test_a_public_key_used_as_an_hmac_secret_forges_nothing() -> None:
    public = KEYS[Algorithm.ED25519].public_bytes
    forger = SigningKey("NK-0001", Algorithm.HMAC_SHA256, public)
    headers = sign_request(forger, method="POST", target=TARGET, body=BODY, created=NOW)
    with pytest.raises(SignatureWrong):
        receive(Sent(Algorithm.ED25519, headers=headers))
    from_a_row: Any = "ed25519"
    assert SigningKey("NK-0001", from_a_row, SECRET).public_bytes == public
    with pytest.raises(SignatureWrong):
        VerifyKey("NK-0001", from_a_row, public).verify(forger.sign(b"message"), b"message")


@both_algorithms
@pytest.mark.parametrize("said", ["rsa-pss-sha512", "", "ED25519", "other"])
def test_an_algorithm_on_the_wire_that_is_not_the_records_is_refused(algorithm: Algorithm, said: str) -> None:
    other = Algorithm.ED25519 if algorithm is Algorithm.HMAC_SHA256 else Algorithm.HMAC_SHA256
    alg = other if said == "other" else said
    params = f'("@method" "@path" "@query" "content-digest");created={NOW};keyid="NK-0001";alg="{alg}"'
    with pytest.raises(SignatureAlgorithm, match=algorithm):
        receive(signed_over(params, algorithm=algorithm))


@pytest.mark.parametrize("missing", signatures.REQUIRED_COMPONENTS)
def test_a_required_component_that_is_not_covered_is_named(missing: str) -> None:
    covered = " ".join(f'"{name}"' for name in signatures.REQUIRED_COMPONENTS if name != missing)
    with pytest.raises(SignatureComponents, match=f"does not cover {missing}"):
        receive(signed_over(f'({covered});created={NOW};keyid="NK-0001"'))


def test_an_empty_list_of_components_is_well_formed_and_covers_too_little() -> None:
    with pytest.raises(SignatureComponents, match="does not cover @method"):
        receive(signed_over(f'();created={NOW};keyid="NK-0001"'))


def test_the_required_components_may_come_in_any_order_and_with_others() -> None:
    covered = '"content-digest" "@request-target" "@query" "@path" "@method"'
    receive(signed_over(f'({covered});keyid="NK-0001";created={NOW}'))


@pytest.mark.parametrize(
    "component",
    ['"content-digest";sf', '"content-digest";key="sha-256"', '"@method";req', '"@query-param";name="x"', '"a";bs;tr'],
)
def test_a_component_with_parameters_is_unsupported_and_not_malformed(component: str) -> None:
    with pytest.raises(SignatureComponents, match="parameters"):
        parse_signature_headers(f'sig1=("@path" {component});keyid="a"', "sig1=:AAAA:")


@pytest.mark.parametrize(
    ("parameters", "now"),
    [
        (f";created={NOW}", NOW - 301),
        (f";created={NOW}", NOW + 301),
        (f";created={-NOW}", NOW),
        (";created=0", NOW),
        ("", NOW),
        (f";created={NOW};expires={NOW + 9}", NOW + 10),
        (f";created={NOW};expires=-1", NOW),
    ],
)
def test_a_signature_too_old_too_new_expired_or_undated_is_stale(parameters: str, now: int) -> None:
    with pytest.raises(SignatureStale):
        receive(signed_over(f'("@method" "@path" "@query" "content-digest"){parameters};keyid="NK-0001"'), now)


@pytest.mark.parametrize("now", [NOW - 300, NOW, NOW + 300])
def test_a_signature_is_fresh_to_the_second_on_either_side(now: int) -> None:
    receive(signed(), now)
    receive(
        signed_over(f'("@method" "@path" "@query" "content-digest");created={NOW};expires={NOW + 300};keyid="NK-0001"'),
        now,
    )


@pytest.mark.parametrize("header", ["signature_input", "signature"])
@pytest.mark.parametrize("value", [None, ""])
def test_an_absent_header_is_missing_and_named(header: str, value: str | None) -> None:
    with pytest.raises(SignatureMissing, match=f"^{header.title().replace('_', '-')} is missing"):
        receive(signed(), NOW, **{header: value})


GOOD_INPUT = signed().headers["Signature-Input"]


@pytest.mark.parametrize(
    "signature_input",
    [
        "nonsense",
        " " + GOOD_INPUT,
        GOOD_INPUT + " ",
        GOOD_INPUT + "\n",
        GOOD_INPUT + ";",
        GOOD_INPUT + ";x=1",
        GOOD_INPUT + f";created={NOW}",
        GOOD_INPUT + ';keyid="NK-0001"',
        f"{GOOD_INPUT}, {GOOD_INPUT.replace('sig1', 'sig2')}",
        GOOD_INPUT.replace("sig1", "Sig1"),
        GOOD_INPUT.replace("sig1", "s" * 65),
        GOOD_INPUT.replace('"@path"', '"@path" "@path"'),
        GOOD_INPUT.replace('"@path"', '"Content-Type"'),
        GOOD_INPUT.replace('"@path"', "@path"),
        GOOD_INPUT.replace('"@path"', '"@päth"'),
        GOOD_INPUT.replace('"@path"', '"@pa\\"th"'),
        GOOD_INPUT.replace('"@path"', '""'),
        GOOD_INPUT.replace('"@path"', f'"{"a" * 65}"'),
        GOOD_INPUT.replace('"@path" ', '"@path"  '),
        GOOD_INPUT.replace("(", "( "),
        GOOD_INPUT.replace(";keyid", "; keyid"),
        GOOD_INPUT.replace(';keyid="NK-0001"', ""),
        GOOD_INPUT.replace("NK-0001", "NK\x000001"),
        GOOD_INPUT.replace("NK-0001", "箱-0001"),
        GOOD_INPUT.replace("NK-0001", 'NK"0001'),
        GOOD_INPUT.replace("NK-0001", "NK\\0001"),
        GOOD_INPUT.replace('"NK-0001"', "NK-0001"),
        GOOD_INPUT.replace(str(NOW), f"0{NOW}"),
        GOOD_INPUT.replace(str(NOW), f"{NOW}.0"),
        GOOD_INPUT.replace(str(NOW), f'"{NOW}"'),
        GOOD_INPUT.replace(str(NOW), "-0"),
        GOOD_INPUT.replace(str(NOW), "1" * 16),
        GOOD_INPUT.replace(str(NOW), "१७"),
        GOOD_INPUT.replace("NK-0001", "N" * 4096),
        "sig1=(" + " ".join(f'"x-{i}"' for i in range(17)) + ');keyid="a"',
    ],
)
def test_a_signature_input_that_is_not_one_canonical_signature_is_malformed(signature_input: str) -> None:
    with pytest.raises(SignatureMalformed):
        parse_signature_headers(signature_input, "sig1=:AAAA:")


@pytest.mark.parametrize(
    "value",
    [
        "nonsense",
        "sig1=AAAA",
        "sig1=:AAAA",
        "sig1=:AAAA: ",
        "sig1=:AAAA:;x=1",
        "sig1=:AAAA:, sig2=:AAAA:",
        "sig1=:A:",
        "sig1=:AA:",
        "sig1=:AAA:",
        "sig1=:AAAAA:",
        "sig1=:AA=:",
        "sig1=:AB==:",
        "sig1=:AAB=:",
        "sig1=:AA==AA==:",
        "sig1=:AAAA=:",
        "sig1=:AAAA==:",
        "sig1=:AA A:",
        "sig1=:AA-_:",
        "sig1=:AAÄA:",
        "sig2=:AAAA:",
        f"sig1=:{'A' * 4096}:",
    ],
)
def test_a_signature_that_is_not_one_canonical_byte_sequence_under_the_same_label_is_malformed(value: str) -> None:
    with pytest.raises(SignatureMalformed):
        parse_signature_headers(GOOD_INPUT, value)


def test_sixteen_components_are_taken() -> None:
    names = tuple(f"x-{i}" for i in range(signatures.COMPONENTS_MAX))
    covered = " ".join(f'"{name}"' for name in names)
    assert parse_signature_headers(f'sig1=({covered});keyid="a"', "sig1=:AAAA:").components == names


@both_algorithms
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_signature_of_another_length_is_wrong(algorithm: Algorithm, length: int) -> None:
    with pytest.raises(SignatureWrong):
        receive(signed(algorithm), signature=f"sig1=:{base64.b64encode(bytes(length)).decode()}:")


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(SignatureStale) as refusal:
        receive(signed(), NOW + 1000)
    assert str(refusal.value) == (
        "the signature was created 1000 s in the past, more than the 300 s allowed:"
        " set the clock, and sign each retry anew"
    )


def test_each_refusal_has_its_stable_code() -> None:
    assert {error.__name__: error.code for error in SignatureError.__subclasses__()} == {
        "SignatureMissing": "signature_missing",
        "SignatureMalformed": "signature_malformed",
        "SignatureComponents": "signature_components",
        "SignatureStale": "signature_stale",
        "SignatureAlgorithm": "signature_algorithm",
        "SignatureWrong": "signature_wrong",
        "ContentDigestMismatch": "content_digest_mismatch",
    }
    assert issubclass(SignatureError, ValueError)


# Keys


@pytest.mark.parametrize(
    ("algorithm", "length"),
    [(Algorithm.ED25519, 31), (Algorithm.ED25519, 33), (Algorithm.ED25519, 64), (Algorithm.HMAC_SHA256, 31)],
)
@pytest.mark.parametrize("kind", [SigningKey, VerifyKey])
def test_a_key_of_the_wrong_length_is_refused(
    kind: type[SigningKey | VerifyKey], algorithm: Algorithm, length: int
) -> None:
    with pytest.raises(InvalidKey, match=f"{algorithm}.* not {length}"):
        kind("NK-0001", algorithm, b"k" * length)


@pytest.mark.parametrize("keyid", ["", "箱", 'a"b', "a\\b", "a\nb", "a" * 129])
@pytest.mark.parametrize("kind", [SigningKey, VerifyKey])
def test_a_keyid_that_would_not_fit_the_header_is_refused(kind: type[SigningKey | VerifyKey], keyid: str) -> None:
    with pytest.raises(InvalidKey, match="keyid"):
        kind(keyid, Algorithm.HMAC_SHA256, SECRET)


@pytest.mark.parametrize("kind", [SigningKey, VerifyKey])
def test_an_unknown_algorithm_is_refused(kind: type[SigningKey | VerifyKey]) -> None:
    unknown: Any = "rsa-pss-sha512"
    with pytest.raises(InvalidKey, match="rsa-pss-sha512"):
        kind("NK-0001", unknown, SECRET)


@pytest.mark.parametrize("y", sorted(signatures._SMALL_ORDER_Y))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_public_key_that_anyone_can_sign_for_is_refused(y: int, sign: int) -> None:
    material = (y | sign << 255).to_bytes(32, "little")
    forged = bytes([1]) + bytes(63)  # R the neutral element, S zero: holds wherever the key's multiple vanishes
    weak = Ed25519PublicKey.from_public_bytes(material)
    assert any(holds(weak, forged, str(attempt).encode()) for attempt in range(200))
    with pytest.raises(InvalidKey, match="small order"):
        VerifyKey("NK-0001", Algorithm.ED25519, material)


def holds(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_an_hmac_key_has_no_public_bytes() -> None:
    with pytest.raises(InvalidKey, match="no public part"):
        _ = KEYS[Algorithm.HMAC_SHA256].public_bytes


@both_algorithms
def test_a_key_does_not_show_its_secret(algorithm: Algorithm) -> None:
    shown = repr(KEYS[algorithm]) + repr(VerifyKey("NK-0001", Algorithm.HMAC_SHA256, SECRET))
    assert repr(SECRET)[2:-1] not in shown
    assert "NK-0001" in shown
