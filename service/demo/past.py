"""What happened in the demo's district in the month before it was first started: so that there is a month to settle,
and a history to report. The rows are such as the service would have written. No I/O.

The same for the same seed, but for the ids of events, which are new ones each time.
"""

import hashlib
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from schemas.common import Answer, MerchantName
from schemas.offers import NewOffer
from schemas.redemptions import OwnRedemption
from service.auth import Machine, Merchant, Resident
from service.business_days import business_day
from service.demo import nankai
from service.demo.drops import Drops, Zipf
from service.demo.past_rows import AnswerRow, EventRow, Past, RedemptionRow, ResolutionRow, TransferRow
from service.demo.people import COINS_AT_MERCHANT, COINS_BY_MACHINE, MACHINE_SHARE, OFFER_SHARE, WHOLE_SHARE
from service.demo.sample import Sample, SampleMachine, SampleMerchant
from service.redemption.deciding import told
from service.redemption.facts import Redemption
from service.secrets import Keyring
from service.settlement.months import Month
from service.tables.columns import ISSUER_ACCOUNT_ID
from service.weighing.rules import coins_for, content_digest

# Nobody drops or spends at night, so nothing is under way when a day or the month ends.
OPENS: Final = time(6, 30)
OPEN_SECONDS: Final = 15 * 3600
HOLD_SECONDS: Final = 120
GIVES_OUT_SECONDS: Final = (5.0, 60.0)
REFUND_SECONDS: Final = (120.0, 1800.0)
# Visits to a merchant or machine for one drop; of those to a merchant, how many scan the resident's code.
VISITS_A_DROP: Final = 0.6
MERCHANT_SCANS_SHARE: Final = 0.7
REFUND_SHARE: Final = 0.1
REFUND_REASON: Final = "一件商品缺货"

COINS_PER_KG: Final = {material_id: coins_per_kg for material_id, _, _, coins_per_kg in nankai.MATERIALS}


Step: TypeAlias = Callable[[datetime], None]


def month_before(today: date) -> Month:
    """The last whole month before a business day."""
    return Month.of(today.replace(day=1) - timedelta(days=1))


def draw_past(
    seed: int,
    sample: Sample,
    *,
    resident_ids: Sequence[int],
    accounts: Mapping[str, int],
    keyring: Keyring,
    month: Month,
    zone: str,
    drops: int,
) -> Past:
    """So many drops in a month, and what was bought and given back meanwhile; `accounts` are the merchants'."""
    random = Random(f"{seed} past {month}")  # noqa: S311, nothing secret is drawn
    drawn = _Month(random, sample, resident_ids, accounts, keyring, zone, Past(month.begins_at(zone)))
    days = (month.next.first_day - month.first_day).days
    drawn.play(
        [
            (_moment(random, month.first_day + timedelta(days=random.randrange(days)), zone), step)
            for step, count in ((drawn.drop, drops), (drawn.visit, round(drops * VISITS_A_DROP)))
            for _ in range(count)
        ]
    )
    return drawn.past


def _moment(random: Random, day: date, zone: str) -> datetime:
    opened = datetime.combine(day, OPENS, ZoneInfo(zone)).astimezone(UTC)
    return opened + timedelta(milliseconds=random.randrange(OPEN_SECONDS * 1000))


