"""Bins that post while the service is being killed; each tells the journal what it heard."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from loadtest.demo import DemoResident
from loadtest.drops import Drops, EventWriter
from loadtest.journal import EventKey, Journal
from loadtest.patience import GaveUp, Patient
from loadtest.requests import PATH, BinKey
from schemas.signatures import sign_request
from schemas.weigh_events import CONTENT_TYPE_BATCH, CONTENT_TYPE_EVENT

BATCH_EVENTS_MAX = 20
REMEMBERED_EVENTS = 60
# What bins ask for, in counts.
EVENTS = "weigh events"

# Shares of requests: batches; of those, with an event twice in them, or with earlier events among them, out of order.
BATCH_SHARE = 0.5
TWICE_SHARE = 0.3
AGAIN_SHARE = 0.4
# The same to two replicas at the same moment.
TWIN_SHARE = 0.25

Written = tuple[EventKey, str]


class BinClient:
    """One bin. Several `run` at once are several connections of it."""

    def __init__(
        self, bin_key: BinKey, residents: Sequence[DemoResident], patient: Patient, journal: Journal, random: Random
    ) -> None:
        self._bin = bin_key
        self._resident_ids = {resident.card: resident.id for resident in residents}
        self._patient = patient
        self._journal = journal
        self._random = random
        self._writer = EventWriter()
        self._remembered: deque[Written] = deque(maxlen=REMEMBERED_EVENTS)
        self._drops = Drops(
            [bin_key.bin_id],
            [resident.card for resident in residents],
            seed=random.getrandbits(64),
            first_sequence=time.time_ns() // 1_000_000,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Post one request after the other until `stop`; what is begun then is still brought to its answer."""
        while not stop.is_set():
            written = self._next_request()
            replica = self._random.randrange(self._patient.replicas)
            twins = 2 if self._random.random() < TWIN_SHARE else 1
            await asyncio.gather(
                *(self._post(written, (replica + twin) % self._patient.replicas) for twin in range(twins))
            )

    def _next_request(self) -> list[Written]:
        batch = self._random.random() < BATCH_SHARE
        count = self._random.randint(2, BATCH_EVENTS_MAX) if batch else 1
        fresh = [
            ((drop.bin_id, drop.event_id), self._writer.write(drop), drop.card)
            for drop in self._drops.take(0, count, int(time.time()))
        ]
        for key, _, card in fresh:
            self._journal.will_send(key, self._resident_ids[card])
        written: list[Written] = [(key, text) for key, text, _ in fresh]
        request = list(written)
        if batch and self._random.random() < TWICE_SHARE:
            request += self._random.choices(written, k=self._random.randint(1, 3))
        if batch and self._random.random() < AGAIN_SHARE:
            request += self._random.sample(self._remembered, min(len(self._remembered), 10))
        if batch:
            self._random.shuffle(request)
        self._remembered.extend(written)
        return request

    async def _post(self, written: Sequence[Written], replica: int) -> None:
        if len(written) == 1:
            body, media_type = written[0][1].encode(), CONTENT_TYPE_EVENT
        else:
            body, media_type = f"[{','.join(text for _, text in written)}]".encode(), CONTENT_TYPE_BATCH

        def headers() -> Mapping[str, str]:
            signed = sign_request(self._bin.key, method="POST", target=PATH, body=body, created=int(time.time()))
            return {"Content-Type": media_type, **signed}

        try:
            status, document = await self._patient.post(EVENTS, PATH, body, headers, is_verdict_on_events, replica)
        except GaveUp:
            return
        if status == 200:
            self._journal.answered([key for key, _ in written], document["outcomes"])
        else:
            self._journal.contradictions.append(f"{self._bin.bin_id} was refused with {status} {document}")


def is_verdict_on_events(status: int, _document: Any) -> bool:
    """200, or a refusal that the same bytes would meet again, and that a bin of the demo should never meet."""
    return status == 200 or (400 <= status < 500 and status not in (408, 429))
