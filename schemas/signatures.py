"""How bins and machines sign: RFC 9421 message signatures over an RFC 9530 `Content-Digest` (sha-256).

A bin's signature covers exactly `"@method" "@path" "@query" "content-digest"`, with `created` (Unix seconds) and
`keyid`. The algorithm is a property of the key's record; the wire may repeat it, never choose it.

What is taken is narrower than the RFCs allow, and what falls outside is refused, never repaired:

- one signature a request; a second label is malformed, so no one has to choose which of two was meant;
- the canonical serialisation of RFC 8941 (single spaces, no leading zeros, no stray base64 bits), so that the text on
  the wire is the text that was signed and a signature can be written in one way only;
- the parameters that RFC 9421 §2.3 registers, each at most once;
- covered components without parameters (no `;sf`, `;key`, `;req`), which leaves out `@query-param` and `@status`.

Further components that are supported may be covered as well. Every refusal is a `SignatureError` with a stable `code`.
"""

import hashlib
import hmac
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

REQUIRED_COMPONENTS: Final = ("@method", "@path", "@query", "content-digest")
LABEL: Final = "sig1"
TOLERANCE_SECONDS: Final = 300
HEADER_BYTES_MAX: Final = 4096
TARGET_BYTES_MAX: Final = 8192
COMPONENTS_MAX: Final = 16
ED25519_KEY_BYTES: Final = 32
HMAC_SECRET_BYTES_MIN: Final = 32

# Lower-case header names to values: one string, or the field's lines in order. aiohttp's `request.headers` serves as it
# is while no covered field is repeated; of a repeated one it shows the first line only, and the signature is refused.
Fields = Mapping[str, str | Sequence[str]]


class SignatureError(ValueError):
    """The request's signature does not hold; `code` is stable and says in which way."""

    code: ClassVar[str]


class SignatureMissing(SignatureError):
    """`Signature-Input` or `Signature` is absent."""

    code = "signature_missing"


class SignatureMalformed(SignatureError):
    """A header, or a part of the request that is to be signed, is not in the form that is taken here."""

    code = "signature_malformed"


class SignatureComponents(SignatureError):
    """A required component is not covered, or a covered one is unsupported or has no value in the request."""

    code = "signature_components"


class SignatureStale(SignatureError):
    """`created` is absent or too far from now, or `expires` has passed. The service's own time is in the problem's
    `server_unix_seconds` and the answer's Date: set the clock by it and sign anew."""

    code = "signature_stale"


class SignatureAlgorithm(SignatureError):
    """The wire names another algorithm than the key's record."""

    code = "signature_algorithm"


class SignatureWrong(SignatureError):
    """This key did not make this signature over this request."""

    code = "signature_wrong"


class ContentDigestMismatch(SignatureError):
    """`Content-Digest` is absent, has no readable sha-256, or belongs to another body."""

    code = "content_digest_mismatch"


class InvalidKey(ValueError):
    """The bytes or the id are none that a key of this algorithm can have."""


class Algorithm(StrEnum):
    """The algorithms of the profile, by their names in the RFC 9421 registry."""

    ED25519 = "ed25519"
    HMAC_SHA256 = "hmac-sha256"


# RFC 8941 grammar, canonical forms only. Possessive quantifiers: a match never backtracks, whatever is sent.
_KEY = r"[a-z*][a-z0-9_.*-]{0,63}+"
_STRING = r'"((?:[ !#-\[\]-~]++|\\["\\])*+)"'
_INTEGER = r"(0|-?[1-9][0-9]{0,14}+)"
# The last character before the padding carries two or four unused bits: only zeros are canonical.
_BASE64 = r"[A-Za-z0-9+/]*+(?:(?<=[AQgw])==|(?<=[AEIMQUYcgkosw048])=|)"
_NAME = r"@?[a-z0-9!#$%&'*+.^_`|~-]{1,64}+"
# `(?(n)(?!))` fails where group n has matched before, so no parameter is given twice.
_PARAMETERS = "|".join(
    f"(?({group})(?!)){name}={value}"
    for group, (name, value) in enumerate(
        [("created", _INTEGER), ("expires", _INTEGER), *((name, _STRING) for name in ("keyid", "alg", "nonce", "tag"))],
        start=4,
    )
)

