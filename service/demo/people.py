"""Simulated residents: they look at what they have, and spend it at merchants and machines."""

import asyncio
import base64
import json
import time
import uuid
from collections import Counter
from random import Random
from typing import Any, Final

import aiohttp
from aiohttp import hdrs

from schemas.signatures import SigningKey, sign_request
from service.backoff import Backoff, retry_after_seconds
from service.demo.demo_file import Credentials, DemoMachine, DemoMerchant, DemoResident
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
OFFER_SHARE: Final = 0.6
REFUND_SHARE: Final = 0.1
# Of a machine's holds: it dies, it finds itself empty, or it gives out all of it; or else a part.
DEAD_SHARE: Final = 0.03
VOID_SHARE: Final = 0.07
WHOLE_SHARE: Final = 0.7


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
        if machine is None:
            await self._spend_at_merchant(resident, self._random.choice(self._merchants), coins)
            return
        code = await self._call("POST", "/v1/me/pay-codes", resident.token)
        if code is not None:
            await self._give_out(machine, code["pay_code"], coins)

    async def _spend_at_merchant(self, resident: DemoResident, merchant: DemoMerchant, coins: int) -> None:
        if self._random.random() >= MERCHANT_SCANS_SHARE:
            wanted = await self._choose_offer(resident, merchant) or {"coins": coins}
            await self._call("POST", "/v1/me/redemptions", resident.token, {"merchant_id": merchant.id, **wanted})
            return
        code = await self._call("POST", "/v1/me/pay-codes", resident.token)
        if code is None:
            return
        wanted = {"pay_code": code["pay_code"], "coins": coins, "capture": True}
        taken = await self._call("POST", "/v1/redemptions", merchant.api_key, wanted)
        if taken is not None and self._random.random() < REFUND_SHARE:
            back = {"coins": max(1, coins // 2), "reason": "一件商品缺货"}
            await self._call("POST", f"/v1/redemptions/{taken['id']}/refund", merchant.api_key, back)

    async def _choose_offer(self, resident: DemoResident, merchant: DemoMerchant) -> dict[str, Any] | None:
        if self._random.random() >= OFFER_SHARE:
            return None
        page = await self._call("GET", f"/v1/offers?merchant_id={merchant.id}", resident.token)
        # What a machine gives out is asked for at the machine.
        offers = [offer for offer in page["offers"] if offer["machine_kind"] is None] if page else []
        return {"offer_id": self._random.choice(offers)["id"]} if offers else None

    async def _give_out(self, machine: DemoMachine, pay_code: str, coins: int) -> None:
        """Hold, give out, and take what was given out; a machine that fails says so, and one that dies says nothing."""
        wanted = {"pay_code": pay_code, "coins": coins, "capture": False}
        held = await self._call("POST", "/v1/redemptions", machine, wanted)
        if held is None:
            return
        path = f"/v1/redemptions/{held['id']}"
        chance = self._random.random()
        if chance < DEAD_SHARE:
            return
        if chance < DEAD_SHARE + VOID_SHARE:
            await self._call("POST", f"{path}/void", machine, {})
        else:
            given = coins if self._random.random() < WHOLE_SHARE else self._random.randint(1, coins)
            await self._call("POST", f"{path}/capture", machine, {"coins": given})

    async def _call(
        self, method: str, path: str, caller: str | DemoMachine, wanted: dict[str, Any] | None = None
    ) -> Any | None:
        """The answer's JSON; None where it is a problem or none came. What is wanted is sent with a new key."""
        key = None if wanted is None else str(uuid.uuid4())
        body = b"" if wanted is None else json.dumps(wanted).encode()
        answer = await self._send(method, path, caller, key, body)
        if wanted is not None and self._random.random() < TWICE_SHARE:
            answer = await self._send(method, path, caller, key, body)
        return answer

    async def _send(
        self, method: str, path: str, caller: str | DemoMachine, key: str | None, body: bytes
    ) -> Any | None:
        backoff = Backoff()
        for _ in range(ATTEMPTS_MAX):
            asked_seconds = 0.0
            headers = _headers(method, path, caller, key, body)
            try:
                async with self._session.request(
                    method, self._base_url + path, headers=headers, data=body or None
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


def _headers(method: str, path: str, caller: str | DemoMachine, key: str | None, body: bytes) -> dict[str, str]:
    """A token's, or a machine's signature of this attempt."""
    keyed = {} if key is None else {"Idempotency-Key": key, hdrs.CONTENT_TYPE: "application/json"}
    if isinstance(caller, str):
        return {hdrs.AUTHORIZATION: f"Bearer {caller}", **keyed}
    also = {} if key is None else {"idempotency-key": key}
    signing = SigningKey(caller.keyid, caller.alg, base64.b64decode(caller.private_key))
    return keyed | sign_request(signing, method=method, target=path, body=body, created=int(time.time()), also=also)
