"""Where text goes in a chart: how wide it is about, which boxes overlap, round numbers on an axis. Pure.

A server does not know the reader's font, so widths are estimates on the safe side: a text that fits here fits on the
screen (tests measure it in Chromium).
"""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

# Widths in em, of the widest of the usual sans-serif fonts (DejaVu Sans).
FULL_WIDTH_EM: Final = 1.0
CAPITAL_EM: Final = 0.8
NARROW_EM: Final = 0.64
# So many times as wide in bold.
BOLD: Final = 1.1
# From the top of the highest to the bottom of the lowest letter, in em.
LINE_EM: Final = 1.3
# Boxes this near count as overlapping, in pixels.
AIR_PX: Final = 2.0
# Not allowed in XML, whatever is done to escape them.
_CONTROLS: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF), "\ufffd")


@dataclass(frozen=True, slots=True)
class Layout:
    """A chart's size for one kind of screen. `width` and `font` in the chart's own pixels; it is scaled to its box."""

    name: str
    width: float
    font: float


# A phone's column at its real size, and a desktop's or a printed page's.
NARROW: Final = Layout("narrow", 300, 13)
WIDE: Final = Layout("wide", 760, 14)
LAYOUTS: Final = (NARROW, WIDE)


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in a chart's pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        return (
            self.left < other.right + AIR_PX
            and other.left < self.right + AIR_PX
            and self.top < other.bottom + AIR_PX
            and other.top < self.bottom + AIR_PX
        )

    def inside(self, other: "Box") -> bool:
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )


def clean(text: str) -> str:
    """`text` without the characters that no XML document may have."""
    return text.translate(_CONTROLS)


def text_width(text: str, font: float, *, bold: bool = False) -> float:
    """At most so many pixels wide."""
    return font * sum(_em(character) for character in text) * (BOLD if bold else 1)


def _em(character: str) -> float:
    # Ambiguous ones are full width in a Chinese font.
    if unicodedata.east_asian_width(character) in "WFA" or character in "%@&mwMW":
        return FULL_WIDTH_EM
    return CAPITAL_EM if character.isupper() else NARROW_EM


def wrapped(text: str, font: float, width: float) -> list[str]:
    """Lines no wider than `width`, broken between words where there are any, and anywhere in Chinese."""
    lines, line = [], ""
    for piece in _pieces(text):
        if line and text_width((line + piece).rstrip(), font) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str) -> Iterable[str]:
    """What is not broken: a word with the space after it, or one Chinese character."""
    piece = ""
    for character in text:
        full = unicodedata.east_asian_width(character) in "WF"
        if piece and (full or piece[-1] == " " or unicodedata.east_asian_width(piece[-1]) in "WF"):
            yield piece
            piece = ""
        piece += character
    if piece:
        yield piece


def along(corners: Sequence[tuple[float, float]], step: float) -> Iterator[Box]:
    """Small boxes, one each `step`, that a line through the corners goes through."""
    for (x, y), (next_x, next_y) in pairwise(corners):
        parts = max(1, math.ceil(math.hypot(next_x - x, next_y - y) / step))
        for part in range(parts + 1):
            at_x, at_y = x + (next_x - x) * part / parts, y + (next_y - y) * part / parts
            yield Box(at_x - 1, at_y - 1, at_x + 1, at_y + 1)


def first_that_fits(candidates: Iterable[Box], taken: Sequence[Box], within: Box) -> Box | None:
    """The first candidate that overlaps nothing and is not cut off; None where each would."""
    for box in candidates:
        if box.inside(within) and not any(box.overlaps(other) for other in taken):
            return box
    return None


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis of values: from `low` to `high`, marked at each of `ticks`."""

    low: Decimal
    high: Decimal
    ticks: tuple[Decimal, ...]

    def share(self, value: Decimal) -> float:
        """0 at the low end, 1 at the high end."""
        return float((value - self.low) / (self.high - self.low))


def round_scale(least: Decimal, most: Decimal, steps_max: int = 5) -> Scale:
    """Round numbers around `least` to `most`. It begins at 0 where that costs less than half of the height."""
    if least < 0 or most < least:
        raise ValueError("an axis goes upwards from 0")
    low = Decimal(0) if least * 2 <= most else least
    step = _round_step((most - low) / steps_max if most > low else max(most, Decimal(1)) / steps_max)
    low = step * math.floor(low / step)
    high = step * max(math.ceil(most / step), int(low / step) + 1)
    return Scale(low, high, tuple(low + step * number for number in range(int((high - low) / step) + 1)))


def _round_step(least: Decimal) -> Decimal:
    """The smallest of 1, 2, 5 × 10ⁿ that is not below `least`."""
    power = Decimal(10) ** math.floor(least.log10())
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= least)
