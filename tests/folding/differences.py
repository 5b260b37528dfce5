"""What differs between folded sums and the rows they come from.

Each is one statement, and so one snapshot: it reads the position with the sums, and recomputes them from the rows
below it. What is not folded yet is not a difference.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.folding.queries import BY_MONTH, SUM_COIN_VOLUME, SUM_RESIDENT_VOLUME, SUM_VOLUME


def _statement(table: str, sums: str, keys: Sequence[str], values: Sequence[str]) -> sa.TextClause:
    """Rows of `table` beside the sums they should be: the keys, then stored_x and computed_x of each value."""
    folded = sums.replace(":lower", "0").replace(":upper", "(SELECT xid FROM fold_position)")
    columns = ", ".join(f"stored.{name} AS stored_{name}, computed.{name} AS computed_{name}" for name in values)
    differs = " OR ".join(f"stored.{name} IS DISTINCT FROM computed.{name}" for name in values)
    return sa.text(
        f"SELECT {', '.join(keys)}, {columns}"  # names of this module only
        f" FROM {table} AS stored FULL JOIN ({folded}) AS computed USING ({', '.join(keys)})"
        f" WHERE {differs} ORDER BY {', '.join(keys)} LIMIT :limit"
    )


VOLUME = _statement(
    "volume", SUM_VOLUME, ("day", "site_id", "material_id", "source"), ("grams", "drops", "held_grams", "held_drops")
)
VOLUME_MONTH = _statement(
    "volume_month",
    f"{BY_MONTH} FROM ({SUM_VOLUME}) AS by_day GROUP BY 1, 2, 3, 4",
    ("site_id", "month", "material_id", "source"),
    ("grams", "drops", "held_grams", "held_drops"),
)
RESIDENT_VOLUME = _statement("resident_volume", SUM_RESIDENT_VOLUME, ("owner_id", "material_id", "set_id"), ("grams",))
COIN_VOLUME = _statement(
    "coin_volume", SUM_COIN_VOLUME, ("day", "kind", "account_id"), ("issued_coins", "spent_coins", "transfers")
)


async def volume_differences(connection: AsyncConnection, *, timezone: str, limit: int) -> Sequence[sa.Row[Any]]:
    """The first rows of `volume` that are not what the weigh events add up to; a side that has no row is null."""
    return (await connection.execute(VOLUME, {"timezone": timezone, "limit": limit})).all()


async def month_volume_differences(connection: AsyncConnection, *, timezone: str, limit: int) -> Sequence[sa.Row[Any]]:
    """The first rows of `volume_month` that are not what the weigh events add up to."""
    return (await connection.execute(VOLUME_MONTH, {"timezone": timezone, "limit": limit})).all()


async def resident_volume_differences(
    connection: AsyncConnection, *, timezone: str, limit: int
) -> Sequence[sa.Row[Any]]:
    """The first rows of `resident_volume` that are not what the credited events add up to."""
    return (await connection.execute(RESIDENT_VOLUME, {"timezone": timezone, "limit": limit})).all()


async def coin_volume_differences(connection: AsyncConnection, *, timezone: str, limit: int) -> Sequence[sa.Row[Any]]:
    """The first rows of `coin_volume` that are not what the transfers add up to."""
    return (await connection.execute(COIN_VOLUME, {"timezone": timezone, "limit": limit})).all()
