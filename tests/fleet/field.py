"""Bins in the field: an office that registers them, installers that claim them, and what the bins send then."""

import asyncio
import base64
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.bin_keys import CLAIM_KEYID
from schemas.signatures import Algorithm, SigningKey, sign_request
from service.app import build_app
from service.fleet.rules import proof_text
from service.keys import REFERENCE
from service.reference import raise_revision
from service.settings import Settings
from tests.world import World

Client = TestClient[Any, Any]
BIN = "NK-0099"
NEWER_SITE = "site-2"
OF_BINS = (
    *("bin_change", "bin_claim", "bin_key", "bin_memory", "bin_placement", "bin_status"),
    *("held_event", "sequence_gap", "weigh_event"),
)


def new_pair(keyid: str = CLAIM_KEYID) -> SigningKey:
    return SigningKey(keyid, Algorithm.ED25519, os.urandom(32))


def public(key: SigningKey) -> str:
    return base64.b64encode(key.public_bytes).decode()


def named(key: SigningKey, keyid: str) -> SigningKey:
    return SigningKey(keyid, key.algorithm, key.secret)


async def told(response: ClientResponse) -> tuple[int, str]:
    return response.status, (await response.json())["code"]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it holds: a process notices changes of keys with its poll."""
    async with asyncio.timeout(60):
        while not await holds():
            pass


async def done(response: ClientResponse, status: int) -> dict[str, Any]:
    """The answer, which has this status."""
    assert response.status == status, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


class Field:
    """What people and bins do, over HTTP."""

    def __init__(self, client: Client, operators: dict[str, str]) -> None:
        self.client = client
        self._operators = operators

    # -- the office

    async def operate(
        self, path: str, document: Any, *, method: str = "POST", who: str = "operator", key: str | None = None
    ) -> ClientResponse:
        headers = {"Authorization": f"Bearer {self._operators[who]}", "Idempotency-Key": key or str(uuid.uuid4())}
        return await self.client.request(method, f"/v1/bins{path}", json=document, headers=headers)

    async def read(self, path: str, who: str = "viewer") -> ClientResponse:
        return await self.client.get(path, headers={"Authorization": f"Bearer {self._operators[who]}"})

    async def act(self, what: str, bin_id: str = BIN, **document: Any) -> ClientResponse:
        """A change of a bin, for a reason."""
        return await self.operate(f"/{bin_id}/{what}", {"reason": "test", **document})

    async def register(self, bin_id: str = BIN, **document: Any) -> dict[str, Any]:
        return await done(await self.operate("", {"id": bin_id, "site_id": "site-1", **document}), 201)

    async def claim_code(self, bin_id: str = BIN) -> str:
        code: str = (await done(await self.act("claim-code", bin_id), 201))["claim_code"]
        return code

    async def changes(self, bin_id: str = BIN) -> list[tuple[str, str | None]]:
        """What was done to a bin and to what, oldest first."""
        history = await done(await self.read(f"/v1/bins/{bin_id}/history"), 200)
        return [(change["kind"], change["subject"]) for change in reversed(history["changes"])]

    # -- at the bin

    async def claim(self, code: str, key: SigningKey | None = None, **signing: Any) -> ClientResponse:
        """With the public key of `key`, or for a secret of the service's."""
        document: dict[str, Any] = {"claim_code": code, "algorithm": "hmac-sha256"}
        if key is None:
            return await self.client.post("/v1/bins/claim", json=document)
        document |= {"algorithm": "ed25519", "public_key": public(key)}
        return await self.send(key, "POST", "/v1/bins/claim", document, **signing)

    async def install(self, bin_id: str = BIN, algorithm: Algorithm = Algorithm.ED25519, **wanted: Any) -> SigningKey:
        """A bin that was registered and claimed, and its key."""
        await self.register(bin_id, **wanted)
        pair = new_pair() if algorithm is Algorithm.ED25519 else None
        claimed = await done(await self.claim(await self.claim_code(bin_id), pair), 201)
        secret = pair.secret if pair else base64.b64decode(claimed["secret"])
        return SigningKey(claimed["keyid"], algorithm, secret)

    async def send(
        self,
        key: SigningKey,
        method: str,
        path: str,
        document: Any = None,
        *,
        created: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> ClientResponse:
        """A request that this key signs."""
        body = b"" if document is None else json.dumps(document).encode()
        signed = sign_request(
            key, method=method, target=path, body=body, created=int(time.time()) if created is None else created
        )
        content_type = {} if document is None else {"Content-Type": "application/json"}
        return await self.client.request(
            method, path, data=body or None, headers={**content_type, **signed, **(headers or {})}
        )

    async def is_told(self, key: SigningKey, *status_and_code: object) -> bool:
        """Whether who signs with this key hears this problem, asking for the configuration."""
        response = await self.config(key)
        return response.status != 200 and await told(response) == status_and_code

    async def config(self, key: SigningKey, etag: str | None = None) -> ClientResponse:
        headers = {} if etag is None else {"If-None-Match": etag}
        return await self.send(key, "GET", "/v1/bins/me/config", headers=headers)

    async def bring(self, signed_by: SigningKey, pair: SigningKey, *, bin_id: str = BIN) -> ClientResponse:
        """Another public key, with its proof."""
        proof = base64.b64encode(pair.sign(proof_text(bin_id, public(pair)))).decode()
        document = {"algorithm": "ed25519", "public_key": public(pair), "proof": proof}
        return await self.send(signed_by, "POST", "/v1/bins/me/keys", document)

    async def ask_for_secret(self, signed_by: SigningKey) -> ClientResponse:
        return await self.send(signed_by, "POST", "/v1/bins/me/keys", {"algorithm": "hmac-sha256"})

    async def confirm(self, secret: SigningKey) -> ClientResponse:
        return await self.send(secret, "POST", "/v1/bins/me/keys/confirm", {})


class Yard(Field):
    """A service with its database, for several tests one after another."""

    def __init__(
        self,
        client: Client,
        operators: dict[str, str],
        *,
        settings: Settings,
        engine: AsyncEngine,
        owner: AsyncEngine,
        world: World,
    ) -> None:
        """`engine` is the application's own, `owner` the tables' owner's."""
        super().__init__(client, operators)
        self.settings = settings
        self.engine = engine
        self.owner = owner
        self.world = world

    @asynccontextmanager
    async def elsewhere(self, **settings: Any) -> AsyncIterator[Field]:
        """The same field through another process, which is set up otherwise."""
        app = build_app(self.settings.model_copy(update=settings))
        async with TestClient(TestServer(app)) as client:
            yield Field(client, self._operators)

    async def clear(self) -> None:
        """Take away what a test has left; coins stay."""
        of_tests = f"bin_id NOT IN ('{self.world.ed25519.keyid}', '{self.world.hmac.keyid}')"
        async with self.owner.begin() as connection:
            for table in OF_BINS:
                await connection.exec_driver_sql(f"DELETE FROM {table} WHERE {of_tests}")
            await connection.exec_driver_sql(f"DELETE FROM bin WHERE {of_tests.removeprefix('bin_')}")
            for table in (
                *("idempotency_key", "firmware_notice", "plausibility_rule"),
                "tariff WHERE coins_per_kg IN (130, 140)",
            ):
                await connection.exec_driver_sql(f"DELETE FROM {table}")
            await raise_revision(connection)
        # The next test's bins have the same names, and other keys.
        await self.client.app[REFERENCE].refresh()
