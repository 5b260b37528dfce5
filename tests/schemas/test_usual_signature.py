import string

from hypothesis import given
from hypothesis import strategies as st

from schemas.signatures import (
    Algorithm,
    SignatureError,
    SigningKey,
    VerifyKey,
    parse_signature_headers,
    sign_request,
    verify_request,
)
from schemas.usual_signature import is_signed_as_usual, usual_signature

NOW = 1_800_000_000
SECRET = bytes(range(32))
TARGETS = st.text(string.ascii_letters + "/?=%&~ \u00e9\n", max_size=12).map(lambda text: "/" + text)


def long_way(headers: dict[str, str], *, target: str, body: bytes, key: VerifyKey) -> bool:
    try:
        parsed = parse_signature_headers(headers["Signature-Input"], headers["Signature"])
        fields = {"content-digest": headers["Content-Digest"]}
        verify_request(key, parsed, method="POST", target=target, fields=fields, body=body, now=NOW)
    except SignatureError:
        return False
    return True


def quick_way(headers: dict[str, str], *, target: str, body: bytes, key: VerifyKey) -> bool:
    usual = usual_signature(headers["Signature-Input"])
    return usual is not None and is_signed_as_usual(
        usual,
        key,
        method="POST",
        target=target,
        digest=headers["Content-Digest"],
        signature=headers["Signature"],
        body=body,
        now=NOW,
        tolerance_seconds=300,
    )


def test_what_our_signer_makes_is_accepted_the_quick_way() -> None:
    signing = SigningKey("NK-0001", Algorithm.HMAC_SHA256, SECRET)
    headers = sign_request(signing, method="POST", target="/v1/weigh-events?a=b", body=b"{}", created=NOW)
    key = VerifyKey("NK-0001", Algorithm.HMAC_SHA256, SECRET)
    assert quick_way(headers, target="/v1/weigh-events?a=b", body=b"{}", key=key)


def test_an_ed25519_signature_is_left_to_the_long_way() -> None:
    signing = SigningKey("NK-0001", Algorithm.ED25519, SECRET)
    headers = sign_request(signing, method="POST", target="/", body=b"{}", created=NOW)
    key = VerifyKey("NK-0001", Algorithm.ED25519, signing.public_bytes)
    assert not quick_way(headers, target="/", body=b"{}", key=key)
    assert long_way(headers, target="/", body=b"{}", key=key)


@given(
    target=TARGETS,
    sent_target=TARGETS,
    body=st.binary(max_size=20),
    sent_body=st.binary(max_size=20),
    created=st.integers(NOW - 302, NOW + 302),
    keyid=st.sampled_from(["NK-0001", "NK-0002", "a b"]),
    same=st.tuples(st.booleans(), st.booleans()),
    change=st.sampled_from(["", "Signature", "Signature-Input", "Content-Digest"]),
    position=st.integers(0, 200),
    character=st.sampled_from('Aa0=:;" \u00e9'),
)
def test_the_quick_way_says_yes_just_where_the_long_way_does_for_the_usual_form(
    *,
    target: str,
    sent_target: str,
    body: bytes,
    sent_body: bytes,
    created: int,
    keyid: str,
    same: tuple[bool, bool],
    change: str,
    position: int,
    character: str,
) -> None:
    signing = SigningKey(keyid, Algorithm.HMAC_SHA256, SECRET)
    key = VerifyKey("NK-0001", Algorithm.HMAC_SHA256, SECRET)
    try:
        headers = sign_request(signing, method="POST", target=target, body=body, created=created)
    except SignatureError:
        return
    if change:
        value = headers[change]
        place = position % len(value)
        headers[change] = value[:place] + character + value[place + 1 :]
    arrived_target = target if same[0] else sent_target
    arrived_body = body if same[1] else sent_body
    quick = quick_way(headers, target=arrived_target, body=arrived_body, key=key)
    long = long_way(headers, target=arrived_target, body=arrived_body, key=key)
    assert long or not quick
    if not change:
        assert quick == long
