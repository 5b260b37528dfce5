"""A resident's redemptions as they see them."""

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import MerchantName
from schemas.cursors import Moment, encode_moment_cursor
from schemas.residents import ResidentRedemption, ResidentRedemptions
from service.residents.queries import redemptions_page


async def read_redemptions(
    connection: AsyncConnection, resident_id: int, *, before: Moment | None, limit: int
) -> ResidentRedemptions:
    """One page, newest first, of the redemptions made before that moment."""
    # One more than is shown tells whether there is a next page.
    rows = await redemptions_page(connection, resident_id, before=before, limit=limit + 1)
    shown = rows[:limit]
    return ResidentRedemptions(
        redemptions=[
            ResidentRedemption(
                id=row.id,
                merchant=MerchantName(id=row.merchant_id, name=row.merchant_name),
                machine_id=row.machine_id,
                coins=row.coins,
                captured_coins=row.captured_coins,
                refunded_coins=row.refunded_coins,
                state=row.state,
                expires_at=row.expires_at,
                offer_id=row.offer_id,
                created_at=row.created_at,
            )
            for row in shown
        ],
        next_cursor=encode_moment_cursor(shown[-1].created_at, shown[-1].id) if len(rows) > limit else None,
    )
