"""A machine of a merchant, as it calls the service."""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.signatures import Algorithm, SigningKey, sign_request
from service.db import transaction
from service.redemption.merchants import add_machine, add_machine_key
from service.secrets import Keyring

REDEMPTIONS = "/v1/redemptions"


async def install_machine(
    engine: AsyncEngine,
    keyring: Keyring,
    machine_id: str = "NK-W-01",
    merchant_id: str = "NK-M-01",
    algorithm: Algorithm = Algorithm.HMAC_SHA256,
) -> SigningKey:
    """A new water machine of a merchant at the world's site, and the key it signs with."""
    async with transaction(engine) as connection:
        await add_machine(connection, machine_id=machine_id, merchant_id=merchant_id, site_id="site-1", kind="water")
        return await add_machine_key(connection, keyring, machine_id=machine_id, algorithm=algorithm)


@dataclass(frozen=True)
class MachineCaller:
    """Signs with this key; covers its idempotency keys, too, where it is told."""

    client: TestClient[Any, Any]
    key: SigningKey
    covers_key: bool = False

    async def post(
        self, path: str, document: Any, *, key: str | None = None, headers: dict[str, str] | None = None
    ) -> ClientResponse:
        """`document` is JSON; without a `key` a new one is made."""
        body = json.dumps(document).encode()
        idempotency_key = key or str(uuid.uuid4())
        also = {"idempotency-key": idempotency_key} if self.covers_key else {}
        signed = sign_request(self.key, method="POST", target=path, body=body, created=int(time.time()), also=also)
        sent = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key, **signed, **(headers or {})}
        return await self.client.post(path, data=body, headers=sent)

    async def get(self, path: str) -> ClientResponse:
        signed = sign_request(self.key, method="GET", target=path, body=b"", created=int(time.time()))
        return await self.client.get(path, headers=signed)

    async def take(self, pay_code: str, coins: int, *, capture: bool = True, key: str | None = None) -> ClientResponse:
        return await self.post(REDEMPTIONS, {"pay_code": pay_code, "coins": coins, "capture": capture}, key=key)
