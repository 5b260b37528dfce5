"""The signature base and the digest against RFC 9421's and RFC 9530's published vectors."""

import base64
from typing import Any

import pytest

from schemas import signatures
from schemas.signatures import (
    Algorithm,
    ContentDigestMismatch,
    SignatureComponents,
    SignatureHeaders,
    SignatureMalformed,
    SignatureWrong,
    SigningKey,
    VerifyKey,
    content_digest,
    parse_signature_headers,
    signature_base,
    verify_request,
)
from tests.schemas.signing import BODY, NOW, receive, signed, signed_over

# RFC 9421 B.1.4, the last 32 bytes of the PKCS #8 key, and the public key (the JWK's x); B.1.5.
RFC_ED25519_SEED = base64.b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")[-32:]
RFC_ED25519_PUBLIC = base64.urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")
RFC_SHARED_SECRET = base64.b64decode(
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
RFC_CREATED = 1618884473
# RFC 9421 B.2, test-request. Its Content-Digest is sha-512 only.
RFC_TARGET = "/foo?param=Value&Pet=dog"
RFC_FIELDS = {
    "host": "example.com",
    "date": "Tue, 20 Apr 2021 02:07:55 GMT",
    "content-type": "application/json",
    "content-digest": (
        "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
    ),
    "content-length": "18",
}
RFC_BODY = b'{"hello": "world"}'
B25_INPUT = 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
B25_SIGNATURE = "sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:"
B25_BASE = b"""\
"date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret\""""
B26_INPUT = (
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)
B26_SIGNATURE = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"
B26_BASE = b"""\
"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")\
;created=1618884473;keyid="test-key-ed25519\""""
B4_INPUT = 'transform=("@method" "@path" "@authority" "accept");created=1618884473;keyid="test-key-ed25519"'
B4_SIGNATURE = "transform=:ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==:"


def base_line(name: str, **request: Any) -> str:
    arguments: dict[str, Any] = {"method": "GET", "target": "/", "fields": {}} | request
    return signature_base([name], "()", **arguments).decode().split("\n")[0]


# Appendix B


def rfc_base(parsed: SignatureHeaders) -> bytes:
    return signature_base(
        parsed.components,
        parsed.signature_params,
        method="POST",
        target=RFC_TARGET,
        fields=RFC_FIELDS,
        authority="example.com",
    )


def test_the_hmac_vector_of_rfc_9421_b_2_5_is_built_signed_and_verified_to_the_letter() -> None:
    parsed = parse_signature_headers(B25_INPUT, B25_SIGNATURE)
    assert parsed == SignatureHeaders(
        label="sig-b25",
        components=("date", "@authority", "content-type"),
        signature_params=B25_INPUT.removeprefix("sig-b25="),
        signature=base64.b64decode("pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="),
        keyid="test-shared-secret",
        created=RFC_CREATED,
        expires=None,
        alg=None,
        nonce=None,
        tag=None,
    )
    assert rfc_base(parsed) == B25_BASE
    assert SigningKey("test-shared-secret", Algorithm.HMAC_SHA256, RFC_SHARED_SECRET).sign(B25_BASE) == parsed.signature
    VerifyKey("test-shared-secret", Algorithm.HMAC_SHA256, RFC_SHARED_SECRET).verify(parsed.signature, B25_BASE)


def test_the_ed25519_vector_of_rfc_9421_b_2_6_is_built_signed_and_verified_to_the_letter() -> None:
    parsed = parse_signature_headers(B26_INPUT, B26_SIGNATURE)
    assert rfc_base(parsed) == B26_BASE
    key = SigningKey("test-key-ed25519", Algorithm.ED25519, RFC_ED25519_SEED)
    assert key.public_bytes == RFC_ED25519_PUBLIC
    assert key.sign(B26_BASE) == parsed.signature
    VerifyKey("test-key-ed25519", Algorithm.ED25519, RFC_ED25519_PUBLIC).verify(parsed.signature, B26_BASE)


@pytest.mark.parametrize(
    ("accept", "target"),
    [
        (["application/json", "*/*"], "/demo?name1=Value1&Name2=value2"),
        (["application/json, */*"], "/demo?name1=Value1&Name2=value2"),
        ([" application/json\t", "  */* "], "/demo?name1=Value1&Name2=value2&param=added"),
    ],
)
def test_a_signature_survives_the_transformations_of_rfc_9421_b_4(accept: list[str], target: str) -> None:
    parsed = parse_signature_headers(B4_INPUT, B4_SIGNATURE)
    base = signature_base(
        parsed.components,
        parsed.signature_params,
        method="GET",
        target=target,
        fields={"accept": accept},
        authority="example.org",
    )
    VerifyKey("test-key-ed25519", Algorithm.ED25519, RFC_ED25519_PUBLIC).verify(parsed.signature, base)


@pytest.mark.parametrize(
    ("method", "authority", "accept"),
    [
        ("POST", "example.com", ["application/json", "*/*"]),
        ("GET", "example.org", ["*/*", "application/json"]),
    ],
)
def test_a_signature_does_not_survive_the_other_transformations_of_rfc_9421_b_4(
    method: str, authority: str, accept: list[str]
) -> None:
    parsed = parse_signature_headers(B4_INPUT, B4_SIGNATURE)
    base = signature_base(
        parsed.components,
        parsed.signature_params,
        method=method,
        target="/demo?name1=Value1&Name2=value2",
        fields={"accept": accept},
        authority=authority,
    )
    with pytest.raises(SignatureWrong):
        VerifyKey("test-key-ed25519", Algorithm.ED25519, RFC_ED25519_PUBLIC).verify(parsed.signature, base)


def test_a_genuine_rfc_vector_that_does_not_cover_the_body_is_refused_by_the_profile() -> None:
    with pytest.raises(SignatureComponents, match="does not cover @query"):
        verify_request(
            VerifyKey("test-key-ed25519", Algorithm.ED25519, RFC_ED25519_PUBLIC),
            parse_signature_headers(B26_INPUT, B26_SIGNATURE),
            method="POST",
            target=RFC_TARGET,
            fields=RFC_FIELDS,
            body=RFC_BODY,
            now=RFC_CREATED,
            authority="example.com",
        )


# RFC 9421 §2: the values of components


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/path?param=value&foo=bar&baz=bat%2Dman", "?param=value&foo=bar&baz=bat%2Dman"),
        ("/path?queryString", "?queryString"),
        ("/path", "?"),
        ("/path?", "?"),
        ("/path?a=b?c=d", "?a=b?c=d"),
        ("/path?%E7%BA%B8=%2f&x=+", "?%E7%BA%B8=%2f&x=+"),
        ("/path?&&=", "?&&="),
    ],
)
def test_query_is_the_raw_text_after_the_first_question_mark_or_a_lone_one(target: str, query: str) -> None:
    assert base_line("@query", target=target) == f'"@query": {query}'


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/path?param=value", "/path"),
        ("/", "/"),
        ("", "/"),
        ("?x=1", "/"),
        ("/a%2Fb/%e7", "/a%2Fb/%e7"),
        ("//a", "//a"),
    ],
)
def test_path_is_the_raw_text_before_the_query_and_a_slash_if_empty(target: str, path: str) -> None:
    assert base_line("@path", target=target) == f'"@path": {path}'


