"""What now and then goes wrong at a bin, by mistake or on purpose, so that there is something to review. No I/O."""

from random import Random
from typing import Final

from service.demo.drops import INTERVAL_GRAMS, WEIGHT_GRAMS_MAX, Drop

# How often, of all drops; together about one in 200.
LEANING_SHARE: Final = 0.002
SOAKED_SHARE: Final = 0.001
TOO_LIGHT_SHARE: Final = 0.0015
CLOCK_AHEAD_SHARE: Final = 0.0005

# Of all emptyings, those before which something was taken out of the box, or ran off.
MISSING_SHARE: Final = 0.02

LEANING_GRAMS: Final = (1_000, 8_000)
SOAKED_GRAMS: Final = (WEIGHT_GRAMS_MAX + 1_000, 25_000)
# Below 20 e of the finest scale.
TOO_LIGHT_GRAMS: Final = (20, 90)
CLOCK_AHEAD_SECONDS: Final = (3_600, 3 * 3_600)
MISSING_GRAMS: Final = (1_000, 6_000)


def with_mishap(drop: Drop, random: Random) -> Drop:
    """The drop, mostly as it was."""
    chance = random.random()
    if chance < LEANING_SHARE:
        # A foot on the platform: what the scale shows never comes into the box.
        return drop._replace(weight_grams=drop.gain_grams + _grams(random, LEANING_GRAMS))
    chance -= LEANING_SHARE
    if chance < SOAKED_SHARE:
        grams = _grams(random, SOAKED_GRAMS)
        return drop._replace(material="paper", weight_grams=grams, gain_grams=grams)
    chance -= SOAKED_SHARE
    if chance < TOO_LIGHT_SHARE:
        grams = _grams(random, TOO_LIGHT_GRAMS)
        return drop._replace(weight_grams=grams, gain_grams=grams)
    if chance - TOO_LIGHT_SHARE < CLOCK_AHEAD_SHARE:
        return drop._replace(seconds_ahead=random.randint(*CLOCK_AHEAD_SECONDS))
    return drop


def grams_missing(random: Random) -> int:
    """What a box that is emptied weighs less than what was dropped into it: mostly nothing."""
    return _grams(random, MISSING_GRAMS) if random.random() < MISSING_SHARE else 0


def _grams(random: Random, between: tuple[int, int]) -> int:
    return random.randint(*between) // INTERVAL_GRAMS * INTERVAL_GRAMS
