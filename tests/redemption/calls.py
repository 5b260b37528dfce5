"""Calls of redemption as the mini-program and a merchant's till make them, and what the database holds afterwards."""

import io
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.tables.ledger import transfer, wallet
from service.tables.redemption import redemption

OWN = "/v1/me/redemptions"
BY_PAY_CODE = "/v1/redemptions"


@dataclass(frozen=True)
class Caller:
    """Whoever has this token: a session's, or an API key."""

    client: TestClient[Any, Any]
    token: str

    async def post(
        self, path: str, document: Any = None, *, key: str | None = None, headers: dict[str, str] | None = None
    ) -> ClientResponse:
        """`document` is JSON, or bytes that go as they are; without a `key` a new one is made."""
        return await self.client.post(
            path,
            data=io.BytesIO(document if isinstance(document, bytes) else json.dumps(document).encode()),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "Idempotency-Key": key or str(uuid.uuid4()),
                **(headers or {}),
            },
        )

    async def get(self, path: str) -> ClientResponse:
        return await self.client.get(path, headers={"Authorization": f"Bearer {self.token}"})

    async def redeem(self, coins: int, *, merchant_id: str = "NK-M-01", key: str | None = None) -> ClientResponse:
        return await self.post(OWN, {"merchant_id": merchant_id, "coins": coins}, key=key)

    async def new_pay_code(self) -> str:
        response = await self.post("/v1/me/pay-codes")
        assert response.status == 201, await response.text()
        code: str = (await response.json())["pay_code"]
        return code

    async def take(self, pay_code: str, coins: int, *, key: str | None = None) -> ClientResponse:
        return await self.post(BY_PAY_CODE, {"pay_code": pay_code, "coins": coins, "capture": True}, key=key)


async def code_of(response: ClientResponse) -> str:
    """The problem's code."""
    assert response.headers["Content-Type"] == "application/problem+json"
    code: str = (await response.json())["code"]
    return code


async def balance(engine: AsyncEngine, resident_id: int) -> int:
    """What a resident has; it must be what the transfers say, and each redemption must have one of its own."""
    async with engine.connect() as connection:
        posted: int = (
            await connection.execute(sa.select(wallet.c.posted).where(wallet.c.owner_id == resident_id))
        ).scalar_one()
        signed = sa.case((transfer.c.credit_account_id == resident_id, transfer.c.coins), else_=-transfer.c.coins)
        moved = sa.select(sa.func.coalesce(sa.func.sum(signed), 0)).where(transfer.c.owner_id == resident_id)
        assert posted == int((await connection.execute(moved)).scalar_one())
        spent = sa.select(transfer.c.redemption_id, transfer.c.coins).where(transfer.c.kind == "redemption")
        kept = sa.select(redemption.c.id, redemption.c.coins)
        assert set(await _rows(connection, spent)) == set(await _rows(connection, kept))
    return posted


async def redemptions(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return (await connection.execute(sa.select(sa.func.count()).select_from(redemption))).scalar_one()


async def _rows(connection: Any, query: Any) -> list[tuple[Any, ...]]:
    rows = [tuple(row) for row in await connection.execute(query)]
    assert len(rows) == len(set(rows))
    return rows


@asynccontextmanager
async def wallets_closed(admin_engine: AsyncEngine) -> AsyncIterator[None]:
    """Nobody can lock a wallet meanwhile: whoever tries waits, in the middle of the transaction."""
    async with admin_engine.begin() as connection:
        await connection.execute(sa.text("LOCK TABLE wallet IN EXCLUSIVE MODE"))
        yield
