"""Pure decisions: where webhooks may go, how they are signed, what an answer means and when to try again."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Literal
from urllib.parse import urlsplit

State = Literal["waiting", "delivered", "failed"]
Outcome = Literal["delivered", "retried", "failed", "gone"]
# Why there was no status: short words, because a driver's own would tell of our network.
AttemptError = Literal[
    "timed_out",
    "name_not_found",
    "address_refused",
    "certificate_refused",
    "not_connected",
    "connection_lost",
    "secret_unreadable",
]

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # how a secret begins, not a secret
# Seconds before the second attempt, the third and so on: the schedule of Standard Webhooks 1.0, 75.6 hours in all.
RETRY_SECONDS: Final = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS_MAX: Final = len(RETRY_SECONDS) + 1
# How much later than the schedule says a retry may be, as a share of the wait.
JITTER_MAX: Final = 0.2
RETRY_AFTER_SECONDS_MAX: Final = 86_400
GONE: Final = 410
URL_CHARACTERS_MAX: Final = 500

# What `is_global` lets pass, and what could lead inside: relays, tunnels, special uses (IANA's registries).
_SPECIAL_IPV4: Final = tuple(ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24"))
_SPECIAL_IPV6: Final = tuple(IPv6Network(text) for text in ("2001::/23", "2002::/16", "3fff::/20"))
# All that is allocated to hosts of the Internet is in here; mapped, translated and local addresses are not.
_UNICAST_IPV6: Final = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class UrlRefused:
    """Why no webhook may go there: a stable code, and what to do."""

    code: str
    detail: str


ADDRESS_REFUSED: Final = UrlRefused(
    "address_refused", "This leads to a private or special address. Send the URL of a host on the Internet."
)
NAME_NOT_FOUND: Final = UrlRefused("name_not_found", "No address was found for this name. Check it and send it again.")
HTTPS_NEEDED: Final = UrlRefused("https_needed", "Send a URL that begins with https://.")
NOT_A_URL: Final = UrlRefused("url_malformed", "This is not a URL. Send one such as https://shop.example/tanbi.")


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a delivery after an attempt. `delay_seconds` until the next one, None where there is none."""

    outcome: Outcome
    state: State
    delay_seconds: float | None


def is_public_address(text: str) -> bool:
    """Whether this IP address is a host's on the Internet, and nothing of ours or our provider's."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_ipv4(address)
    return _is_public_ipv6(address)


def _is_public_ipv4(address: IPv4Address) -> bool:
    if any(address in network for network in _SPECIAL_IPV4):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _is_public_ipv6(address: IPv6Address) -> bool:
    # A scope names an interface of this machine.
    if address.scope_id is not None or address not in _UNICAST_IPV6:
        return False
    if any(address in network for network in _SPECIAL_IPV6):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def url_refusal(url: str, *, private_addresses: bool) -> UrlRefused | None:
    """What is wrong with an endpoint's URL by its form; None for nothing. A name's addresses are not looked up here.

    `private_addresses` allows every address, and http.
    """
    if len(url) > URL_CHARACTERS_MAX or not re.fullmatch(r"[!-~]+", url):
        detail = f"Send at most {URL_CHARACTERS_MAX} printable ASCII characters; write a name of others as punycode."
        return UrlRefused("url_malformed", detail)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return NOT_A_URL
    if parts.scheme != "https" and not (private_addresses and parts.scheme == "http"):
        return HTTPS_NEEDED
    if not host or port == 0 or "\\" in url:
        return NOT_A_URL
    if "@" in parts.netloc:
        return UrlRefused("credentials_in_url", "Send a URL without a user or password: the signature says who calls.")
    if parts.fragment:
        return UrlRefused("fragment_in_url", "Send a URL without #: what follows it is never sent.")
    if not private_addresses and _is_address(host) and not is_public_address(host):
        return ADDRESS_REFUSED
    return None


def _is_address(host: str) -> bool:
    return ":" in host or re.fullmatch(r"[0-9.]+", host) is not None


def encode_secret(secret: bytes) -> str:
    """As a merchant is shown it: `whsec_` and base64."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signature(secret: bytes, *, message_id: str, timestamp: int, payload: str) -> str:
    """Standard Webhooks 1.0: `v1,` and base64 of HMAC-SHA256 over id, Unix seconds and payload, joined by dots."""
    signed = f"{message_id}.{timestamp}.{payload}".encode()
    return "v1," + base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()


def decide(attempts: int, status: int | None, *, jitter: float, retry_after_seconds: int | None = None) -> Decision:
    """After the attempt number `attempts`, from 1. `status` is None where there was no answer; `jitter` is 0 to 1.

    A wait that the receiver asks for is kept where it is longer than the schedule's, up to a day.
    """
    if status is not None and 200 <= status < 300:
        return Decision("delivered", "delivered", None)
    if status == GONE:
        return Decision("gone", "failed", None)
    if attempts >= ATTEMPTS_MAX:
        return Decision("failed", "failed", None)
    asked = min(retry_after_seconds or 0, RETRY_AFTER_SECONDS_MAX)
    return Decision("retried", "waiting", max(RETRY_SECONDS[attempts - 1], asked) * (1 + JITTER_MAX * jitter))
