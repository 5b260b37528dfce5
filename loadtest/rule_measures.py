"""What `compare` measures of the rules: two services on databases of their own, one that asks every rule of each event
and one with all rules off, by turns."""

import time
from functools import partial

from loadtest.demo import read_demo
from loadtest.drops import Drops
from loadtest.requests import Prepared, Renderer
from loadtest.ruling import set_rules
from loadtest.subject import BATCH_EVENTS, BATCHES_IN_FLIGHT, EVENTS_MAX, IN_FLIGHT, Bench, Measures, Subject, notes_of
from loadtest.turns import Side, by_turns
from schemas.signatures import Algorithm


def measure_rules(bench: Bench, seed: int) -> Measures:
    """One event a request and batches, HMAC, with all rules asked and with none."""
    with bench.subject(seed) as asked, bench.subject(seed + 1) as silent:
        # Without fresh databases both are the same.
        if silent.installation is not asked.installation:
            set_rules(silent.installation, asked=False, noticed=True)
        sides: dict[str, Side] = {}
        for name, subject in (("asked", asked), ("silent", silent)):
            renderer = renderer_of(subject, seed)
            sides[f"{name}_single"] = posting(subject, renderer, IN_FLIGHT, 1)
            batches = posting(subject, renderer, BATCHES_IN_FLIGHT, BATCH_EVENTS)
            batches.warm_up_requests = bench.effort.warm_up_batches
            sides[f"{name}_batches"] = batches
        for kind in ("single", "batches"):
            by_turns([sides[f"asked_{kind}"], sides[f"silent_{kind}"]], bench.effort)
        return {
            name: side.measure("events/s", lambda result: result.events_per_second, notes_of)
            for name, side in sides.items()
        }


def renderer_of(subject: Subject, seed: int) -> Renderer:
    """Requests of the bins that sign with HMAC; their count goes on from call to call."""
    demo = read_demo(subject.installation.demo_json)
    bins = subject.fleets[Algorithm.HMAC_SHA256]
    first = time.time_ns() // 1_000_000
    drops = Drops([each.bin_id for each in bins], list(demo.cards), seed=seed, first_sequence=first)
    return Renderer(subject.service.target, bins, drops)


def posting(subject: Subject, renderer: Renderer, in_flight: int, events_each: int) -> Side:
    """A side that posts so many events with each request."""
    return Side(subject.service.target, partial(_render, renderer, events_each=events_each), in_flight, "200", subject)


def _render(renderer: Renderer, count: int, *, events_each: int) -> Prepared:
    return renderer.render(min(count, EVENTS_MAX // events_each), created=int(time.time()), events_each=events_each)
