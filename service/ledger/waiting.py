"""Events that wait for their card, as the ledger knows them: locked, looked at, credited. Each step is a statement of
its own, because only one that begins when a lock is had sees what whoever had it before has committed."""

from collections.abc import Sequence
from datetime import date, timedelta
from importlib import resources
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.tables.weighing import resident_day

TEXTS, IDS = sa.ARRAY(sa.Text), sa.ARRAY(sa.BigInteger)


def _statement(name: str, **types: Any) -> sa.TextClause:
    text = resources.files("service.ledger").joinpath(name).read_text()
    return sa.text(text).bindparams(*(sa.bindparam(each, type_=of) for each, of in types.items()))


LOCK_WAITING = _statement(
    "lock_waiting.sql", credential_digests=sa.ARRAY(sa.LargeBinary), waiting_max=sa.Interval, demo=sa.Boolean
)
READ_WAITING = _statement("read_waiting.sql", bin_ids=TEXTS, event_ids=TEXTS, owner_ids=IDS, zone=sa.Text)
CREDIT_WAITING = _statement(
    "credit_waiting.sql", bin_ids=TEXTS, event_ids=TEXTS, owner_ids=IDS, coins=IDS, days=sa.ARRAY(sa.Date)
)


class Waiting(NamedTuple):
    """An event that waited and is somebody's now; `released`: an operator has decided what it earns, and when it was
    weighed. `counts_at` and `came_at` in Unix seconds, `day` the business day of the former."""

    bin_id: str
    event_id: str
    owner_id: int
    kind: str
    material_id: str
    weight_grams: int
    coins: int
    released: bool
    counts_at: float
    came_at: float
    day: date


async def lock_waiting(
    connection: AsyncConnection,
    credential_digests: Sequence[bytes],
    *,
    waiting_max: timedelta,
    zone: str,
    demo: bool,
) -> list[Waiting]:
    """What waits for these credentials, at most 1000 events in the order in which they happened, locked with the
    wallets that they are for; see lock_waiting.sql."""
    parameters = {"credential_digests": credential_digests, "waiting_max": waiting_max, "demo": demo}
    keys = (await connection.execute(LOCK_WAITING, parameters)).all()
    if not keys:
        return []
    found = await connection.execute(
        READ_WAITING,
        {
            "bin_ids": [row.bin_id for row in keys],
            "event_ids": [row.event_id for row in keys],
            "owner_ids": [row.resident_id for row in keys],
            "zone": zone,
        },
    )
    return [Waiting(*row) for row in found]


async def read_days(connection: AsyncConnection, days: Sequence[tuple[int, date]]) -> Sequence[Any]:
    """Of these (owner, day) those on which something was credited: owner_id, day, drops, grams, coins."""
    return (
        await connection.execute(
            sa.select(resident_day).where(sa.tuple_(resident_day.c.owner_id, resident_day.c.day).in_(days))
        )
    ).all()


async def credit_waiting(connection: AsyncConnection, events: Sequence[Waiting]) -> None:
    """See credit_waiting.sql."""
    await connection.execute(
        CREDIT_WAITING,
        {
            "bin_ids": [each.bin_id for each in events],
            "event_ids": [each.event_id for each in events],
            "owner_ids": [each.owner_id for each in events],
            "coins": [each.coins for each in events],
            "days": [each.day for each in events],
        },
    )