_SIGNATURE_INPUT = re.compile(rf"({_KEY})=(\(([^()]*+)\)(?:;(?:{_PARAMETERS}))*+)")
_SIGNATURE = re.compile(rf"({_KEY})=:({_BASE64}):")
_COMPONENTS = re.compile(rf'(?:"{_NAME}"(?: "{_NAME}"){{0,{COMPONENTS_MAX - 1}}}+)?+')
_COMPONENT_PARAMETER = re.compile(rf'"{_NAME}";[a-z*]')
_DIGESTS = re.compile(rf"{_KEY}=:{_BASE64}:(?: *+, *+{_KEY}=:{_BASE64}:)*+")
_DIGEST = re.compile(rf"({_KEY})=:({_BASE64}):")
_ESCAPED = re.compile(r"\\(.)")
_KEYID = re.compile(r"[ !#-\[\]-~]{1,128}")
_ORIGIN_FORM: Final = ("/", "?", "")  # how a target starts that is a path, or was left empty
_DEFAULT_PORT: Final = {"http": ":80", "https": ":443"}
# The y of curve25519's eight points of small order (RFC 7748 §4.1, RFC 8032 §5.1), with the two encodings above p.
_P: Final = 2**255 - 19
_Y_MASK: Final = 2**255 - 1
_Y_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y: Final = frozenset({0, 1, _Y_ORDER_8, _P - _Y_ORDER_8, _P - 1, _P, _P + 1})
REQUIRED_INNER_LIST: Final = " ".join(f'"{name}"' for name in REQUIRED_COMPONENTS)


class SignatureHeaders(NamedTuple):
    """`Signature-Input` and `Signature`, parsed; nothing in it has been verified yet.

    `created` and `expires` are Unix seconds. `signature_params` is the inner list with its parameters exactly as
    received, which is the value of `@signature-params` in the signature base.
    """

    label: str
    components: tuple[str, ...]
    signature_params: str
    signature: bytes
    keyid: str
    created: int | None
    expires: int | None
    alg: str | None
    nonce: str | None
    tag: str | None


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key: `secret` is the 32-byte Ed25519 seed, or an HMAC secret of 32 bytes or more.

    Raises InvalidKey for any other length, and for a `keyid` that is not 1 to 128 printable ASCII characters without
    quotes and backslashes.
    """

    keyid: str
    algorithm: Algorithm
    secret: bytes = field(repr=False)
    _signer: Ed25519PrivateKey | HMAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_key(self.keyid, self.algorithm, self.secret)
        ed25519 = self.algorithm == Algorithm.ED25519
        signer = Ed25519PrivateKey.from_private_bytes(self.secret) if ed25519 else HMAC(self.secret, SHA256())
        object.__setattr__(self, "_signer", signer)

    @property
    def public_bytes(self) -> bytes:
        """The 32 bytes of the Ed25519 public key. Raises InvalidKey for an HMAC key, which has none."""
        if isinstance(self._signer, HMAC):
            raise InvalidKey("an hmac-sha256 key has no public part: verifier and signer share one secret")
        return self._signer.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature of `message`: 64 bytes for Ed25519, 32 for HMAC."""
        if isinstance(self._signer, HMAC):
            mac = self._signer.copy()
            mac.update(message)
            return mac.finalize()
        return self._signer.sign(message)


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A key to verify with, prepared once and reused; `material` is the Ed25519 public key or the HMAC secret.

    Raises InvalidKey as SigningKey does, and for an Ed25519 public key of small order.
    """

    keyid: str
    algorithm: Algorithm
    material: bytes = field(repr=False)
    _verifier: Ed25519PublicKey | HMAC = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_key(self.keyid, self.algorithm, self.material)
        ed25519 = self.algorithm == Algorithm.ED25519
        if ed25519 and int.from_bytes(self.material, "little") & _Y_MASK in _SMALL_ORDER_Y:
            raise InvalidKey("this ed25519 public key (all zeros, say) is of small order: anyone can sign for it")
        verifier = Ed25519PublicKey.from_public_bytes(self.material) if ed25519 else HMAC(self.material, SHA256())
        object.__setattr__(self, "_verifier", verifier)

    def mac(self, message: bytes) -> bytes:
        """The 32 bytes of the HMAC. Raises InvalidKey for an Ed25519 key, which can only verify."""
        if not isinstance(self._verifier, HMAC):
            raise InvalidKey("an ed25519 public key makes no signatures")
        mac = self._verifier.copy()
        mac.update(message)
        return mac.finalize()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise SignatureWrong unless `signature` was made over `message` with this key; compared in constant time."""
        verifier = self._verifier
        try:
            if isinstance(verifier, HMAC):
                mac = verifier.copy()
                mac.update(message)
                mac.verify(signature)
            else:
                verifier.verify(signature, message)
        except InvalidSignature:
            raise SignatureWrong(
                f"the signature was not made with the key {self.keyid!r} over this method, path, query and body;"
                " check that the key is the registered one and that nothing on the way rewrites the request"
            ) from None


