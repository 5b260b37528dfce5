"""The bridge as a client of the service: a request is sent until the service has decided."""

import logging
import time
from typing import Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from service.backoff import TIMEOUT, Backoff
from service.bridge.messages import TOLD_FIELDS, Answer, Request, problem_answer
from service.bridge.metrics import BridgeMetrics
from service.errors import Unavailable

logger = logging.getLogger(__name__)

FIRST_SECONDS: Final = 0.2
SECONDS_MAX: Final = 5.0
RETRY_AFTER_SECONDS_MAX: Final = 60.0
PATIENCE_SECONDS: Final = 5.0
WARNING_SECONDS: Final = 60.0
# Telemetry is answered after a quarter of a second: enough for a thousand of its messages a second.
CONNECTIONS_MAX: Final = 256
NO_ANSWER: Final = "no_answer"


class Service:
    """The service behind `url`; what comes after a redirect, or with a cookie, is none of ours."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        metrics: BridgeMetrics,
        *,
        first_seconds: float = FIRST_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`first_seconds` is what the first retry waits where the service does not say how long."""
        self._session = session
        self._url = url.rstrip("/")
        self._metrics = metrics
        self._first_seconds = first_seconds
        self._patience_seconds = patience_seconds
        self._answered_at = self._warned_at = -WARNING_SECONDS

    async def decide(self, request: Request) -> Answer:
        """The service's decision: 2xx, or 4xx that no retry would mend; whatever else it says is tried again.

        A request that it fails for `patience_seconds` in which it decided others is given back undecided: messages are
        acknowledged in order, and one that cannot be decided would keep all others from coming. Its bin has it still.
        """
        backoff = Backoff(first_seconds=self._first_seconds, seconds_max=SECONDS_MAX)
        began = time.monotonic()
        while True:
            answer = await self._post(request)
            now = time.monotonic()
            if answer is not None and answer.is_final:
                self._answered_at = now
                return answer
            self._note_failure(answer, now)
            if self._answered_at <= began:
                began = now
            elif now - began >= self._patience_seconds:
                return answer or problem_answer(Unavailable())
            await backoff.wait(min(answer.retry_after_seconds if answer else 0.0, RETRY_AFTER_SECONDS_MAX))

    async def _post(self, request: Request) -> Answer | None:
        """None where no whole answer came."""
        try:
            async with self._session.post(
                URL(self._url + request.path, encoded=True),
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
            ) as response:
                return Answer(
                    response.status,
                    response.content_type,
                    await response.read(),
                    {name: response.headers[name] for name in TOLD_FIELDS if name in response.headers},
                )
        except (aiohttp.ClientError, OSError) as error:
            logger.debug("no answer: %s", type(error).__name__)
            return None

    def _note_failure(self, answer: Answer | None, now: float) -> None:
        reason = NO_ANSWER if answer is None else str(answer.status)
        self._metrics.count_retry(reason)
        if now - self._warned_at >= WARNING_SECONDS:
            self._warned_at = now
            logger.warning("the service at %s does not decide (%s); messages are sent again", self._url, reason)


def open_session() -> aiohttp.ClientSession:
    """For requests to the service only: no cookies, and no proxy of the environment."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=TIMEOUT,
        headers={hdrs.USER_AGENT: "tanbi-bridge"},
    )
