"""How long coins live: rules that are superseded, never edited, and what is left of wallets by them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import database_now, violated_constraint
from service.errors import CoinLifeExists, CoinLifeInThePast
from service.ledger import lot_queries
from service.ledger.lots import CoinLife, Entry, Lot, Walk
from service.moments import by_the_clock, whole_second

# Whoever earns in the next moment knows for how long.
LEAD: Final = timedelta(minutes=1)
# Most wallets are walked through in one page; the pages of those that are not grow up to the larger.
PAGE_ENTRIES: Final = 100
PAGE_ENTRIES_MAX: Final = 10_000
AFTER_ALL_IDS: Final = 2**63 - 1


class Expiring(NamedTuple):
    """What expires next in a wallet."""

    coins: int
    expires_at: datetime


async def set_coin_life(
    connection: AsyncConnection, *, months: int | None, effective_from: datetime | None, zone: str
) -> datetime:
    """Coins earned from `effective_from` on live so many months (1 to 1200), None for ever; when that takes effect.

    A minute from now at the earliest, by the database's clock, and there where it is not given: coins that are earned
    already keep the life they have. Raises CoinLifeInThePast, or CoinLifeExists where a rule begins at that moment;
    both name moments by the clock of `zone`.
    """
    earliest = whole_second(await database_now(connection) + LEAD)
    starts_at: datetime = earliest if effective_from is None else effective_from
    if starts_at < earliest:
        raise CoinLifeInThePast(
            f"This rule can take effect at {by_the_clock(earliest, zone)} at the earliest: coins that are earned keep"
            " the life they have."
        )
    try:
        await lot_queries.insert_rule(connection, effective_from=starts_at, months=months)
    except IntegrityError as error:
        if violated_constraint(error) == "pk_coin_life":
            after = by_the_clock(max(earliest, starts_at + timedelta(seconds=1)), zone)
            raise CoinLifeExists(
                f"A rule takes effect at {by_the_clock(starts_at, zone)} already, and rules are never changed. Choose"
                f" {after}: then that one is for what comes in between."
            ) from None
        raise
    return starts_at


async def list_coin_life(connection: AsyncConnection) -> Sequence[sa.Row[datetime, int | None]]:
    """Every rule as (effective_from, months), the earliest first."""
    return await lot_queries.read_rules(connection)


async def read_coin_life(connection: AsyncConnection, zone: str) -> CoinLife:
    """The rules as they are applied, with days of the time zone `zone`."""
    return CoinLife(((row.effective_from, row.months) for row in await lot_queries.read_rules(connection)), zone)


async def next_expiring(connection: AsyncConnection, owner_id: int, posted: int, *, zone: str) -> Expiring | None:
    """Of a wallet with `posted` coins, those that expire at the earliest moment, which may have passed: coins are good
    until they are taken. None where none ever will."""
    life = await read_coin_life(connection, zone)
    if posted == 0 or not life.ends:
        return None
    found: Expiring | None = None
    async for _, lots in walk_back(connection, {owner_id: (posted, 0)}):
        for lot in lots:
            expires_at = life.expires_at(lot.earned_at)
            if expires_at is None or (found is not None and found.expires_at < expires_at):
                continue
            same = found is not None and found.expires_at == expires_at
            found = Expiring(lot.coins + (found.coins if found is not None and same else 0), expires_at)
    return found


async def walk_back(
    connection: AsyncConnection, wallets: Mapping[int, tuple[int, int]]
) -> AsyncIterator[tuple[int, list[Lot]]]:
    """Each wallet's lots that have coins left, newest first, in pages: owner and lots. `wallets` are posted and held.

    Reads no further back than the coins that are left lie, for all wallets at once.
    """
    walks = {owner_id: Walk(posted, held) for owner_id, (posted, held) in wallets.items()}
    before_ids = dict.fromkeys(walks, AFTER_ALL_IDS)
    limit = PAGE_ENTRIES
    while before_ids:
        pages: dict[int, list[sa.Row[Any]]] = {owner_id: [] for owner_id in before_ids}
        for row in await lot_queries.read_entries(connection, before_ids, limit=limit):
            pages[row.owner_id].append(row)
        for owner_id, page in pages.items():
            yield owner_id, walks[owner_id].back(Entry(row.id, row.coins, row.created_at, row.lot_id) for row in page)
            if walks[owner_id].over or len(page) < limit:
                del before_ids[owner_id]
            else:
                before_ids[owner_id] = page[-1].id
        limit = max(PAGE_ENTRIES, PAGE_ENTRIES_MAX // max(1, len(before_ids)))