def _check_key(keyid: str, algorithm: Algorithm, material: bytes) -> None:
    if not _KEYID.fullmatch(keyid):
        raise InvalidKey("a keyid is 1 to 128 printable ASCII characters, without quotes and backslashes")
    # Compared by value: a plain string from a row must not pass for the other algorithm.
    if algorithm not in tuple(Algorithm):
        raise InvalidKey(f"{algorithm!r} is not one of the algorithms {', '.join(Algorithm)}")
    if algorithm == Algorithm.ED25519 and len(material) != ED25519_KEY_BYTES:
        raise InvalidKey(f"an ed25519 key is {ED25519_KEY_BYTES} bytes, not {len(material)}")
    if algorithm == Algorithm.HMAC_SHA256 and len(material) < HMAC_SECRET_BYTES_MIN:
        raise InvalidKey(f"an hmac-sha256 secret is at least {HMAC_SECRET_BYTES_MIN} bytes, not {len(material)}")


def content_digest(body: bytes) -> str:
    """The value of `Content-Digest` for a body: `sha-256=:…:` (RFC 9530 §2)."""
    return f"sha-256=:{b2a_base64(hashlib.sha256(body).digest(), newline=False).decode('ascii')}:"


def sign_request(
    key: SigningKey,
    *,
    method: str,
    target: str,
    body: bytes,
    created: int,
    also: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """The headers that sign a request: `Content-Digest`, `Signature-Input` and `Signature`.

    `target` is the request target as it goes on the wire (`/v1/weigh-events?x=1`), `created` is Unix seconds. `also`
    has header fields that are covered too, by their names in lower case: a machine's `idempotency-key`.
    Raises SignatureMalformed for a method, target or field that cannot be signed.
    """
    digest = content_digest(body)
    inner_list = REQUIRED_INNER_LIST + "".join(f' "{name}"' for name in also)
    params = f'({inner_list});created={created};keyid="{key.keyid}"'
    components, fields = (*REQUIRED_COMPONENTS, *also), {"content-digest": digest, **also}
    base = signature_base(components, params, method=method, target=target, fields=fields)
    signature = b2a_base64(key.sign(base), newline=False).decode("ascii")
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={params}",
        "Signature": f"{LABEL}=:{signature}:",
    }


