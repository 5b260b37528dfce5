"""The service as simulated bins see it: they sign and post, wait where they are told to, and count what they hear."""

import base64
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import aiohttp
import pydantic_core

from schemas.signatures import SigningKey, sign_request
from schemas.weigh_events import CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT
from service.backoff import Backoff, retry_after_seconds
from service.demo.demo_file import DemoBin

logger = logging.getLogger(__name__)

WEIGH_EVENTS: Final = "/v1/weigh-events"
CLEARANCES: Final = "/v1/clearances"
TELEMETRY: Final = "/v1/telemetry"


def signing_key(of: DemoBin) -> SigningKey:
    return SigningKey(of.keyid, of.alg, base64.b64decode(of.private_key))


class Uplink:
    """What all bins of a fleet post by."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url
        # By path, what bins were told.
        self.outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.retries = 0
        # Requests that no retry mends: a suspended bin, a key that was replaced.
        self.refused = 0

    async def post(self, key: SigningKey, path: str, events: Sequence[Mapping[str, Any]]) -> bool:
        """Post until there is an answer: the same bytes each time, signed anew, and never sooner than asked. Whether it
        is one outcome an event, or what only people mend."""
        single = len(events) == 1
        body = pydantic_core.to_json(events[0] if single else events)
        backoff = Backoff()
        while True:
            headers = {
                "Content-Type": CONTENT_TYPE_EVENT if single else CONTENT_TYPE_BATCH,
                **sign_request(key, method="POST", target=path, body=body, created=int(time.time())),
            }
            asked_seconds = 0.0
            try:
                async with self._session.post(self._base_url + path, data=body, headers=headers) as response:
                    answer = await response.read()
                if response.status == 200:
                    told = pydantic_core.from_json(answer)["outcomes"]
                    self.outcomes[path].update(outcome["outcome"] for outcome in told)
                    return True
                if response.status != 429 and response.status < 500:
                    self.refused += 1
                    logger.warning("a request of %s was refused with status %d", key.keyid, response.status)
                    return False
                asked_seconds = retry_after_seconds(response)
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.retries += 1
            await backoff.wait(asked_seconds)