class _Month:
    """The district while the month goes by. Each step is at its moment, and nobody spends what they do not have."""

    def __init__(
        self,
        random: Random,
        sample: Sample,
        resident_ids: Sequence[int],
        accounts: Mapping[str, int],
        keyring: Keyring,
        zone: str,
        past: Past,
    ) -> None:
        self._random = random
        self._zone = zone
        self.past = past
        self._sample = sample
        self._accounts = accounts
        self._resident_ids = resident_ids
        self._digest_of = keyring.credential_digest
        self._drops = Drops(sample.cards, random)
        self._people = Zipf(len(resident_ids), random)
        self._owners = dict(zip(sample.cards, resident_ids, strict=True))
        self._balances: Counter[int] = Counter()
        self._sequences: Counter[str] = Counter()
        # Pieces by offer, and by offer, resident and day.
        self._taken: Counter[str] = Counter()
        self._had: Counter[tuple[str, int, date]] = Counter()
        self._coming: list[tuple[datetime, int, Step]] = []
        self._count = itertools.count()

    def play(self, steps: Sequence[tuple[datetime, Step]]) -> None:
        for at, step in steps:
            self._later(at, step)
        while self._coming:
            at, _, step = heapq.heappop(self._coming)
            step(at)

    def _later(self, at: datetime, step: Step) -> None:
        heapq.heappush(self._coming, (at, next(self._count), step))

    def _day(self, at: datetime) -> date:
        return business_day(at, self._zone)

    def drop(self, at: datetime) -> None:
        weighed_by = self._random.choice(self._sample.bins)
        self._sequences[weighed_by.id] += 1
        event = self._drops.drop(weighed_by.id, self._sequences[weighed_by.id], at - timedelta(seconds=1))
        data = event["data"]
        credential = data.get("credential")
        digest = None if credential is None else self._digest_of(credential["kind"], credential["value"])
        owner_id = None if credential is None else self._owners.get(credential["value"])
        coins_per_kg = COINS_PER_KG[data["material"]]
        coins = coins_for(data["weight_grams"], coins_per_kg)
        self.past.events.append(
            EventRow(
                weighed_by.id,
                event["id"],
                content_digest(event, event["time"].timestamp(), digest),
                weighed_by.site_id,
                data["sequence"],
                data["material"],
                data["weight_grams"],
                data["box_weight_grams"],
                digest,
                owner_id,
                "unclaimed" if owner_id is None else "credited",
                coins_per_kg,
                coins,
                event["time"],
                at,
            )
        )
        if owner_id is not None and coins:
            self._balances[owner_id] += coins
            self.past.transfers.append(
                TransferRow(owner_id, "credit", ISSUER_ACCOUNT_ID, owner_id, coins, at, weighed_by.id, event["id"])
            )

    def visit(self, at: datetime) -> None:
        """Someone wants something of a machine or a merchant, and has it if they have the coins."""
        owner_id = self._resident_ids[self._people.rank()]
        if self._random.random() < MACHINE_SHARE:
            self._at_machine(at, owner_id, self._random.choice(self._sample.machines))
        else:
            self._at_merchant(at, owner_id, self._random.choice(self._sample.merchants))

    def _at_machine(self, at: datetime, owner_id: int, machine: SampleMachine) -> None:
        """It holds coins, gives out, and captures what it gave out."""
        coins = self._random.choice(COINS_BY_MACHINE[machine.kind])
        if coins > self._balances[owner_id]:
            return
        redemption = self._grant(at, owner_id, machine.merchant_id, coins, machine_id=machine.id)
        self._balances[owner_id] -= coins
        actor = Machine(machine.id, machine.merchant_id).actor
        self._answer(actor, told(redemption), at, created=True)
        given = coins if self._random.random() < WHOLE_SHARE else self._random.randint(1, coins)

        def capture(captured_at: datetime) -> None:
            self._balances[owner_id] += coins - given
            redemption.outcome = "captured"
            if redemption.expires_at is None:
                raise RuntimeError("a machine holds coins before it takes them")
            self.past.resolutions.append(
                ResolutionRow(owner_id, redemption.id, "captured", coins, given, at, redemption.expires_at, captured_at)
            )
            self._take(redemption, given, captured_at)
            self._answer(actor, told(redemption), captured_at)

        self._later(at + timedelta(seconds=self._random.uniform(*GIVES_OUT_SECONDS)), capture)

    def _at_merchant(self, at: datetime, owner_id: int, merchant: SampleMerchant) -> None:
        """By the code that the merchant scans, or by scanning the merchant's."""
        offer = self._offer(at, owner_id, merchant)
        coins = self._random.randint(*COINS_AT_MERCHANT) // 10 * 10 if offer is None else offer.coins
        if coins > self._balances[owner_id]:
            return
        redemption = self._grant(at, owner_id, merchant.id, coins, offer=offer)
        self._balances[owner_id] -= coins
        self._take(redemption, coins, at)
        if self._random.random() < MERCHANT_SCANS_SHARE:
            self._answer(Merchant(merchant.id).actor, told(redemption), at, created=True)
        else:
            answer = OwnRedemption(
                id=redemption.id,
                state="captured",
                merchant=MerchantName(id=merchant.id, name=merchant.name),
                coins=coins,
                offer_id=redemption.offer_id,
                balance_coins=self._balances[owner_id],
                created_at=at,
            )
            self._answer(Resident(owner_id).actor, answer, at, created=True)
        if self._random.random() < REFUND_SHARE:
            self._later(
                at + timedelta(seconds=self._random.uniform(*REFUND_SECONDS)),
                lambda refunded_at: self._refund(redemption, refunded_at),
            )

    def _offer(self, at: datetime, owner_id: int, merchant: SampleMerchant) -> NewOffer | None:
        """One of the shop's that there still is for this resident on this day."""
        offers = [
            each.wanted
            for each in self._sample.offers
            if each.merchant_id == merchant.id
            and each.wanted.machine_kind is None
            and (each.wanted.stock is None or self._taken[each.wanted.id] < each.wanted.stock)
            and (
                each.wanted.resident_day_max is None
                or self._had[each.wanted.id, owner_id, self._day(at)] < each.wanted.resident_day_max
            )
        ]
        return self._random.choice(offers) if offers and self._random.random() < OFFER_SHARE else None

    def _grant(
        self,
        at: datetime,
        owner_id: int,
        merchant_id: str,
        coins: int,
        *,
        machine_id: str | None = None,
        offer: NewOffer | None = None,
    ) -> Redemption:
        redemption = Redemption(
            owner_id=owner_id,
            id=UUID(int=self._random.getrandbits(128), version=4),
            merchant_id=merchant_id,
            account_id=self._accounts[merchant_id],
            capture_grace_seconds=0,
            listens=False,
            machine_id=machine_id,
            coins=coins,
            offer_id=None if offer is None else offer.id,
            from_stock=offer is not None and offer.stock is not None,
            expires_at=None if machine_id is None else at + timedelta(seconds=HOLD_SECONDS),
            created_at=at,
        )
        self.past.redemptions.append(RedemptionRow(*(getattr(redemption, name) for name in RedemptionRow._fields)))
        if offer is not None:
            self._taken[offer.id] += 1
            self._had[offer.id, owner_id, self._day(at)] += 1
        return redemption

    def _take(self, redemption: Redemption, coins: int, at: datetime) -> None:
        redemption.capture_id, redemption.captured_coins = len(self.past.transfers), coins
        self.past.transfers.append(
            TransferRow(
                redemption.owner_id,
                "redemption",
                redemption.owner_id,
                redemption.account_id,
                coins,
                at,
                redemption_id=redemption.id,
            )
        )

    def _refund(self, redemption: Redemption, at: datetime) -> None:
        """Half of it, by the merchant."""
        coins = max(1, redemption.captured_coins // 2)
        self._balances[redemption.owner_id] += coins
        self.past.transfers.append(
            TransferRow(
                redemption.owner_id,
                "refund",
                redemption.account_id,
                redemption.owner_id,
                coins,
                at,
                redemption_id=redemption.id,
                reason=REFUND_REASON,
                reverses=redemption.capture_id,
            )
        )
        redemption.refunded_coins += coins
        self._answer(Merchant(redemption.merchant_id).actor, told(redemption), at)

    def _answer(self, actor: str, answer: Answer, at: datetime, *, created: bool = False) -> None:
        """What was said to a request that nobody sends again: of its bytes only a digest would be left."""
        key = str(UUID(int=self._random.getrandbits(128), version=4))
        status = 201 if created else 200
        digest = hashlib.sha256(key.encode()).digest()
        self.past.answers.append(AnswerRow(actor, key, digest, status, answer.model_dump_json(), at))