def parse_signature_headers(signature_input: str | None, signature: str | None) -> SignatureHeaders:
    """Read the two headers, each at most 4096 bytes, with the one signature that both name.

    Raises SignatureMissing when one is absent or empty, SignatureComponents for a component with parameters, and
    SignatureMalformed for everything else that is not the form described at the top.
    """
    if not signature_input or not signature:
        raise SignatureMissing(f"{'Signature' if signature_input else 'Signature-Input'} is missing: sign the request")
    if len(signature_input) > HEADER_BYTES_MAX or len(signature) > HEADER_BYTES_MAX:
        raise SignatureMalformed(f"Signature-Input and Signature are at most {HEADER_BYTES_MAX} bytes each")
    match = _SIGNATURE_INPUT.fullmatch(signature_input)
    if match is None:
        raise SignatureMalformed(
            f"Signature-Input is not one signature in canonical form, {LABEL}=({REQUIRED_INNER_LIST})"
            ';created=…;keyid="…" and, each at most once, expires, alg, nonce and tag'
        )
    label, signature_params, covered, created, expires, keyid, alg, nonce, tag = match.groups()
    if "\\" in signature_params:
        keyid, alg, nonce, tag = (text and _ESCAPED.sub(r"\1", text) for text in (keyid, alg, nonce, tag))
    if keyid is None:
        raise SignatureMalformed("Signature-Input has no keyid, which says whose key to verify with")
    return SignatureHeaders(
        label,
        _components(covered),
        signature_params,
        _signature_bytes(label, signature),
        keyid,
        created if created is None else int(created),
        expires if expires is None else int(expires),
        alg,
        nonce,
        tag,
    )


def _components(covered: str) -> tuple[str, ...]:
    if covered == REQUIRED_INNER_LIST:
        return REQUIRED_COMPONENTS
    if not _COMPONENTS.fullmatch(covered):
        if _COMPONENT_PARAMETER.search(covered):
            raise SignatureComponents("covered components with parameters (such as ;sf or ;key) are not supported")
        raise SignatureMalformed(
            f"Signature-Input does not cover 0 to {COMPONENTS_MAX} lower-case names, quoted, with one space between"
        )
    components = tuple(covered[1:-1].split('" "')) if covered else ()
    if len(set(components)) != len(components):
        raise SignatureMalformed("Signature-Input covers a component twice")
    return components


def _signature_bytes(label: str, signature: str) -> bytes:
    match = _SIGNATURE.fullmatch(signature)
    # a2b_base64 lets padding after whole groups of four pass, even in its strict mode; the length does not.
    if match is None or len(match[2]) % 4:
        raise SignatureMalformed(f"Signature is not one signature in canonical base64, {LABEL}=:…:")
    if match[1] != label:
        raise SignatureMalformed(
            f"Signature is labelled {match[1]} but Signature-Input {label}: use one label for both"
        )
    return a2b_base64(match[2])


def signature_base(
    components: Sequence[str],
    signature_params: str,
    *,
    method: str,
    target: str,
    fields: Fields,
    authority: str | None = None,
    scheme: str | None = None,
) -> bytes:
    """What is signed (RFC 9421 §2.5): one line a component, then `@signature-params`.

    `authority` is the Host header and `scheme` is http or https; only the components that are made of them need them.
    Raises SignatureComponents for a component that is unsupported or has no value, SignatureMalformed for a value that
    is not printable ASCII or too long.
    """
    if len(target) > TARGET_BYTES_MAX:
        raise SignatureMalformed(f"the request target is longer than {TARGET_BYTES_MAX} bytes")
    path, _, query = target.partition("?")
    lines = []
    for name in components:
        if name == "@method":
            value = method
        elif name == "@path" and target[:1] in _ORIGIN_FORM:
            value = path or "/"
        elif name == "@query" and target[:1] in _ORIGIN_FORM:
            value = "?" + query
        elif name[:1] != "@":
            value = _field_value(name, fields)
        else:
            value = _derived_value(name, target, authority, scheme)
        # A line break in a value would let one component pass for two.
        if not (value.isascii() and value.isprintable()):
            raise SignatureMalformed(f"the value of {name} is not printable ASCII")
        lines.append(f'"{name}": {value}\n')
    lines.append(f'"@signature-params": {signature_params}')
    return "".join(lines).encode("ascii")


