"""What simulated bins weigh: drops as operators report them (FACTS.md, Weighing). No I/O."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from math import log
from random import Random
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.clearances import CLEARANCE_TYPE, Clearance
from schemas.weigh_events import WeighEvent, WeighEventData

SHARE_BY_MATERIAL: Final = {
    "paper": 0.45,
    "plastic": 0.20,
    "textile": 0.18,
    "glass": 0.08,
    "metal": 0.06,
    "electronics": 0.03,
}
# Log-normal with median 1.75 kg and mean 2.1 kg: the two averages a drop that operators published.
WEIGHT_GRAMS_MEDIAN: Final = 1750
WEIGHT_SIGMA: Final = 0.6
INTERVAL_GRAMS: Final = 10
# 20 e of the coarser scales, and where single operators cap a drop.
WEIGHT_GRAMS_MIN: Final = 200
WEIGHT_GRAMS_MAX: Final = 15_000
BOX_GRAMS_MAX: Final = 30_000

NO_CARD_SHARE: Final = 0.06
UNKNOWN_CARD_SHARE: Final = 0.02
ZIPF_EXPONENT: Final = 1.0


class Standing(NamedTuple):
    """Where a bin stands: the last sequence that it used, when (Unix seconds), and the grams in its boxes by material;
    None where no event of it is known, and nothing where nobody knows."""

    sequence: int = 0
    at: float | None = None
    boxes: Mapping[str, int] = MappingProxyType({})


class Drop(NamedTuple):
    """What someone brings: the scale shows `weight_grams`, and the box gains `gain_grams`."""

    material: str
    weight_grams: int
    gain_grams: int
    card: str | None
    # By how much the bin's clock is ahead when it writes the drop down.
    seconds_ahead: int = 0


class Zipf:
    """Draws from a sequence by Zipf's law: its n-th member a n-th as often as the first."""

    def __init__(self, count: int, random: Random) -> None:
        self._random = random
        self._weights = list(accumulate((rank + 1) ** -ZIPF_EXPONENT for rank in range(count)))
        self._ranks = range(count)

    def rank(self) -> int:
        """From 0, the most frequent."""
        return self._random.choices(self._ranks, cum_weights=self._weights)[0]


class Drops:
    """The drops of all bins, drawn from one source of chance. Some people bring much more often than others.

    Event ids are new ones each time, whatever the seed: a second run must not repeat the first.
    """

    def __init__(self, cards: Sequence[str], random: Random) -> None:
        self._cards = cards
        self._random = random
        self._people = Zipf(len(cards), random)
        self._materials = list(SHARE_BY_MATERIAL)
        self._shares = list(accumulate(SHARE_BY_MATERIAL.values()))
        # By bin and material, grams since the box was emptied.
        self._boxes: dict[tuple[str, str], int] = {}

    def draw(self) -> Drop:
        material = self._random.choices(self._materials, cum_weights=self._shares)[0]
        grams = self._grams()
        return Drop(material, grams, grams, self._card())

    def drop(self, bin_id: str, sequence: int, occurred_at: datetime) -> WeighEvent:
        """One drop, with what its box weighed after it; `occurred_at` has an offset."""
        drop = self.draw()
        box = self._boxes.get((bin_id, drop.material), 0) + drop.gain_grams
        # A box that would run over was emptied before the drop.
        box = drop.gain_grams if box > BOX_GRAMS_MAX else box
        self._boxes[bin_id, drop.material] = box
        return weigh_event(bin_id, sequence, occurred_at, drop, box)

    def _grams(self) -> int:
        grams = int(self._random.lognormvariate(log(WEIGHT_GRAMS_MEDIAN), WEIGHT_SIGMA))
        return min(max(grams - grams % INTERVAL_GRAMS, WEIGHT_GRAMS_MIN), WEIGHT_GRAMS_MAX)

    def _card(self) -> str | None:
        """A resident's mostly; now and then none, or one that nobody has bound."""
        chance = self._random.random()
        if chance < NO_CARD_SHARE:
            return None
        if chance < NO_CARD_SHARE + UNKNOWN_CARD_SHARE:
            # No sample card begins so.
            return f"F4{self._random.getrandbits(48):012X}"
        return self._cards[self._people.rank()]


def weigh_event(
    bin_id: str, sequence: int, occurred_at: datetime, drop: Drop, box_weight_grams: int | None
) -> WeighEvent:
    """The drop as its bin tells it; `box_weight_grams` after it, None where the bin does not say."""
    data: WeighEventData = {"sequence": sequence, "material": drop.material, "weight_grams": drop.weight_grams}
    if drop.card is not None:
        data["credential"] = {"kind": "card", "value": drop.card}
    if box_weight_grams is not None:
        data["box_weight_grams"] = box_weight_grams
    return {
        "specversion": "1.0",
        "type": "tanbi.weigh-event.v1",
        "source": f"/bins/{bin_id}",
        "id": str(uuid.uuid4()),
        "time": occurred_at + timedelta(seconds=drop.seconds_ahead),
        "data": data,
    }


def clearance(
    bin_id: str, sequence: int, occurred_at: datetime, material: str, collector: str, *, before: int, after: int
) -> Clearance:
    """A box was emptied, as its bin tells it: what it weighed `before` and `after`, in grams."""
    return {
        "specversion": "1.0",
        "type": CLEARANCE_TYPE,
        "source": f"/bins/{bin_id}",
        "id": str(uuid.uuid4()),
        "time": occurred_at,
        "data": {
            "sequence": sequence,
            "material": material,
            "collector": collector,
            "mass_before_grams": before,
            "mass_after_grams": after,
        },
    }
