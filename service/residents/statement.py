"""A wallet's transfers as its resident sees them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import MerchantName
from schemas.cursors import encode_cursor
from schemas.residents import (
    CreditTransfer,
    RedemptionTransfer,
    ReversalTransfer,
    Transfers,
)
from service.ledger.queries import statement_page


async def read_statement(
    connection: AsyncConnection, resident_id: int, *, before_id: int | None, limit: int
) -> Transfers:
    """One page, newest first, of the transfers with an id below `before_id`."""
    # One more than is shown tells whether there is a next page.
    rows = await statement_page(connection, resident_id, before_id=before_id, limit=limit + 1)
    shown = rows[:limit]
    return Transfers(
        transfers=[_transfer(row) for row in shown],
        next_cursor=encode_cursor(shown[-1].id) if len(rows) > limit else None,
    )


def _transfer(row: sa.Row[Any]) -> CreditTransfer | RedemptionTransfer | ReversalTransfer:
    coins = row.coins if row.incoming else -row.coins
    if row.kind == "credit":
        return CreditTransfer(
            id=row.id,
            kind="credit",
            coins=coins,
            created_at=row.created_at,
            material=row.material_id,
            weight_grams=row.weight_grams,
            occurred_at=row.occurred_at,
        )
    if row.kind == "redemption":
        return RedemptionTransfer(
            id=row.id,
            kind="redemption",
            coins=coins,
            created_at=row.created_at,
            merchant=MerchantName(id=row.merchant_id, name=row.merchant_name),
            redemption_id=row.redemption_id,
        )
    return ReversalTransfer(
        id=row.id,
        kind="reversal",
        coins=coins,
        created_at=row.created_at,
        reverses_id=row.reverses_id,
        reason=row.reason,
    )