def _derived_value(name: str, target: str, authority: str | None, scheme: str | None) -> str:
    if name == "@request-target":
        return target
    if name not in ("@authority", "@scheme", "@target-uri", "@path", "@query"):
        raise SignatureComponents(f"covered component {name} is not supported")
    scheme = scheme.lower() if scheme else ""
    if name == "@authority" and authority:
        return authority.lower().removesuffix(_DEFAULT_PORT.get(scheme, ""))
    if name == "@scheme" and scheme:
        return scheme
    if name == "@target-uri" and authority and scheme and target[:1] in _ORIGIN_FORM:
        # Assembled, not normalised (RFC 9421 §2.2.2): the host stays as it was sent, its default port too.
        return f"{scheme}://{authority}{target if target[:1] == '/' else '/' + target}"
    raise SignatureComponents(f"covered component {name} has no value in this request")


def _field_value(name: str, fields: Fields) -> str:
    lines = fields.get(name)
    if lines is None:
        raise SignatureComponents(f"covered header field {name} is not in the request")
    value = lines.strip(" \t") if isinstance(lines, str) else ", ".join(line.strip(" \t") for line in lines)
    if len(value) > HEADER_BYTES_MAX:
        raise SignatureMalformed(f"covered header field {name} is longer than {HEADER_BYTES_MAX} bytes")
    return value


def verify_request(
    key: VerifyKey,
    parsed: SignatureHeaders,
    *,
    method: str,
    target: str,
    fields: Fields,
    body: bytes,
    now: int,
    tolerance_seconds: int = TOLERANCE_SECONDS,
    authority: str | None = None,
    scheme: str | None = None,
) -> None:
    """Return if `key` signed this request and its body, and did so within `tolerance_seconds` of `now`.

    `now` is Unix seconds; the other arguments are those of `signature_base`. Raises SignatureAlgorithm,
    SignatureComponents, SignatureStale, ContentDigestMismatch, SignatureMalformed or SignatureWrong. The signature
    comes last, because an Ed25519 verification costs more than all the rest.
    """
    if parsed.alg is not None and parsed.alg != key.algorithm:
        raise SignatureAlgorithm(
            f"alg says another algorithm than the key's record, which is {key.algorithm}: leave alg out"
        )
    if parsed.components != REQUIRED_COMPONENTS:
        for name in REQUIRED_COMPONENTS:
            if name not in parsed.components:
                raise SignatureComponents(f"the signature does not cover {name}: it has to")
    _check_times(parsed.created, parsed.expires, now, tolerance_seconds)
    digest = fields.get("content-digest")
    _check_content_digest(digest if digest is None else _field_value("content-digest", fields), body)
    names, params = parsed.components, parsed.signature_params
    base = signature_base(
        names, params, method=method, target=target, fields=fields, authority=authority, scheme=scheme
    )
    if parsed.keyid != key.keyid:
        raise SignatureWrong(f"the signature names another key than {key.keyid!r}")
    key.verify(parsed.signature, base)


def _check_times(created: int | None, expires: int | None, now: int, tolerance_seconds: int) -> None:
    if created is None:
        raise SignatureStale("the signature has no created time: add ;created=<Unix seconds>")
    if abs(now - created) > tolerance_seconds:
        side = "past" if created < now else "future"
        raise SignatureStale(
            f"the signature was created {abs(now - created)} s in the {side}, more than the {tolerance_seconds} s"
            " allowed: set the clock, and sign each retry anew"
        )
    if expires is not None and expires < now:
        raise SignatureStale(f"the signature expired {now - expires} s ago: sign each retry anew")


def _check_content_digest(value: str | None, body: bytes) -> None:
    if value is None:
        raise ContentDigestMismatch("Content-Digest is missing: send sha-256=:…: of the body")
    true_digest = content_digest(body)
    if value.isascii() and hmac.compare_digest(value, true_digest):
        return
    digests = _DIGEST.findall(value) if _DIGESTS.fullmatch(value) else []
    sha256 = [text for algorithm, text in digests if algorithm == "sha-256"]
    if len(sha256) != 1:
        raise ContentDigestMismatch("Content-Digest has no readable sha-256, or two: send sha-256=:…: of the body")
    if not hmac.compare_digest(f"sha-256=:{sha256[0]}:", true_digest):
        raise ContentDigestMismatch("Content-Digest is that of another body than the one received")
