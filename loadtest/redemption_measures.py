"""What `compare` measures of redemptions and statements: sides by turns, on one database."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random

import uvloop

from loadtest.baselines import Connection
from loadtest.installation import Installation
from loadtest.measures import bare_handler
from loadtest.planting import Planted, plant_redeemers, plant_statements, settle
from loadtest.redeeming import Payers, render_looks
from loadtest.requests import Prepared
from loadtest.subject import REDEMPTIONS_IN_FLIGHT, Bench, Effort, Measures, Subject, median_ms
from loadtest.target import Target
from loadtest.turns import Side, by_turns

# As many at once as the fewest in flight: there none waits for a writer.
EACH_WRITERS = 16
EACH_ITS_OWN = {
    "TANBI_REDEMPTION_BATCH_ITEMS_MAX": "1",
    "TANBI_REDEMPTION_WRITERS": str(EACH_WRITERS),
    "TANBI_REDEMPTION_COMPANION_ITEMS_MIN": "1",
}


def measure_redemptions(bench: Bench, seed: int) -> Measures:
    """Redemptions at one merchant, spread over many, and the same requests to the bare handler."""
    with bench.subject(seed) as it, bare_handler() as bare:
        city = plant_payers(it.installation, bench.effort)
        payers = Payers(city.tokens, Random(seed))  # noqa: S311 - nothing secret is drawn
        one, many = city.merchant_ids[:1], city.merchant_ids
        sides: dict[str, Side] = {}
        for in_flight in REDEMPTIONS_IN_FLIGHT:
            sides[f"one_{in_flight}"] = paying(payers, it.service.target, one, in_flight, it)
            sides[f"spread_{in_flight}"] = paying(payers, it.service.target, many, in_flight, it)
            sides[f"bare_{in_flight}"] = paying(payers, bare, one, in_flight, None)
        return rates_of(sides, bench.effort)


def measure_redemption_commits(bench: Bench, seed: int) -> Measures:
    """Redemptions in group commit as it is set, and with a transaction for each: two services on one database."""
    with bench.subject(seed) as it:
        service = it.installation.serve(workers=bench.effort.workers, settings=EACH_ITS_OWN)
        try:
            city = plant_payers(it.installation, bench.effort)
            service.wait_until_it_answers()
            each = Subject(it.installation, service, it.fleets, bench.effort, seed)
            payers = Payers(city.tokens, Random(seed))  # noqa: S311 - nothing secret is drawn
            sides: dict[str, Side] = {}
            for in_flight in REDEMPTIONS_IN_FLIGHT:
                for name, subject in (("grouped", it), ("each", each)):
                    target = subject.service.target
                    sides[f"{name}_{in_flight}"] = paying(payers, target, city.merchant_ids, in_flight, subject)
            return rates_of(sides, bench.effort)
        finally:
            service.stop()


def measure_statements(bench: Bench, seed: int) -> Measures:
    """The first page of a wallet with few transfers and of one with many, one look at a time."""
    with bench.subject(seed) as it:
        target = it.service.target
        transfers = bench.effort.statement_transfers
        wallets = planted(it.installation, bench.effort, lambda connection: plant_statements(connection, transfers))
        short, long = (
            Side(target, partial(render_looks, target, token=token), 1, "200", it) for token in wallets.tokens
        )
        by_turns([short, long], bench.effort)
    return {
        "statement_short": short.measure("ms, median", median_ms),
        "statement_long": long.measure("ms, median", median_ms),
    }


def paying(
    payers: Payers, target: Target, merchant_ids: Sequence[str], in_flight: int, subject: Subject | None
) -> Side:
    """A side that redeems at these merchants."""

    def render(count: int) -> Prepared:
        return payers.render(target, count, merchant_ids)

    return Side(target, render, in_flight, "201", subject)


def rates_of(sides: Mapping[str, Side], effort: Effort) -> Measures:
    """Redemptions a second of each side."""
    by_turns(list(sides.values()), effort)
    return {
        name: side.measure("redemptions/s", lambda result: result.requests_per_second) for name, side in sides.items()
    }


def plant_payers(installation: Installation, effort: Effort) -> Planted:
    """Raises NotFolded and what the database raises."""
    return planted(
        installation,
        effort,
        lambda connection: plant_redeemers(connection, residents=effort.redeemers, merchants=effort.merchants),
    )


def planted(installation: Installation, effort: Effort, plant: Callable[[Connection], Awaitable[Planted]]) -> Planted:
    """What `plant` does over a connection of the database's owner. Raises NotFolded and what the database raises."""

    async def planting() -> Planted:
        connection = await installation.connect()
        try:
            done = await plant(connection)
            if effort.fresh:
                await settle(connection)
            return done
        finally:
            await connection.close()

    return uvloop.run(planting())
