"""Crediting what waited for a card, within the limits of a day: who collects under many cards and binds them later gets
no more than who shows one at the bin. What is beyond waits for an operator: its volume counts already, its coins do
not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from service.ledger.waiting import Waiting, credit_waiting, lock_waiting, read_days
from service.plausibility.day_limits import beyond_the_day
from service.plausibility.drop import AccountDay, AccountKind, Finding
from service.plausibility.rule_book import RuleBook
from service.reference import Reference
from service.residents import queries
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Terms:
    """How long before the binding of its card a drop may have occurred, where business days begin, whether credentials
    made by the demo count, and the rules that limit a day."""

    waiting_max: timedelta
    zone: str
    demo: bool
    rules: RuleBook

    @classmethod
    def of(cls, settings: Settings, reference: Reference) -> "Terms":
        """As they are now."""
        return cls(
            timedelta(days=settings.waiting_days_max), settings.business_timezone, settings.demo, reference.rules
        )


async def claim_waiting(connection: AsyncConnection, credential_digests: Sequence[bytes], terms: Terms) -> int:
    """Credit what waited for these credentials, or hold its coins, at most 1000 events: how many."""
    waiting = await lock_waiting(
        connection, credential_digests, waiting_max=terms.waiting_max, zone=terms.zone, demo=terms.demo
    )
    if not waiting:
        return 0
    counted = await read_days(connection, sorted({(each.owner_id, each.day) for each in waiting}))
    kinds = {each.owner_id: cast("AccountKind", each.kind) for each in waiting}
    days = {
        (row.owner_id, row.day): AccountDay(kinds[row.owner_id], row.drops, row.grams, row.coins) for row in counted
    }
    credited, held = within_the_day(waiting, days, terms.rules)
    if credited:
        await credit_waiting(connection, credited)
    if held:
        await queries.hold_coins(connection, held)
    return len(waiting)


def within_the_day(
    waiting: Sequence[Waiting], days: dict[tuple[int, date], AccountDay], rules: RuleBook
) -> tuple[list[Waiting], list[tuple[Waiting, list[Finding]]]]:
    """What may be credited, and what is beyond the limits of its day, and why. In the order in which they happened;
    raises the days by what is credited. What an operator has released is not asked again, but counts."""
    credited: list[Waiting] = []
    held: list[tuple[Waiting, list[Finding]]] = []
    for each in waiting:
        day = days.setdefault((each.owner_id, each.day), AccountDay(cast("AccountKind", each.kind), 0, 0, 0))
        in_force = rules.at(each.counts_at, came_at=each.came_at)
        found = (
            []
            if each.released
            else beyond_the_day(each.material_id, each.weight_grams, each.coins, each.counts_at, day, in_force)
        )
        if found:
            held.append((each, found))
            continue
        credited.append(each)
        day.drops += 1
        day.grams += each.weight_grams
        day.coins += each.coins
    return credited, held
