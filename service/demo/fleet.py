"""Simulated bins: they sign and post like real ones, and have the same bad days.

A bin keeps what it has weighed until the service has answered for it. Now and then it repeats a request, keeps a drop
back and sends it after later ones, or is offline for a while and then posts a batch. Some have been offline for days
when the demo starts.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice, takewhile
from random import Random
from typing import Any, Final, NamedTuple

from schemas.clearances import Clearance
from schemas.telemetry import TELEMETRY_TYPE
from schemas.weigh_events import BATCH_EVENTS_MAX, WeighEvent
from service.demo.demo_file import DemoBin
from service.demo.drops import BOX_GRAMS_MAX, Drops, Standing, clearance, weigh_event
from service.demo.instruments import Instruments
from service.demo.mishaps import grams_missing, with_mishap
from service.demo.uplink import CLEARANCES, TELEMETRY, WEIGH_EVENTS, Uplink, signing_key

CHINA: Final = timezone(timedelta(hours=8))

# How often, of all visits to a bin.
TWICE_SHARE: Final = 0.03
KEPT_BACK_SHARE: Final = 0.02
OFFLINE_SHARE: Final = 0.008
OFFLINE_SECONDS: Final = (5.0, 20.0)
# One in so many bins is offline when the demo starts: for so long, with so many drops, and back after so long.
AWAY_EVERY: Final = 5
AWAY_HOURS: Final = (6.0, 72.0)
AWAY_DROPS: Final = (5, 25)
AWAY_SECONDS: Final = (5.0, 300.0)
# Some bins empty their memory from the end.
BACKWARDS_SHARE: Final = 0.5
TELEMETRY_SECONDS: Final = 30.0
# After a refusal that only people mend, as of a bin that is suspended.
REFUSED_SECONDS: Final = 60.0
# What a bin keeps; full, it takes no drops.
OUTBOX_MAX: Final = 10_000
COLLECTORS: Final = ("TJ-A1024", "TJ-A2371", "TJ-B0415")


class Kept(NamedTuple):
    """An event of the bin's count, and where it is to be posted."""

    path: str
    event: WeighEvent | Clearance


