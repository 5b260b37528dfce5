"""Who spends coins while the service is being killed: residents by themselves, and machines that hold, give out and
capture, or void, or fall silent; their merchants refund."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from loadtest.calling import Caller, Credential, bearer, signed_with
from loadtest.demo import DemoMerchant, DemoResident, MachineKey
from loadtest.journal import Call, Journal, Phase
from loadtest.patience import GaveUp, Patient
from loadtest.requests import REDEMPTIONS_PATH

HELD_PATH = "/v1/redemptions"
PAY_CODES_PATH = "/v1/me/pay-codes"
ME_PATH = "/v1/me"

# What is asked for besides the calls with a key, in counts.
PAY_CODES = "pay-codes"
LOOKS = "looks"

# About what comes in: so that wallets run empty now and then.
SPEND_COINS_MAX = 20_000
SPEND_PAUSE_SECONDS = 0.02
HOLD_COINS_MAX = 5_000
DISPENSE_SECONDS_MAX = 0.05
EMPTY_PAUSE_SECONDS = 0.05
# Timers may be as much too early.
CLOCK_SECONDS = 0.002
# Some machines tell when it is too late, even with grace.
LATE_GRACES_MAX = 1.5

# Shares of pay-codes that two machines present at once, and of captures that are refunded; of those, by two calls at
# once for all of it, of which one can win.
RIVAL_SHARE = 0.1
REFUND_SHARE = 0.6
RIVAL_REFUND_SHARE = 0.3
# What follows a hold, and how often among its kind.
ENDINGS = {"capture": 40, "void": 20, "both": 15, "silence": 10, "late": 15}


@dataclass(frozen=True, slots=True)
class Terms:
    """How long coins stay held for a merchant, and how long after that its machines may still capture; seconds."""

    hold_seconds: int
    grace_seconds: int


class Spender:
    """Residents who pay merchants; several `run` at once are several phones."""

    def __init__(
        self, residents: Sequence[DemoResident], merchant_ids: Sequence[str], caller: Caller, random: Random
    ) -> None:
        self._residents = residents
        self._merchant_ids = merchant_ids
        self._caller = caller
        self._random = random

    async def run(self, stop: asyncio.Event) -> None:
        """Spend now and then until `stop`; what is begun then is still brought to its answer."""
        while not stop.is_set():
            resident, merchant_id = self._random.choice(self._residents), self._random.choice(self._merchant_ids)
            coins = self._random.randint(1, SPEND_COINS_MAX)
            call = Call(Phase.REDEEM, f"resident:{resident.id}", resident.id, merchant_id, coins=coins)
            wanted = {"merchant_id": merchant_id, "coins": coins}
            await self._caller.make(call, REDEMPTIONS_PATH, wanted, bearer(resident.token))
            await asyncio.sleep(self._random.uniform(0, 2 * SPEND_PAUSE_SECONDS))


class Machine:
    """A machine of a merchant: its own calls, and the refunds of its merchant."""

    def __init__(self, machine: MachineKey, merchant: DemoMerchant, terms: Terms, caller: Caller) -> None:
        self.terms = terms
        self._id = machine.machine_id
        self._merchant_id = merchant.id
        self._caller = caller
        self._signed = signed_with(machine.key)
        self._staff = bearer(merchant.api_key)

    async def authorise(self, resident: DemoResident, code: Mapping[str, Any], coins: int) -> Call:
        """Hold coins by a pay-code."""
        too_late_from = datetime.fromisoformat(code["expires_at"]).timestamp()
        call = self._call(Phase.AUTHORISE, resident.id, coins, None, too_late_from)
        call.pay_code = code["pay_code"]
        wanted = {"pay_code": code["pay_code"], "coins": coins, "capture": False}
        await self._caller.make(call, HELD_PATH, wanted, self._signed)
        return call

    async def capture(self, held: Call, coins: int | None) -> Call:
        """Take what is held, or part of it; None takes all."""
        wanted = {} if coins is None else {"coins": coins}
        return await self._of(held, Phase.CAPTURE, coins, wanted, self._signed, self.terms.grace_seconds)

    async def void(self, held: Call) -> Call:
        """Give back what is held."""
        return await self._of(held, Phase.VOID, None, {}, self._signed, 0)

    async def refund(self, held: Call, coins: int) -> Call:
        """Its merchant gives back what was captured, or part of it."""
        return await self._of(held, Phase.REFUND, coins, {"coins": coins}, self._staff, 0)

    def headers_of_look(self, held: Call) -> tuple[str, Mapping[str, str]]:
        """The path of a redemption, and how the merchant's staff look at it."""
        return f"{HELD_PATH}/{held.granted_id}", self._staff("", b"", "")

    async def _of(
        self,
        held: Call,
        phase: Phase,
        coins: int | None,
        wanted: Mapping[str, Any],
        credential: Credential,
        grace_seconds: int,
    ) -> Call:
        too_late_from = None if held.expires_at is None else held.expires_at + grace_seconds
        call = self._call(phase, held.resident_id, coins, held.granted_id, too_late_from)
        await self._caller.make(call, f"{HELD_PATH}/{held.granted_id}/{phase}", wanted, credential)
        return call

    def _call(
        self, phase: Phase, resident_id: int, coins: int | None, redemption_id: str | None, too_late_from: float | None
    ) -> Call:
        staff = phase is Phase.REFUND
        return Call(
            phase,
            f"merchant:{self._merchant_id}" if staff else f"machine:{self._id}",
            resident_id,
            self._merchant_id,
            None if staff else self._id,
            coins,
            redemption_id,
            too_late_from=too_late_from,
        )


