from random import Random
from typing import Any

import sqlalchemy as sa
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.demo.demo_file import Credentials
from service.demo.people import People
from service.tables.ledger import hold_resolution, transfer
from service.tables.redemption import idempotency_key, redemption
from tests.demo.test_planting import outcome

VISITS = 300


async def test_people_look_spend_and_are_declined_when_they_have_too_little(
    demo_client: TestClient[Any, Any], planted: Credentials, engine: AsyncEngine
) -> None:
    for each in planted.residents:
        card = {"kind": "card", "value": each.card}
        for grams in (10_000, 10_000):
            assert (await outcome(demo_client, planted.bins[0], credential=card, weight_grams=grams))["coins"] == 1000
    async with ClientSession() as session:
        people = People(
            session,
            str(demo_client.make_url("")).rstrip("/"),
            planted,
            random=Random(2),  # noqa: S311
            visits_per_second=1.0,
        )
        for _ in range(VISITS):
            await people.visit()
    assert people.answers.keys() == {"200", "201", "409"}
    async with engine.connect() as connection:
        redemptions = (await connection.execute(sa.select(redemption))).all()
        keys = (await connection.execute(sa.select(idempotency_key))).all()
        outcomes = set((await connection.execute(sa.select(hold_resolution.c.outcome))).scalars())
        kinds = set((await connection.execute(sa.select(transfer.c.kind))).scalars())
    assert {row.machine_id is None for row in redemptions} == {True, False}
    assert {"captured", "voided"} <= outcomes
    assert kinds == {"credit", "redemption", "refund"}
    # Each intent had one key and took effect once, though some were sent twice.
    assert len(redemptions) == sum(row.status == 201 for row in keys)
