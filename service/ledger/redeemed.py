"""What became of redemptions, read from their holds and transfers, for whoever only reads.

Commands read the same by key behind the wallets' locks, and more of it (redemption/batch_queries.py).
"""

from typing import Any, Final

import sqlalchemy as sa

from service.tables.ledger import hold, hold_resolution, transfer
from service.tables.redemption import redemption

# Each kind of transfer has an index of its own, which is used only where the kind stands in the statement itself.
REDEMPTION: Final = sa.literal_column("'redemption'", sa.Text)
REFUND: Final = sa.literal_column("'refund'", sa.Text)
REVERSAL: Final = sa.literal_column("'reversal'", sa.Text)


def redemptions_as_they_are() -> sa.Select[Any]:
    """Redemptions at the moment of the statement: what was granted, `state`, `captured_coins` and `refunded_coins`.

    A hold whose time is over has expired, whether or not that is written down yet. The caller adds which redemptions.
    """
    captured, refund, reversal = (transfer.alias(name) for name in ("captured", "refund", "reversal"))
    of = redemption.c
    refunds = (
        sa.select(sa.func.sum(refund.c.coins))
        .where(refund.c.kind == REFUND, refund.c.owner_id == of.owner_id, refund.c.redemption_id == of.id)
        .scalar_subquery()
    )
    # As redemptions were given back before there were refunds, always whole.
    reversed_coins = (
        sa.select(reversal.c.coins)
        .where(reversal.c.kind == REVERSAL, reversal.c.owner_id == of.owner_id, reversal.c.reverses_id == captured.c.id)
        .scalar_subquery()
    )
    returned = sa.func.coalesce(refunds, 0) + sa.func.coalesce(reversed_coins, 0)
    refunded_coins = sa.cast(returned, sa.BigInteger)
    state = sa.case(
        (sa.and_(captured.c.id.is_not(None), refunded_coins == captured.c.coins), "refunded"),
        (captured.c.id.is_not(None), "captured"),
        (hold.c.expires_at <= sa.func.statement_timestamp(), "expired"),
        (hold.c.expires_at.is_not(None), "authorised"),
        else_=hold_resolution.c.outcome,
    )
    return (
        sa.select(
            of.id,
            state.label("state"),
            of.coins,
            sa.func.coalesce(captured.c.coins, 0).label("captured_coins"),
            refunded_coins.label("refunded_coins"),
            of.merchant_id,
            of.machine_id,
            of.offer_id,
            of.expires_at,
            of.created_at,
        )
        .select_from(redemption)
        .outerjoin(hold, sa.and_(hold.c.owner_id == of.owner_id, hold.c.redemption_id == of.id))
        .outerjoin(
            hold_resolution,
            sa.and_(hold_resolution.c.owner_id == of.owner_id, hold_resolution.c.redemption_id == of.id),
        )
        .outerjoin(
            captured,
            sa.and_(
                captured.c.kind == REDEMPTION, captured.c.owner_id == of.owner_id, captured.c.redemption_id == of.id
            ),
        )
    )
