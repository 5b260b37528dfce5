"""Simulated residents: they look at what they have, and spend it at merchants and machines."""

import asyncio
import uuid
from collections import Counter
from random import Random
from typing import Any, Final

import aiohttp
from aiohttp import hdrs

from service.demo.client import Backoff, retry_after_seconds
from service.demo.demo_file import Credentials, DemoMachine, DemoResident
from service.demo.drops import Zipf

ATTEMPTS_MAX: Final = 5
LOOK_SHARE: Final = 0.4
STATEMENT_SHARE: Final = 0.3
# Who has too little tries nevertheless: a decline is a normal answer.
TRY_ANYWAY_SHARE: Final = 0.1
# The answer was lost on the way, and the same request is sent again.
TWICE_SHARE: Final = 0.05

# Half a kilogram of scrap bought five litres of water (FACTS.md, reported practice).
COINS_BY_MACHINE: Final = {"water": (50, 100), "detergent": (120, 240, 360)}
COINS_AT_MERCHANT: Final = (30, 1500)
MACHINE_SHARE: Final = 0.6
MERCHANT_SCANS_SHARE: Final = 0.5


class People:
    """The demo's residents, and the merchants and machines where they spend."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        credentials: Credentials,
        *,
        random: Random,
        visits_per_second: float,
    ) -> None:
        self._session = session
        self._base_url = base_url
        self._residents = credentials.residents
        self._merchants = credentials.merchants
        self._machines = credentials.machines
        self._random = random
        self._visits_per_second = visits_per_second
        # Who brings most has most to spend: the same order as at the bins.
        self._ranks = Zipf(len(credentials.residents), random)
        # By status, or `unanswered`.
        self.answers: Counter[str] = Counter()

    async def run_forever(self) -> None:
        """One visit at a time: a service that is slow to answer is not asked more."""
        while True:
            await asyncio.sleep(self._random.expovariate(self._visits_per_second))
            await self.visit()

    async def visit(self) -> None:
        """Someone opens the mini-program, and may spend what they have."""
        resident = self._residents[self._ranks.rank()]
        me = await self._call("GET", "/v1/me", resident.token)
        if me is None:
            return
        if self._random.random() < LOOK_SHARE:
            if self._random.random() < STATEMENT_SHARE:
                await self._call("GET", "/v1/me/transfers?limit=20", resident.token)
            return
        if self._random.random() < MACHINE_SHARE:
            machine = self._random.choice(self._machines)
            coins = self._random.choice(COINS_BY_MACHINE[machine.kind])
        else:
            machine = None
            coins = self._random.randint(*COINS_AT_MERCHANT) // 10 * 10
        if coins <= me["balance_coins"] or self._random.random() < TRY_ANYWAY_SHARE:
            await self._spend(resident, machine, coins)

    async def _spend(self, resident: DemoResident, machine: DemoMachine | None, coins: int) -> None:
        """By a code that the machine or the merchant scans, or by scanning the merchant's."""
        merchant = self._random.choice(self._merchants)
        if machine is None and self._random.random() >= MERCHANT_SCANS_SHARE:
            wanted = {"merchant_id": merchant.id, "coins": coins}
            await self._call("POST", "/v1/me/redemptions", resident.token, wanted)
            return
        code = await self._call("POST", "/v1/me/pay-codes", resident.token)
        if code is not None:
            api_key = merchant.api_key if machine is None else machine.api_key
            wanted = {"pay_code": code["pay_code"], "coins": coins, "capture": True}
            await self._call("POST", "/v1/redemptions", api_key, wanted)

    async def _call(self, method: str, path: str, token: str, wanted: dict[str, Any] | None = None) -> Any | None:
        """The answer's JSON; None where it is a problem or none came. What is wanted is sent with a new key."""
        headers: dict[str, str] = {hdrs.AUTHORIZATION: f"Bearer {token}"}
        if wanted is not None:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        answer = await self._send(method, path, headers, wanted)
        if wanted is not None and self._random.random() < TWICE_SHARE:
            answer = await self._send(method, path, headers, wanted)
        return answer

    async def _send(self, method: str, path: str, headers: dict[str, str], wanted: dict[str, Any] | None) -> Any | None:
        backoff = Backoff()
        for _ in range(ATTEMPTS_MAX):
            asked_seconds = 0.0
            try:
                async with self._session.request(
                    method, self._base_url + path, headers=headers, json=wanted
                ) as response:
                    if response.status != 429 and response.status < 500:
                        self.answers[str(response.status)] += 1
                        return await response.json() if response.ok else None
                    asked_seconds = retry_after_seconds(response)
            except (aiohttp.ClientError, TimeoutError):
                pass
            await backoff.wait(asked_seconds)
        self.answers["unanswered"] += 1
        return None
