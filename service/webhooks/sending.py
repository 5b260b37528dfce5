"""One HTTP request to a merchant: to public addresses only, bounded in time, and nothing of ours in it."""

import asyncio
import errno
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from service.errors import ValidationFailed
from service.settings import Settings
from service.webhooks.rules import (
    ADDRESS_REFUSED,
    NAME_NOT_FOUND,
    NOT_A_URL,
    AttemptError,
    UrlRefused,
    is_public_address,
    signature,
    url_refusal,
)

# A look-up whose caller has given up keeps its thread until the system gives up too, after tens of seconds. So each
# merchant has few, and deliveries and registrations have their own.
DELIVERY_THREADS: Final = 32
REGISTRATION_THREADS: Final = 8
MERCHANT_LOOKUPS_MAX: Final = 2
RESOLVE_SECONDS_MAX: Final = 5.0
REFUSED: Final = "private or special address"
USER_AGENT: Final = "Tanbi-Webhooks/1.0"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, or why there was none. `retry_after_seconds` is what the receiver asked for."""

    sent_at: datetime
    milliseconds: int
    status: int | None
    error: AttemptError | None
    retry_after_seconds: int | None = None


@dataclass(slots=True)
class _Asking:
    """Whose name is looked up, and whether that waits for others that this merchant, or everyone, has under way."""

    merchant_id: str
    waiting: bool = False


# aiohttp asks a resolver for a host and does not say for whom.
_asking: ContextVar[_Asking] = ContextVar("asking")


class Resolver(AbstractResolver):
    """Looks names up in threads of its own, of each merchant at most MERCHANT_LOOKUPS_MAX at once.

    The event loop's are few and shared with connecting to the database: a merchant whose name server never answers
    would hold up everything else.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-dns")
        # Held by who waits for them and by what runs.
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Every address of a name. Raises OSError where there is none."""

        asking = _asking.get()
        asking.waiting = True
        turns = self._turns.setdefault(asking.merchant_id, asyncio.Semaphore(MERCHANT_LOOKUPS_MAX))

        def look_up() -> list[Any]:
            asking.waiting = False
            return socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)

        await turns.acquire()
        loop = asyncio.get_running_loop()
        lookup = self._threads.submit(look_up)
        # Not when its caller gives up: the thread is still taken.
        lookup.add_done_callback(lambda _: _call_in(loop, turns.release))
        found = await asyncio.wrap_future(lookup)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=found_family,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for found_family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """What is still looked up is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _call_in(loop: asyncio.AbstractEventLoop, done: Callable[[], None]) -> None:
    # What outlives the loop, nobody waits for.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(done)


async def check_url(url: str, resolver: AbstractResolver, *, merchant_id: str, private_addresses: bool) -> str:
    """The URL as it will be asked for, for this merchant. Raises ValidationFailed where webhooks may not go there.

    A name is looked up too, so that a mistake is told at once; what counts is the address at each connection.
    """
    refused = url_refusal(url, private_addresses=private_addresses)
    if refused is not None:
        raise _refusal(refused)
    try:
        parsed = URL(url)
    except ValueError:
        raise _refusal(NOT_A_URL) from None
    if not private_addresses:
        _asking.set(_Asking(merchant_id))
        await _check_name(parsed, resolver)
    return str(parsed)


async def _check_name(url: URL, resolver: AbstractResolver) -> None:
    try:
        async with asyncio.timeout(RESOLVE_SECONDS_MAX):
            found = await resolver.resolve(url.raw_host or "", url.port or 0, socket.AF_UNSPEC)
    except (OSError, UnicodeError):  # of which TimeoutError is one
        raise _refusal(NAME_NOT_FOUND) from None
    if not all(is_public_address(each["host"]) for each in found):
        raise _refusal(ADDRESS_REFUSED)


def _refusal(refused: UrlRefused) -> ValidationFailed:
    return ValidationFailed(
        refused.detail, errors=[{"pointer": "/url", "code": refused.code, "detail": refused.detail}]
    )


@asynccontextmanager
async def open_session(settings: Settings, resolver: AbstractResolver) -> AsyncIterator[aiohttp.ClientSession]:
    """For requests to merchants only: no cookies, no proxy of the environment, no credentials."""
    connector = aiohttp.TCPConnector(
        resolver=resolver,
        family=socket.AF_UNSPEC,
        limit=settings.webhook_deliveries_max,
        # A merchant who moves is found at the next attempt.
        use_dns_cache=False,
        socket_factory=None if settings.webhook_private_addresses else _public_socket,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=settings.webhook_timeout_seconds),
        headers={hdrs.USER_AGENT: USER_AGENT, hdrs.CONTENT_TYPE: "application/json"},
        skip_auto_headers=(hdrs.ACCEPT_ENCODING,),
        auto_decompress=False,
    ) as session:
        yield session


def _public_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket for the very address that is connected to next: after this no look-up can change it."""
    family, kind, protocol, _, (host, *_) = address
    if not is_public_address(host):
        raise PermissionError(errno.EACCES, REFUSED)
    return socket.socket(family, kind, protocol)


async def send(
    session: aiohttp.ClientSession, *, merchant_id: str, url: str, secret: bytes, message_id: UUID, payload: str
) -> Answer | None:
    """POST a signed message. Only the answer's head is read: the status says it all, and a body could be endless.

    None where nothing was done: look-ups of other names took all the time.
    """
    asking = _Asking(merchant_id)
    _asking.set(asking)
    sent_at = datetime.now(UTC)
    began = time.perf_counter()
    timestamp = int(sent_at.timestamp())
    headers = {
        "webhook-id": str(message_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(secret, message_id=str(message_id), timestamp=timestamp, payload=payload),
    }
    status: int | None = None
    error: AttemptError | None = None
    retry_after: str = ""
    try:
        # A redirect could lead anywhere; who has moved registers the new URL.
        async with session.post(
            URL(url, encoded=True), data=payload.encode(), headers=headers, allow_redirects=False
        ) as response:
            status = response.status
            retry_after = response.headers.get(hdrs.RETRY_AFTER, "")
    except (aiohttp.ClientError, OSError, ValueError) as failure:
        if isinstance(failure, TimeoutError) and asking.waiting:
            return None
        # A status that was received stands, whatever the connection does afterwards.
        error = _error(failure) if status is None else None
    return Answer(
        sent_at=sent_at,
        milliseconds=round((time.perf_counter() - began) * 1000),
        status=status,
        error=error,
        retry_after_seconds=int(retry_after) if re.fullmatch(r"[0-9]{1,9}", retry_after) else None,
    )


def _error(failure: Exception) -> AttemptError:
    if isinstance(failure, TimeoutError):
        return "timed_out"
    if isinstance(failure, aiohttp.ClientConnectorDNSError):
        return "name_not_found"
    if isinstance(failure, aiohttp.ClientSSLError):
        return "certificate_refused"
    if isinstance(failure, aiohttp.ClientConnectorError):
        return "address_refused" if failure.strerror == REFUSED else "not_connected"
    return "connection_lost"
