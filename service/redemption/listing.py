"""A merchant's redemptions as it sees them."""

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.cursors import Moment, encode_moment_cursor
from schemas.redemptions import MerchantRedemption, MerchantRedemptions
from service.redemption.queries import redemptions_page


async def list_redemptions(
    connection: AsyncConnection, merchant_id: str, *, before: Moment | None, limit: int
) -> MerchantRedemptions:
    """One page, newest first, of the redemptions made before that moment."""
    # One more than is shown tells whether there is a next page.
    rows = await redemptions_page(connection, merchant_id, before=before, limit=limit + 1)
    shown = rows[:limit]
    return MerchantRedemptions(
        redemptions=[MerchantRedemption.model_validate(row, from_attributes=True) for row in shown],
        next_cursor=encode_moment_cursor(shown[-1].created_at, shown[-1].id) if len(rows) > limit else None,
    )
