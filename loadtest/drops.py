"""Weigh events as a city's bins would report them, drawn from a seed."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from math import log
from random import Random
from typing import NamedTuple

from schemas.weigh_events import EVENT_TYPE

SHARE_BY_MATERIAL = {"paper": 0.45, "plastic": 0.20, "textile": 0.18, "glass": 0.08, "metal": 0.06, "electronics": 0.03}

# Log-normal with median 1.75 kg and mean 2.1 kg: the two averages a drop that operators published (FACTS, Weighing).
WEIGHT_GRAMS_MEDIAN = 1750
WEIGHT_SIGMA = 0.6
INTERVAL_GRAMS = 10
WEIGHT_GRAMS_MIN = 20 * INTERVAL_GRAMS
WEIGHT_GRAMS_MAX = 15_000

ZIPF_EXPONENT = 1.0
CHINA = timezone(timedelta(hours=8))


class Drop(NamedTuple):
    """One weigh event. `occurred_at` is in Unix seconds, the weights in grams, `card` the credential's plain value."""

    bin_id: str
    event_id: str
    occurred_at: int
    sequence: int
    material: str
    weight_grams: int
    card: str
    box_weight_grams: int


class Drops:
    """The drops of several bins: one seed, one order of calls, one result.

    Cards are drawn with Zipf's law in the order given: the first is shown `n ** ZIPF_EXPONENT` times as often as the
    n-th, so that some wallets are written by many events at once. Sequences rise by one a bin from `first_sequence`.
    Event ids are UUIDv7 of the event's time: a later run from the same seed has other ids and is not taken for a retry.
    """

    def __init__(self, bin_ids: Sequence[str], cards: Sequence[str], *, seed: int, first_sequence: int = 1) -> None:
        if not bin_ids or not cards:
            raise ValueError("Drops need at least one bin and one card.")
        self._random = Random(seed)  # noqa: S311, nothing secret is drawn
        self._bin_ids = list(bin_ids)
        self._cards = list(cards)
        self._card_weights = list(accumulate((rank + 1) ** -ZIPF_EXPONENT for rank in range(len(cards))))
        self._materials = list(SHARE_BY_MATERIAL)
        self._material_weights = list(accumulate(SHARE_BY_MATERIAL.values()))
        self._sequences = [first_sequence] * len(bin_ids)
        self._boxes: dict[tuple[int, str], int] = {}

    def take(self, bin_index: int, count: int, now: int) -> list[Drop]:
        """The next `count` drops of one bin, which happened at `now` (Unix seconds), as far as its clock tells."""
        cards = self._random.choices(self._cards, cum_weights=self._card_weights, k=count)
        materials = self._random.choices(self._materials, cum_weights=self._material_weights, k=count)
        return [self._drop(bin_index, now, card, material) for card, material in zip(cards, materials, strict=True)]

    def _drop(self, bin_index: int, now: int, card: str, material: str) -> Drop:
        bits = self._random.getrandbits(90)
        grams = int(self._random.lognormvariate(log(WEIGHT_GRAMS_MEDIAN), WEIGHT_SIGMA))
        grams = min(max(grams - grams % INTERVAL_GRAMS, WEIGHT_GRAMS_MIN), WEIGHT_GRAMS_MAX)
        # Nobody empties it: a box of a bin under load has room for all.
        box = self._boxes.get((bin_index, material), 0) + grams
        self._boxes[bin_index, material] = box
        sequence = self._sequences[bin_index]
        self._sequences[bin_index] = sequence + 1
        event_id = uuid7(now * 1000, bits & ((1 << 74) - 1))
        return Drop(self._bin_ids[bin_index], event_id, now, sequence, material, grams, card, box)


def uuid7(milliseconds: int, bits: int) -> str:
    """The UUID of version 7 (RFC 9562 §5.7) for a Unix time in milliseconds and 74 random bits."""
    high = f"{milliseconds:012x}"
    low = 0x8000_0000_0000_0000 | (bits & 0x3FFF_FFFF_FFFF_FFFF)
    tail = f"{low:016x}"
    return f"{high[:8]}-{high[8:]}-7{bits >> 62:03x}-{tail[:4]}-{tail[4:]}"


class EventWriter:
    """Drops as CloudEvents 1.0 in JSON (DESIGN §5), without spaces, as a device with a small buffer writes them."""

    def __init__(self) -> None:
        self._times: dict[int, str] = {}

    def write(self, drop: Drop) -> str:
        """One event as a JSON object."""
        time = self._times.get(drop.occurred_at)
        if time is None:
            time = self._times[drop.occurred_at] = datetime.fromtimestamp(drop.occurred_at, CHINA).isoformat()
        return (
            f'{{"specversion":"1.0","type":"{EVENT_TYPE}","source":{json_text("/bins/" + drop.bin_id)},'
            f'"id":"{drop.event_id}","time":"{time}","data":{{"sequence":{drop.sequence},"material":"{drop.material}",'
            f'"weight_grams":{drop.weight_grams},"credential":{{"kind":"card","value":{json_text(drop.card)}}},'
            f'"box_weight_grams":{drop.box_weight_grams}}}}}'
        )


# The encoder itself: `json.dumps` would choose it anew each time.
json_text = json.JSONEncoder().encode