@pytest.mark.parametrize(
    "target", ["/path?param=value", "https://www.example.com/path?param=value", "www.example.com:80", "*"]
)
def test_request_target_is_whatever_stands_in_the_request_line(target: str) -> None:
    assert base_line("@request-target", target=target) == f'"@request-target": {target}'


@pytest.mark.parametrize("target", ["https://www.example.com/path?param=value", "www.example.com:80", "*"])
@pytest.mark.parametrize("name", ["@path", "@query", "@target-uri"])
def test_a_target_that_is_no_path_has_no_path_and_no_query(name: str, target: str) -> None:
    with pytest.raises(SignatureComponents, match=name):
        base_line(name, target=target, authority="www.example.com", scheme="https")


@pytest.mark.parametrize(
    ("name", "scheme", "authority", "value"),
    [
        ("@authority", "https", "www.example.com", "www.example.com"),
        ("@authority", "https", "WWW.Example.COM:443", "www.example.com"),
        ("@authority", "http", "example.com:80", "example.com"),
        ("@authority", "http", "example.com:8080", "example.com:8080"),
        ("@authority", "http", "example.com:443", "example.com:443"),
        ("@authority", None, "example.com:80", "example.com:80"),
        ("@scheme", "HTTP", None, "http"),
        ("@target-uri", "https", "www.example.com", "https://www.example.com/path?param=value"),
        ("@target-uri", "HTTP", "Example.com:80", "http://Example.com:80/path?param=value"),
    ],
)
def test_authority_and_scheme_are_normalised_and_the_target_uri_is_assembled(
    name: str, scheme: str | None, authority: str | None, value: str
) -> None:
    assert base_line(name, target="/path?param=value", authority=authority, scheme=scheme) == f'"{name}": {value}'


