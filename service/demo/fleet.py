"""Simulated bins: they sign and post like real ones, and have the same bad days.

A bin keeps what it has weighed until the service has answered for it. Now and then it repeats a request, keeps a drop
back and sends it after later ones, or is offline for a while and then posts a batch with old times.
"""

import asyncio
import base64
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Final

import aiohttp
import pydantic_core

from schemas.signatures import SigningKey, sign_request
from schemas.weigh_events import BATCH_EVENTS_MAX, CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT, WeighEvent
from service.backoff import Backoff, retry_after_seconds
from service.demo.demo_file import DemoBin
from service.demo.drops import Drops

logger = logging.getLogger(__name__)

PATH: Final = "/v1/weigh-events"
CHINA: Final = timezone(timedelta(hours=8))

# How often, of all visits to a bin.
TWICE_SHARE: Final = 0.03
KEPT_BACK_SHARE: Final = 0.02
OFFLINE_SHARE: Final = 0.008
# An outage is played in fast motion: seconds for the hours that its drops' times speak of.
OFFLINE_SECONDS: Final = (5.0, 20.0)
OFFLINE_HOURS: Final = (1.0, 72.0)
OFFLINE_DROPS: Final = (5, 25)


class SimulatedBin:
    """One bin: its key, its count of events, and what it has not got rid of yet."""

    def __init__(self, demo_bin: DemoBin, sequence: int, drops: Drops, random: Random) -> None:
        """`sequence` is the last that the service has of this bin."""
        self.id = demo_bin.id
        self._key = SigningKey(demo_bin.keyid, demo_bin.alg, base64.b64decode(demo_bin.private_key))
        self._sequence = sequence
        self._drops = drops
        self._random = random
        self._outbox: deque[WeighEvent] = deque()
        self._kept_back: list[WeighEvent] = []
        self._online_at = 0.0
        self._filled = asyncio.Event()

    def visit(self) -> int:
        """Someone comes to the bin, or many do while it is offline; how many drops there were."""
        chance = self._random.random()
        if chance < OFFLINE_SHARE:
            return self._go_offline()
        event = self._weigh(datetime.now(CHINA))
        if chance < OFFLINE_SHARE + KEPT_BACK_SHARE:
            self._kept_back.append(event)
            return 1
        self._outbox.append(event)
        self._outbox.extend(self._kept_back)
        self._kept_back.clear()
        self._filled.set()
        return 1

    async def post_forever(self, service: "WeighEvents") -> None:
        """Post what there is, as soon as the bin is online."""
        while True:
            await self._filled.wait()
            await asyncio.sleep(max(0.0, self._online_at - time.monotonic()))
            count = min(len(self._outbox), BATCH_EVENTS_MAX)
            events = [self._outbox.popleft() for _ in range(count)]
            if not self._outbox:
                self._filled.clear()
            await service.post(self._key, events)
            if self._random.random() < TWICE_SHARE:
                await service.post(self._key, events)

    def _weigh(self, occurred_at: datetime) -> WeighEvent:
        self._sequence += 1
        return self._drops.drop(self.id, self._sequence, occurred_at.replace(microsecond=0))

    def _go_offline(self) -> int:
        self._online_at = time.monotonic() + self._random.uniform(*OFFLINE_SECONDS)
        count = self._random.randint(*OFFLINE_DROPS)
        now = datetime.now(CHINA)
        hours = self._random.uniform(*OFFLINE_HOURS)
        ages = sorted((self._random.uniform(0, hours) for _ in range(count)), reverse=True)
        events = [self._weigh(now - timedelta(hours=age)) for age in ages]
        # Some bins empty their memory from the end.
        self._outbox.extend(events if self._random.random() < 0.5 else reversed(events))
        self._filled.set()
        return count


class WeighEvents:
    """The service as bins see it. Counts what bins were told."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._url = base_url + PATH
        self.outcomes: Counter[str] = Counter()
        self.retries = 0
        # Requests that no retry mends: a suspended bin, a key that was replaced.
        self.refused = 0

    async def post(self, key: SigningKey, events: Sequence[WeighEvent]) -> None:
        """Post until there is an answer: the same bytes each time, signed anew, and never sooner than asked."""
        single = len(events) == 1
        body = pydantic_core.to_json(events[0] if single else events)
        backoff = Backoff()
        while True:
            headers = {
                "Content-Type": CONTENT_TYPE_EVENT if single else CONTENT_TYPE_BATCH,
                **sign_request(key, method="POST", target=PATH, body=body, created=int(time.time())),
            }
            asked_seconds = 0.0
            try:
                async with self._session.post(self._url, data=body, headers=headers) as response:
                    answer = await response.read()
                if response.status == 200:
                    self._count(answer)
                    return
                if response.status != 429 and response.status < 500:
                    self.refused += 1
                    logger.warning("a request of %s was refused with status %d", key.keyid, response.status)
                    return
                asked_seconds = retry_after_seconds(response)
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.retries += 1
            await backoff.wait(asked_seconds)

    def _count(self, answer: bytes) -> None:
        self.outcomes.update(outcome["outcome"] for outcome in pydantic_core.from_json(answer)["outcomes"])


class Fleet:
    """All bins of the demo, which share the visits between them."""

    def __init__(
        self,
        service: WeighEvents,
        bins: Sequence[DemoBin],
        cards: Sequence[str],
        sequences: Mapping[str, int],
        *,
        random: Random,
        events_per_second: float,
    ) -> None:
        """`sequences` are the last ones that the service has, by bin."""
        drops = Drops(cards, random)
        self._bins = [SimulatedBin(each, sequences.get(each.id, 0), drops, random) for each in bins]
        self._service = service
        self._random = random
        self._events_per_second = events_per_second

    async def run_forever(self) -> None:
        async with asyncio.TaskGroup() as group:
            for each in self._bins:
                group.create_task(each.post_forever(self._service))
            due = time.monotonic()
            while True:
                drops = self._random.choice(self._bins).visit()
                # Of an absolute time, so that the pace does not suffer from what happens in between.
                due = max(due + self._random.expovariate(self._events_per_second / drops), time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
