"""The indicator's API as a caller with a key sees it."""

import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables.volumes import volume, volume_month

INPUTS = "/v1/indicator/inputs"
RATE = "/v1/indicator/recycling-rate"
TONNE = 1_000_000


def a_document(**changes: str) -> dict[str, str]:
    return {"name": "清运量统计表 2025", "date": "2026-01-15", "sha256": "5e" * 32} | changes


def an_input(**changes: Any) -> dict[str, Any]:
    """600 t cleared in Nankai in 2025; `changes` replace its fields."""
    document = {
        "area": "nankai",
        "period": "2025",
        "kind": "cleared",
        "source": "sanitation department",
        "grams": 600 * TONNE,
        "document": a_document(),
    }
    return document | changes


async def weigh(
    connection: AsyncConnection, day: date, grams: int, site: str = "site-1", *, held_grams: int = 0, drops: int = 1
) -> None:
    """What folding makes of one drop: the sums by day and by month."""
    place = {"site_id": site, "material_id": "paper", "source": "bin"}
    mass = {"grams": grams, "drops": drops, "held_grams": held_grams, "held_drops": int(held_grams > 0)}
    for table, when in ((volume, {"day": day}), (volume_month, {"month": day.replace(day=1)})):
        statement = insert(table).values(**when, **place, **mass)
        added = {name: table.c[name] + statement.excluded[name] for name in mass}
        await connection.execute(statement.on_conflict_do_update(index_elements=table.primary_key.columns, set_=added))


@dataclass(frozen=True)
class Caller:
    client: TestClient[Any, Any]
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def post(self, document: Any, *, key: str | None = None) -> ClientResponse:
        headers = {**self.headers, "Idempotency-Key": key or str(uuid.uuid4())}
        return await self.client.post(INPUTS, json=document, headers=headers)

    async def record(self, **changes: Any) -> dict[str, Any]:
        response = await self.post(an_input(**changes))
        assert response.status == 201, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer

    async def get(self, path: str, **parameters: Any) -> ClientResponse:
        return await self.client.get(path, params=parameters, headers=self.headers)

    async def rate(self, area: str = "nankai", period: str = "2025") -> dict[str, Any]:
        response = await self.get(RATE, area=area, period=period)
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer
