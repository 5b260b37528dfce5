"""Coins outstanding by month: what came into wallets, what left them, and what is in them.

Computed from transfers and holds themselves, not from folded sums: it needs no worker to have come by.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import database_now
from service.errors import ValidationFailed
from service.settlement.months import Month

MONTHS_MAX: Final = 120
INSTANT: Final = sa.DateTime(timezone=True)
NOTHING: Final = ("issued_coins", "redeemed_coins", "expired_coins", "adjusted_in_coins", "adjusted_out_coins")

MOVED: Final = sa.text("""
SELECT to_char(timezone(:zone, created_at), 'YYYY-MM') AS month,
       coalesce(sum(coins) FILTER (WHERE kind IN ('credit', 'cover')), 0)::bigint AS issued_coins,
       coalesce(sum(coins) FILTER (WHERE kind = 'redemption'), 0)::bigint
         - coalesce(sum(coins) FILTER (WHERE kind = 'refund'), 0)::bigint AS redeemed_coins,
       coalesce(sum(coins) FILTER (WHERE kind = 'expiry'), 0)::bigint AS expired_coins,
       coalesce(sum(coins) FILTER (WHERE kind IN ('adjustment', 'reversal') AND owner_id = credit_account_id),
                0)::bigint AS adjusted_in_coins,
       coalesce(sum(coins) FILTER (WHERE kind IN ('adjustment', 'reversal') AND owner_id = debit_account_id),
                0)::bigint AS adjusted_out_coins
FROM transfer
WHERE created_at >= :begins_at AND created_at < :ends_at
GROUP BY 1
""").bindparams(
    sa.bindparam("begins_at", type_=sa.DateTime(timezone=True)),
    sa.bindparam("ends_at", type_=sa.DateTime(timezone=True)),
)

BEFORE: Final = sa.text("""
SELECT coalesce(sum(CASE owner_id WHEN credit_account_id THEN coins ELSE -coins END), 0)::bigint
FROM transfer
WHERE created_at < :begins_at
""").bindparams(sa.bindparam("begins_at", type_=INSTANT))

# A hold frees its coins at its time, whenever that was written down.
HELD: Final = sa.text("""
SELECT coalesce(sum(coins), 0)::bigint
FROM (SELECT coins, held_at, expires_at AS freed_at FROM hold
      UNION ALL
      SELECT coins, held_at, least(resolved_at, expires_at) FROM hold_resolution) AS held
WHERE held_at < :at AND freed_at >= :at
""").bindparams(sa.bindparam("at", type_=INSTANT))


async def coins_outstanding(
    connection: AsyncConnection, *, first: Month, last: Month, zone: str
) -> list[dict[str, Any]]:
    """One row a month, `first` to `last`, as schemas.settlement.CoinsMonth. To be asked in a snapshot.

    Raises ValidationFailed where the months are in the wrong order or too many.
    """
    months = [first]
    while months[-1] < last and len(months) <= MONTHS_MAX:
        months.append(months[-1].next)
    if last < first or len(months) > MONTHS_MAX:
        detail = f"`to` is not before `from`, and at most {MONTHS_MAX} months are told at once."
        raise ValidationFailed(detail, errors=[{"pointer": "/to", "code": "months", "detail": detail}])
    begins_at, ends_at = first.begins_at(zone), last.ends_at(zone)
    outstanding: int = (await connection.execute(BEFORE, {"begins_at": begins_at})).scalar_one()
    rows = await connection.execute(MOVED, {"zone": zone, "begins_at": begins_at, "ends_at": ends_at})
    moved = {row.month: row._asdict() for row in rows}
    now = await database_now(connection)
    told = []
    for month in months:
        row = moved.get(str(month), dict.fromkeys(NOTHING, 0) | {"month": str(month)})
        outstanding += row["issued_coins"] + row["adjusted_in_coins"]
        outstanding -= row["redeemed_coins"] + row["expired_coins"] + row["adjusted_out_coins"]
        held = (await connection.execute(HELD, {"at": min(month.ends_at(zone), now)})).scalar_one()
        told.append(row | {"outstanding_coins": outstanding, "held_coins": held})
    return told