class SimulatedBin:
    """One bin: its key, its count of events, its boxes, and what it has not got rid of yet."""

    def __init__(self, demo_bin: DemoBin, standing: Standing, drops: Drops, random: Random) -> None:
        """`standing` is what the service knows of this bin."""
        self.id = demo_bin.id
        self._key = signing_key(demo_bin)
        self._sequence = standing.sequence
        self._last_at = standing.at
        self._boxes = dict(standing.boxes)
        self._drops = drops
        self._random = random
        self._instruments = Instruments(random)
        self._outbox: deque[Kept] = deque()
        self._kept_back: list[Kept] = []
        self._online_at = 0.0
        self._filled = asyncio.Event()

    @property
    def waiting(self) -> Sequence[Kept]:
        """What it has not posted yet."""
        return (*self._outbox, *self._kept_back)

    def stay_away(self) -> None:
        """It has been offline for hours, in which people came, and will be back. Not since before its last drop."""
        now = datetime.now(CHINA)
        since = now - timedelta(hours=self._random.uniform(*AWAY_HOURS))
        if self._last_at is not None:
            since = min(max(since, datetime.fromtimestamp(self._last_at, CHINA)), now)
        times = sorted(since + (now - since) * self._random.random() for _ in range(self._random.randint(*AWAY_DROPS)))
        for at in times:
            self._keep(*self._weigh(at))
        self._online_at = time.monotonic() + self._random.uniform(*AWAY_SECONDS)

    def visit(self) -> None:
        """Someone comes to the bin."""
        if len(self._outbox) >= OUTBOX_MAX:
            return
        chance = self._random.random()
        *emptied, dropped = self._weigh(datetime.now(CHINA))
        self._keep(*emptied)
        if chance < KEPT_BACK_SHARE:
            self._kept_back.append(dropped)
            return
        self._keep(dropped, *self._kept_back)
        self._kept_back.clear()
        if chance < KEPT_BACK_SHARE + OFFLINE_SHARE:
            offline_until = time.monotonic() + self._random.uniform(*OFFLINE_SECONDS)
            self._online_at = max(self._online_at, offline_until)

    async def post_forever(self, uplink: Uplink) -> None:
        """Post what there is, as soon as the bin is online."""
        while True:
            await self._filled.wait()
            await self._until_online()
            path, events = self._next()
            if not await uplink.post(self._key, path, events):
                await asyncio.sleep(REFUSED_SECONDS)
                continue
            if self._random.random() < TWICE_SHARE:
                await uplink.post(self._key, path, events)
            for _ in events:
                self._outbox.popleft()
            if not self._outbox:
                self._filled.clear()

    async def tell_forever(self, uplink: Uplink) -> None:
        """Tell now and then what the bin measures; not all bins at once."""
        await asyncio.sleep(self._random.uniform(0, TELEMETRY_SECONDS))
        while True:
            await self._until_online()
            heard = await uplink.post(self._key, TELEMETRY, [self._telemetry()])
            await asyncio.sleep(TELEMETRY_SECONDS if heard else REFUSED_SECONDS)

    async def _until_online(self) -> None:
        await asyncio.sleep(max(0.0, self._online_at - time.monotonic()))

    def _keep(self, *kept: Kept) -> None:
        self._outbox.extend(kept)
        if self._outbox:
            self._filled.set()

    def _next(self) -> tuple[str, list[WeighEvent | Clearance]]:
        """As much as goes into one request. Drops and emptyings stay in their order: by it the boxes add up."""
        path = self._outbox[0].path
        of_path = takewhile(lambda kept: kept.path == path, self._outbox)
        events = [kept.event for kept in islice(of_path, BATCH_EVENTS_MAX)]
        if self._random.random() < BACKWARDS_SHARE:
            events.reverse()
        return path, events

    def _weigh(self, at: datetime) -> Iterator[Kept]:
        """A drop; before it the box is emptied, where it would run over."""
        drop = with_mishap(self._drops.draw(), self._random)
        self._last_at = at.timestamp()
        at = at.replace(microsecond=0)
        box = self._boxes.get(drop.material, 0)
        if box + drop.gain_grams > BOX_GRAMS_MAX:
            self._sequence += 1
            collector = self._random.choice(COLLECTORS)
            before = max(0, box - grams_missing(self._random))
            emptied = clearance(self.id, self._sequence, at, drop.material, collector, before=before, after=0)
            yield Kept(CLEARANCES, emptied)
            box = 0
        self._sequence += 1
        box = self._boxes[drop.material] = box + drop.gain_grams
        yield Kept(WEIGH_EVENTS, weigh_event(self.id, self._sequence, at, drop, box))

    def _telemetry(self) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "type": TELEMETRY_TYPE,
            "source": f"/bins/{self.id}",
            "id": str(uuid.uuid4()),
            "time": datetime.now(CHINA),
            "data": self._instruments.read(self._boxes, BOX_GRAMS_MAX),
        }


class Fleet:
    """All bins of the demo, which share the visits between them."""

    def __init__(
        self,
        uplink: Uplink,
        bins: Sequence[DemoBin],
        cards: Sequence[str],
        standings: Mapping[str, Standing],
        *,
        random: Random,
        events_per_second: float,
    ) -> None:
        """`standings` are what the service knows, by bin."""
        drops = Drops(cards, random)
        self._bins = [SimulatedBin(each, standings.get(each.id, Standing()), drops, random) for each in bins]
        self._uplink = uplink
        self._random = random
        self._events_per_second = events_per_second

    async def run_forever(self) -> None:
        for each in self._random.sample(self._bins, len(self._bins) // AWAY_EVERY):
            each.stay_away()
        async with asyncio.TaskGroup() as group:
            for each in self._bins:
                group.create_task(each.post_forever(self._uplink))
                group.create_task(each.tell_forever(self._uplink))
            due = time.monotonic()
            while True:
                self._random.choice(self._bins).visit()
                # Of an absolute time, so that the pace does not suffer from what happens in between.
                due = max(due + self._random.expovariate(self._events_per_second), time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