class Phones:
    """Residents who show pay-codes, each to one machine at a time: a new code makes the one before it worthless."""

    def __init__(self, residents: Sequence[DemoResident], patient: Patient, random: Random) -> None:
        self._free = list(residents)
        self._patient = patient
        self._random = random

    def take(self) -> DemoResident | None:
        """A resident who shows no code to anyone; None where all do."""
        if not self._free:
            return None
        return self._free.pop(self._random.randrange(len(self._free)))

    def put_back(self, resident: DemoResident) -> None:
        self._free.append(resident)

    async def pay_code(self, resident: DemoResident) -> Mapping[str, Any]:
        """A new code, and its `expires_at`. Raises GaveUp."""
        replica, headers = self._random.randrange(self._patient.replicas), headers_of(resident)
        _, code = await self._patient.post(
            PAY_CODES, PAY_CODES_PATH, b"", lambda: headers, lambda status, _: status == 201, replica
        )
        return dict(code)


class Customers:
    """Sales at machines, one after the other; several `run` at once are several customers.

    What machines tell late they send meanwhile, as from their queues.
    """

    def __init__(
        self, machines: Sequence[Machine], phones: Phones, patient: Patient, journal: Journal, random: Random
    ) -> None:
        self._machines = machines
        self._phones = phones
        self._patient = patient
        self._journal = journal
        self._random = random

    async def run(self, stop: asyncio.Event) -> None:
        """Buy until `stop`; what is begun then, and what is told late, is still brought to its answer."""
        async with asyncio.TaskGroup() as later:
            while not stop.is_set():
                try:
                    await self._buy(later)
                except GaveUp:
                    return

    async def _buy(self, later: asyncio.TaskGroup) -> None:
        resident = self._phones.take()
        if resident is None:
            await asyncio.sleep(EMPTY_PAUSE_SECONDS)
            return
        rivals = 2 if self._random.random() < RIVAL_SHARE else 1
        machines = self._random.sample(self._machines, rivals)
        coins = self._random.randint(1, HOLD_COINS_MAX)
        try:
            code = await self._phones.pay_code(resident)
            calls = await asyncio.gather(*(machine.authorise(resident, code, coins) for machine in machines))
        finally:
            self._phones.put_back(resident)
        for machine, held in zip(machines, calls, strict=True):
            if held.done:
                await self._end(machine, held, later)

    async def _end(self, machine: Machine, held: Call, later: asyncio.TaskGroup) -> None:
        await asyncio.sleep(self._random.uniform(0, DISPENSE_SECONDS_MAX))
        part = None if self._random.random() < 0.3 else self._random.randint(1, held.coins or 1)
        [ending] = self._random.choices(list(ENDINGS), list(ENDINGS.values()))
        match ending:
            case "capture":
                await self._refund(machine, held, await machine.capture(held, part))
            case "void":
                await machine.void(held)
            case "both":
                captured, _ = await asyncio.gather(machine.capture(held, part), machine.void(held))
                await self._refund(machine, held, captured)
            case "silence":
                later.create_task(self._look_when_over(machine, held))
            case "late":
                later.create_task(self._capture_late(machine, held, part))

    async def _refund(self, machine: Machine, held: Call, captured: Call) -> None:
        if not captured.done or self._random.random() > REFUND_SHARE:
            return
        coins = captured.coins or held.coins or 0
        if self._random.random() < RIVAL_REFUND_SHARE:
            await asyncio.gather(machine.refund(held, coins), machine.refund(held, coins))
            return
        part = self._random.randint(1, coins)
        await machine.refund(held, part)
        if part < coins and self._random.random() < REFUND_SHARE:
            await machine.refund(held, coins - part)

    async def _look_when_over(self, machine: Machine, held: Call) -> None:
        """A machine that died: from the very moment that it was told of, its hold is none."""
        await sleep_until(held.expires_at)
        path, headers = machine.headers_of_look(held)
        try:
            found = await self._patient.get(LOOKS, path, lambda: headers)
        except GaveUp:
            return
        if (found["state"], found["captured_coins"]) != ("expired", 0):
            self._journal.contradictions.append(
                f"nobody captured redemption {held.granted_id}, and after its time it is {found}"
            )

    async def _capture_late(self, machine: Machine, held: Call, coins: int | None) -> None:
        await sleep_until(held.expires_at)
        await asyncio.sleep(self._random.uniform(0, LATE_GRACES_MAX * machine.terms.grace_seconds))
        await self._refund(machine, held, await machine.capture(held, coins))


