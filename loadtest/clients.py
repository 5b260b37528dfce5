"""Who puts load on the service while it is being killed."""

import asyncio
from random import Random
from typing import Protocol

from loadtest.calling import Caller
from loadtest.demo import Demo, UnreadableDemo
from loadtest.devices import BinClient
from loadtest.journal import Journal
from loadtest.patience import Patient
from loadtest.redeemers import Customers, Machine, Phones, Sleeper, Spender, Terms
from schemas.signatures import Algorithm

BINS_EACH_ALGORITHM = 4
LANES_EACH_BIN = 2
SPENDERS = 4
CUSTOMERS = 16
SLEEPERS = 2
# Of the merchants that have machines, the first two; so short that some captures come late, and some too late.
TERMS = (Terms(hold_seconds=2, grace_seconds=0), Terms(hold_seconds=1, grace_seconds=1))


class Client(Protocol):
    """Whoever puts load on the service until `stop`, and then ends what is begun."""

    async def run(self, stop: asyncio.Event) -> None: ...


def terms_of(demo: Demo) -> dict[str, Terms]:
    """The merchants whose machines are used, and their terms."""
    merchant_ids = sorted({machine.merchant_id for machine in demo.machines})
    return dict(zip(merchant_ids, TERMS, strict=False))


def clients_of(demo: Demo, patient: Patient, journal: Journal, random: Random) -> list[Client]:
    """Who puts load on the service: some bins of each algorithm, more than once each, some phones, and customers of
    machines of each algorithm.

    Raises UnreadableDemo where the demo lacks any of them.
    """
    bins = [item for algorithm in Algorithm for item in demo.bins_with(algorithm)[:BINS_EACH_ALGORITHM]]
    terms = terms_of(demo)
    keys = [machine for machine in demo.machines if machine.merchant_id in terms]
    signing = [{item.key.algorithm for item in bins}, {machine.key.algorithm for machine in keys}]
    if any(len(algorithms) < len(Algorithm) for algorithms in signing) or len(terms) < len(TERMS):
        raise UnreadableDemo(
            f"The demo needs bins and machines of both algorithms, and {len(TERMS)} merchants' machines."
        )
    if len(demo.residents) <= SLEEPERS:
        raise UnreadableDemo(f"The demo needs more than {SLEEPERS} residents.")
    clients: list[Client] = []
    for item in bins:
        clients += [BinClient(item, demo.residents, patient, journal, random)] * LANES_EACH_BIN
    caller, merchants = Caller(patient, journal, random), {merchant.id: merchant for merchant in demo.merchants}
    machines = [
        Machine(machine, merchants[machine.merchant_id], terms[machine.merchant_id], caller) for machine in keys
    ]
    residents, sleeping = demo.residents[:-SLEEPERS], demo.residents[-SLEEPERS:]
    clients += [Spender(residents, list(merchants), caller, random)] * SPENDERS
    clients += [Customers(machines, Phones(residents, patient, random), patient, journal, random)] * CUSTOMERS
    phones = Phones(sleeping, patient, random)
    return clients + [Sleeper(each, random.choice(machines), phones, patient, journal) for each in sleeping]
