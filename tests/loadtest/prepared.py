"""Prepared requests for tests: real ones, of a few bins and cards."""

import time
from random import Random

from loadtest.demo import MachineKey
from loadtest.drops import Drops
from loadtest.requests import BinKey, Prepared, Renderer
from loadtest.target import Target
from schemas.signatures import Algorithm, SigningKey

BINS = [
    BinKey("NK-0001", SigningKey("NK-0001-a", Algorithm.HMAC_SHA256, b"1" * 32)),
    BinKey("NK-0002", SigningKey("NK-0002-a", Algorithm.ED25519, b"2" * 32)),
    BinKey("NK-0003", SigningKey("NK-0003-a", Algorithm.HMAC_SHA256, b"3" * 32)),
]
MACHINES = [
    MachineKey("NK-W-01", "m-1", SigningKey("NK-W-01", Algorithm.HMAC_SHA256, b"4" * 32)),
    MachineKey("NK-W-02", "m-1", SigningKey("NK-W-02", Algorithm.ED25519, b"5" * 32)),
]
CARDS = [f"04A2{number:010X}" for number in range(50)]


def renderer(target: Target, seed: int = 1) -> Renderer:
    """A renderer of BINS and CARDS."""
    return Renderer(target, BINS, Drops([item.bin_id for item in BINS], CARDS, seed=seed))


def prepare(target: Target, count: int, events_each: int = 1) -> Prepared:
    """`count` requests signed now."""
    return renderer(target).render(count, created=int(time.time()), events_each=events_each)


def draws(seed: int = 1) -> Random:
    """Draws that are the same in each run."""
    return Random(seed)  # noqa: S311 - nothing secret is drawn
