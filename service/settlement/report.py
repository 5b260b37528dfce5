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

# One pass over all transfers. What lies before the first month counts as a month of its own.
MOVED: Final = sa.text("""
SELECT CASE WHEN created_at < :begins_at THEN '' ELSE to_char(timezone(:zone, created_at), 'YYYY-MM') END AS month,
       coalesce(sum(coins) FILTER (WHERE kind IN ('credit', 'cover')), 0)::bigint
         - coalesce(sum(coins) FILTER (WHERE kind = 'cover_refund'), 0)::bigint AS issued_coins,
       coalesce(sum(coins) FILTER (WHERE kind = 'redemption'), 0)::bigint
         - coalesce(sum(coins) FILTER (WHERE kind = 'refund'), 0)::bigint AS redeemed_coins,
       coalesce(sum(coins) FILTER (WHERE kind = 'expiry'), 0)::bigint AS expired_coins,
       coalesce(sum(coins) FILTER (WHERE kind IN ('adjustment', 'reversal') AND owner_id = credit_account_id),
                0)::bigint AS adjusted_in_coins,
       coalesce(sum(coins) FILTER (WHERE kind IN ('adjustment', 'reversal') AND owner_id = debit_account_id),
                0)::bigint AS adjusted_out_coins
FROM transfer
WHERE created_at < :ends_at
GROUP BY 1
""").bindparams(sa.bindparam("begins_at", type_=INSTANT), sa.bindparam("ends_at", type_=INSTANT))

# A hold frees its coins at its time, whenever that was written down. A hold lasts a day at most, so few of them lie
# over the end of a month.
HELD: Final = sa.text("""
SELECT moment.at, sum(held.coins)::bigint AS coins
FROM (SELECT coins, held_at, expires_at AS freed_at FROM hold
      UNION ALL
      SELECT coins, held_at, least(resolved_at, expires_at) FROM hold_resolution
      WHERE to_char(timezone(:zone, held_at), 'YYYY-MM')
            <> to_char(timezone(:zone, least(resolved_at, expires_at)), 'YYYY-MM')) AS held
JOIN unnest(:moments) AS moment (at) ON held.held_at < moment.at AND held.freed_at >= moment.at
GROUP BY moment.at
""").bindparams(sa.bindparam("moments", type_=sa.ARRAY(INSTANT)))


async def coins_outstanding(
    connection: AsyncConnection, *, first: Month, last: Month, zone: str
) -> list[dict[str, Any]]:
    """One row a month, `first` to `last`, as schemas.settlement.CoinsMonth. To be asked in a snapshot.

    Months that have not begun are left out. Raises ValidationFailed where months are in the wrong order or too many.
    """
    months = [first]
    while months[-1] < last and len(months) <= MONTHS_MAX:
        months.append(months[-1].next)
    if last < first or len(months) > MONTHS_MAX:
        detail = f"`to` must not be before `from`, and at most {MONTHS_MAX} months are told at once."
        raise ValidationFailed(detail, errors=[{"pointer": "/to", "code": "months", "detail": detail}])
    now = await database_now(connection)
    # So that only one of them can end now: each moment is asked for once.
    months = [month for month in months if month.begins_at(zone) < now]
    ends = {month: min(month.ends_at(zone), now) for month in months}
    held_rows = await connection.execute(HELD, {"zone": zone, "moments": list(ends.values())})
    held = {row.at: row.coins for row in held_rows}
    rows = await connection.execute(
        MOVED, {"zone": zone, "begins_at": first.begins_at(zone), "ends_at": last.ends_at(zone)}
    )
    moved = {row.month: row._asdict() for row in rows}
    outstanding, told = 0, []
    for name in ("", *map(str, months)):
        row = moved.get(name, dict.fromkeys(NOTHING, 0)) | {"month": name}
        outstanding += row["issued_coins"] + row["adjusted_in_coins"]
        outstanding -= row["redeemed_coins"] + row["expired_coins"] + row["adjusted_out_coins"]
        told.append(row | {"outstanding_coins": outstanding})
    return [row | {"held_coins": held.get(ends[month], 0)} for month, row in zip(months, told[1:], strict=True)]
