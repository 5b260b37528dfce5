"""A wallet's transfers as its resident sees them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import MerchantName
from schemas.cursors import encode_cursor
from schemas.residents import (
    AdjustmentTransfer,
    CoverRefundTransfer,
    CoverTransfer,
    CreditTransfer,
    ExpiryTransfer,
    RedemptionTransfer,
    RefundTransfer,
    ReversalTransfer,
    Transfer,
    Transfers,
)
from service.residents.queries import statement_page


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


def _transfer(row: sa.Row[Any]) -> Transfer:
    told = {
        "id": row.id,
        "kind": row.kind,
        "coins": row.coins if row.incoming else -row.coins,
        "created_at": row.created_at,
    }
    match row.kind:
        case "credit":
            return CreditTransfer(
                **told, material=row.material_id, weight_grams=row.weight_grams, occurred_at=row.occurred_at
            )
        case "redemption":
            return RedemptionTransfer(**told, merchant=_merchant(row), redemption_id=row.redemption_id)
        case "refund":
            return RefundTransfer(
                **told,
                merchant=_merchant(row),
                redemption_id=row.redemption_id,
                reverses_id=row.reverses_id,
                reason=row.reason,
            )
        case "cover":
            return CoverTransfer(**told, merchant=_merchant(row), redemption_id=row.redemption_id)
        case "cover_refund":
            return CoverRefundTransfer(
                **told, merchant=_merchant(row), redemption_id=row.redemption_id, reverses_id=row.reverses_id
            )
        case "expiry":
            return ExpiryTransfer(**told, reverses_id=row.reverses_id)
        case "adjustment":
            return AdjustmentTransfer(**told, reverses_id=row.reverses_id, reason=row.reason)
        case _:
            return ReversalTransfer(**told, reverses_id=row.reverses_id, reason=row.reason)


def _merchant(row: sa.Row[Any]) -> MerchantName:
    return MerchantName(id=row.merchant_id, name=row.merchant_name)
