"""Binding a card, and crediting what it brought before it was bound.

Two transactions, because of an event in flight: its statement looked for the card before the card was bound, and its
row cannot be seen before it commits. So the card is committed first: every statement that begins later finds it. What
had begun earlier, and a crash between the two transactions, is for waiting.py.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from service.errors import CardLimitReached, CardTaken
from service.ledger.queries import lock_wallet, read_wallet
from service.residents import queries
from service.residents.claiming import Terms, claim_waiting


@dataclass(frozen=True, slots=True)
class Binding:
    bound_at: datetime
    new: bool


@dataclass(frozen=True, slots=True)
class Credited:
    """What a card brought because it was bound, whoever credited it and when; and what its resident has now."""

    events: int
    coins: int
    balance_coins: int


async def bind_card(
    connection: AsyncConnection,
    resident_id: int,
    digest: bytes,
    *,
    cards_max: int,
    waiting_max: timedelta,
    demo: bool,
) -> Binding:
    """Claim a card by inserting its digest; the resident's own card is found again.

    Drops of more than `waiting_max` before are not the resident's, whenever they arrive.

    Raises CardTaken or CardLimitReached; the caller's transaction must then be rolled back.
    """
    bound_at = await queries.claim_card(connection, digest, resident_id, waiting_max=waiting_max, demo=demo)
    if bound_at is None:
        bound_at = await queries.find_card(connection, digest, resident_id, demo=demo)
        if bound_at is None:
            raise CardTaken
        return Binding(bound_at, new=False)
    # Counted one after the other, or two cards bound at once would both be the last that is allowed.
    await lock_wallet(connection, resident_id)
    if await queries.count_cards(connection, resident_id) > cards_max:
        raise CardLimitReached(f"A resident has at most {cards_max} cards.")
    return Binding(bound_at, new=True)


async def credit_bound_card(connection: AsyncConnection, resident_id: int, digest: bytes, terms: Terms) -> Credited:
    """Credit what waited for a card whose binding is committed. More than 1000 events are left to waiting.py. What is
    held of it is the resident's too, to be asked about and appealed."""
    # First: a review is locked before its event and its wallet, wherever all of them are.
    await queries.adopt_held_events(connection, digest=digest, demo=terms.demo)
    await claim_waiting(connection, [digest], terms)
    events, coins = await queries.credited_by_binding(connection, digest, resident_id)
    wallet = await read_wallet(connection, resident_id)
    return Credited(events, coins, wallet.available)
