"""What events would earn, and which rules would act on them: decided as they would be, and not written."""

import asyncio
from collections.abc import Sequence
from typing import Final

from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import Outcome, PricedEvent, RuleFinding, WeighEvent
from service.cloud_events import Invalid
from service.db import Writers
from service.errors import BinSuspended
from service.plausibility.drop import Finding
from service.plausibility.words import for_operators
from service.weighing.crediting import Crediting
from service.weighing.deciding import CODES, Decisions
from service.weighing.intake import Intake, OutcomeJson
from service.weighing.pending import NotActive, PendingEvent

# Whoever asks what would be must not take the connections of those who post.
PRICING_MAX: Final = 2
OF_ACCOUNTS: Final = frozenset(
    code.value for code in (OutcomeCode.DAY_DROPS, OutcomeCode.DAY_GRAMS, OutcomeCode.DAY_COINS)
)


class Pricing:
    """Asks the database without locks, in a snapshot that cannot write."""

    def __init__(self, intake: Intake, crediting: Crediting, writers: Writers) -> None:
        self._intake = intake
        self._crediting = crediting
        self._writers = writers
        self._turns = asyncio.Semaphore(PRICING_MAX)

    async def price(
        self, bin_id: str | None, events: Sequence[WeighEvent | Invalid], clock_skew_seconds: int | None
    ) -> list[PricedEvent]:
        """One an event, in order; `bin_id` is whose they must be, None where anyone's may be.

        Raises SourceMismatch, BinSuspended where a bin is not active, and what the database raises.
        """
        pending, outcomes = self._intake.prepare(bin_id, events, clock_skew_seconds)
        made = await self._decide(pending) if pending else Decisions()
        # What an account brought on a day, at whatever bins, is no bin's business.
        untold = OF_ACCOUNTS if bin_id is not None else frozenset()
        decided = iter(_priced(event, made, place, untold) for place, event in enumerate(pending))
        return [next(decided) if outcome is None else _invalid(outcome) for outcome in outcomes]

    async def _decide(self, pending: Sequence[PendingEvent]) -> Decisions:
        async with (
            self._turns,
            self._writers.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await self._crediting.price(connection, pending)


def _invalid(outcome: OutcomeJson) -> PricedEvent:
    return PricedEvent(**outcome, findings=[])


def _priced(event: PendingEvent, made: Decisions, place: int, untold: frozenset[str]) -> PricedEvent:
    told = made.told[place]
    if isinstance(told, NotActive):
        raise BinSuspended
    credited = told.outcome in (Outcome.CREDITED, Outcome.UNCLAIMED)
    # Of what is only noted the findings tell.
    code = None if credited else told.code
    return PricedEvent(
        id=event.event_id,
        outcome=told.outcome,
        coins=event.coins if credited or told.outcome is Outcome.HELD else told.coins,
        code=code,
        detail=None if code is None else code.meaning,
        findings=[
            _in_words(each._replace(figures={}) if each.code in untold else each)
            for each in (made.findings.get(event[:2], ()) if told.fresh else ())
        ],
    )


def _in_words(finding: Finding) -> RuleFinding:
    return RuleFinding(
        code=CODES[finding.code],
        action=finding.action,
        sentence=for_operators(finding.code, finding.figures, "zh"),
        sentence_en=for_operators(finding.code, finding.figures, "en"),
        figures=finding.figures,
    )