class Sleeper:
    """A resident whose coins are all held, again and again, by a machine that then says no more. Nothing else takes
    coins of theirs: what they have never becomes less, and is theirs again when each hold's time is over."""

    def __init__(
        self, resident: DemoResident, machine: Machine, phones: Phones, patient: Patient, journal: Journal
    ) -> None:
        self._resident = resident
        self._machine = machine
        self._phones = phones
        self._patient = patient
        self._journal = journal

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`, and until the last hold's time is over."""
        headers, had = headers_of(self._resident), 0
        try:
            while True:
                me = await self._patient.get(LOOKS, ME_PATH, lambda: headers)
                coins = me["balance_coins"]
                if me["held_coins"] or coins < had:
                    self._journal.contradictions.append(
                        f"resident {self._resident.id} had {had} coins; silent machines' holds are over, and they have "
                        f"{coins}, with {me['held_coins']} held"
                    )
                if stop.is_set():
                    return
                had = max(had, coins)
                await self._hold(coins)
        except GaveUp:
            return

    async def _hold(self, coins: int) -> None:
        if not coins:
            await asyncio.sleep(EMPTY_PAUSE_SECONDS)
            return
        held = await self._machine.authorise(self._resident, await self._phones.pay_code(self._resident), coins)
        if held.declined_as == "insufficient_coins":
            self._journal.contradictions.append(
                f"resident {self._resident.id} had {coins} coins, and a machine could not hold them"
            )
        await sleep_until(held.expires_at)


def headers_of(resident: DemoResident) -> Mapping[str, str]:
    """How a resident's phone shows whose it is."""
    return {"Authorization": f"Bearer {resident.token}"}


async def sleep_until(moment: float | None) -> None:
    """Until this moment in Unix seconds has passed; not at all where there is none. The service's database and this
    process are on one machine and read one clock."""
    if moment is not None:
        await asyncio.sleep(max(0.0, moment - time.time()) + CLOCK_SECONDS)
