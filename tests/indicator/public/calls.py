"""What the public asks for, and what there is to be asked for."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.business_days import business_today
from service.db import transaction
from service.keys import ENGINE
from service.tables.volumes import volume, volume_month
from tests.indicator.test_publications import Publisher

Client = TestClient[Any, Any]

PAGE = "/public/recycling-rate"
DATA = (f"{PAGE}.json", f"{PAGE}.csv", "/public/volumes.csv")
YEAR = business_today("Asia/Shanghai").year - 1
MARCH = date(YEAR, 3, 1)


async def weighed(
    engine: AsyncEngine, site_id: str, drops: int, grams: int, *, month: date = MARCH, material_id: str = "paper"
) -> None:
    """As folding would add it to the volumes."""
    row = {"site_id": site_id, "material_id": material_id, "source": "bin", "grams": grams, "drops": drops}
    async with transaction(engine) as connection:
        await connection.execute(sa.insert(volume).values(day=month, **row))
        of_month = {**row, "held_grams": 0, "held_drops": 0}
        await connection.execute(sa.insert(volume_month).values(month=month, **of_month))


async def text(client: Client, path: str, status: int = 200) -> str:
    response = await client.get(path)
    assert response.status == status, await response.text()
    return await response.text()


async def rate(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await text(client, f"{PAGE}.json"))
    return found


async def rows(client: Client, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((await text(client, path)).removeprefix("\ufeff"))))


async def everything(client: Client) -> str:
    return "\n".join([await text(client, path) for path in (PAGE, f"{PAGE}?lang=en", *DATA)])


async def publish(first: Publisher, second: Publisher, **changes: Any) -> dict[str, Any]:
    return await second.published(await first.proposed(period=str(YEAR), **changes))


async def report(first: Publisher) -> None:
    """All that a year needs: 30 %."""
    await first.record(period=str(YEAR), grams=170_000_000)
    await first.record(period=str(YEAR), kind="kitchen_treated", grams=30_000_000)
    await first.record(period=str(YEAR), kind="pickup_recyclables", grams=30_000_000)


@contextmanager
def statements_of(client: Client) -> Iterator[list[str]]:
    """The statements of the service's own engine, meanwhile."""
    found: list[str] = []
    app = client.app
    assert app is not None
    engine = app[ENGINE].sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        found.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    yield found
    sa.event.remove(engine, "before_cursor_execute", note)