@pytest.mark.parametrize("name", ["@authority", "@scheme", "@target-uri", "@status", "@query-param", "@", "x-none"])
def test_a_component_without_a_value_or_support_is_named_in_the_refusal(name: str) -> None:
    with pytest.raises(SignatureComponents, match=name):
        base_line(name)


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        ("  max-age=60 \t", "max-age=60"),
        (["max-age=60", "   must-revalidate"], "max-age=60, must-revalidate"),
        ("", ""),
        (["", ""], ", "),
        ("a,  b", "a,  b"),
    ],
)
def test_field_lines_are_stripped_and_joined_with_a_comma_and_a_space(lines: str | list[str], value: str) -> None:
    assert base_line("cache-control", fields={"cache-control": lines}) == f'"cache-control": {value}'


@pytest.mark.parametrize(
    ("name", "request_parts"),
    [
        ("@method", {"method": 'GET\n"@path": /elsewhere'}),
        ("@path", {"target": "/a\n"}),
        ("@query", {"target": "/a?\x00"}),
        ("@path", {"target": "/纸"}),
        ("@path", {"target": "/" + "a" * signatures.TARGET_BYTES_MAX}),
        ("@authority", {"authority": "example.com\r"}),
        ("x-note", {"fields": {"x-note": "a\r\n b"}}),
        ("x-note", {"fields": {"x-note": "a\tb"}}),
        ("x-note", {"fields": {"x-note": "纸"}}),
        ("x-note", {"fields": {"x-note": "\ud800"}}),
        ("x-note", {"fields": {"x-note": ["a" * 4000, "b" * 4000]}}),
    ],
)
def test_a_value_that_is_long_or_not_printable_ascii_never_enters_a_signature_base(
    name: str, request_parts: dict[str, Any]
) -> None:
    with pytest.raises(SignatureMalformed):
        base_line(name, **request_parts)


# RFC 9530


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        (b'{"hello": "world"}\n', "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"),  # RFC 9530 B.1
        (b"", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),  # RFC 9530 B.2
        (RFC_BODY, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),  # RFC 9421's example request
    ],
)
def test_the_digests_of_rfc_9530_are_written_to_the_letter(body: bytes, digest: str) -> None:
    assert content_digest(body) == digest


@pytest.mark.parametrize("other", ["sha-512=:AAAA:, {}", "{},sha-512=:AAAA:", "{} ,  sha-512=:AAAA:", " {} "])
def test_a_sha_256_among_other_digests_counts(other: str) -> None:
    digest = other.replace("{}", content_digest(BODY))
    params = f'("@method" "@path" "@query" "content-digest");created={NOW};keyid="NK-0001"'
    receive(signed_over(params, {"content-digest": digest}), content_digest=digest)


@pytest.mark.parametrize(
    "digest",
    [
        None,
        "",
        "sha-512=:AAAA:",
        content_digest(b"another body"),
        f"{content_digest(BODY)}, {content_digest(BODY)}",
        f"{content_digest(BODY)}, {content_digest(b'another body')}",
        content_digest(BODY).upper(),
        content_digest(BODY) + ";a=1",
        content_digest(BODY) + ",",
        content_digest(BODY).replace("=:", "=", 1),
        content_digest(BODY) + "é",
        "sha-256=::",
    ],
)
def test_a_body_whose_digest_is_absent_unreadable_or_doubtful_or_another_is_refused(digest: str | None) -> None:
    with pytest.raises(ContentDigestMismatch):
        receive(signed(), content_digest=digest)
