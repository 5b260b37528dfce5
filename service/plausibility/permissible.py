"""By how much a scale in service may err."""

from typing import Final

# Class III in OIML R 76 and JJG 539, in service (twice what holds at verification): up to so many intervals, so many
# intervals. Nothing is said beyond 10 000, which is the most that such a scale has.
SMALL_INTERVALS: Final = 500
MIDDLE_INTERVALS: Final = 2000


def permissible_error(load_grams: int, interval_grams: int) -> int:
    """Grams, in either direction, of one reading: e up to 500 e, 2 e up to 2 000 e, 3 e above."""
    if load_grams <= SMALL_INTERVALS * interval_grams:
        return interval_grams
    if load_grams <= MIDDLE_INTERVALS * interval_grams:
        return 2 * interval_grams
    return 3 * interval_grams
