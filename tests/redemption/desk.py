"""Commands decided over facts of a test's own: read, decided and kept as one transaction after another would."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.redemptions import MerchantRedemption, OwnRedemption
from service.business_days import business_day, day_begins_at
from service.errors import TanbiError
from service.ledger.book import Book, Hold, Transfer, Wallet
from service.limits import LimitRow, Limits
from service.redemption.commands import Capture, Refund, Spend, Void, Wanted
from service.redemption.deciding import Decisions
from service.redemption.facts import Facts, Known, Merchant, Offer, PayCode, Redemption, Usage

ZONE = "Asia/Shanghai"
# Noon by the clock on the wall.
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
TODAY = date(2026, 3, 2)
HOLD, GRACE = 120, 600
ANNA, BERT = 101, 102
SHOP = Merchant("NK-M-01", "学府便利店", 10, HOLD, listens=True)
OTHER = Merchant("NK-M-02", "别家", 11, HOLD, listens=False)
MACHINE = "NK-W-01"


def offer_of(coins: int, **changes: Any) -> Offer:
    """Soap at the shop, of which there is no end."""
    values: dict[str, Any] = {
        "id": "soap",
        "merchant_id": SHOP.id,
        "coins": coins,
        "valid_from": AT - timedelta(days=1),
        "valid_until": None,
        "resident_day_max": None,
        "stock_left": None,
    }
    return Offer(**{**values, **changes})


def limit_of(kind: Any, coins: int | None, *, merchant_id: str | None = None, at: datetime | None = None) -> LimitRow:
    return LimitRow(kind, merchant_id, at or AT - timedelta(days=30), coins)


@dataclass(frozen=True)
class Read:
    """What a transaction found: which redemptions, each captured or not and with which outcome, used codes, stocks and
    merchants' days."""

    redemptions: dict[UUID, tuple[bool, str | None]]
    used: frozenset[bytes]
    stock: dict[str, int | None]
    days: dict[tuple[str, date], int]


class Desk:
    """Two residents and two merchants; the shop has a webhook and a machine. A price is coins, or an offer's id."""

    def __init__(
        self, coins: int = 500, *, limits: Iterable[LimitRow] = (), offers: Iterable[Offer] = (), at: datetime = AT
    ) -> None:
        self.limits = Limits(limits)
        self.transfers: list[Transfer] = []
        self.codes = 0
        facts = Facts(Book(at, {ANNA: Wallet(coins, 0), BERT: Wallet(coins, 0)}, ()), ZONE, self.limits)
        facts.offers = {offer.id: offer for offer in offers}
        self._begin(facts)

    @property
    def facts(self) -> Facts:
        return self.decisions.facts

    @property
    def book(self) -> Book:
        return self.facts.book

    def contents(self) -> str:
        """All that a command may change, to its last part."""
        return repr((self.decisions, vars(self.book)))

    def _begin(self, facts: Facts) -> None:
        """What limits are measured against is added up anew, as it is read."""
        facts.usage = {owner_id: usage_of(facts, owner_id) for owner_id in (ANNA, BERT)}
        for merchant in (SHOP, OTHER):
            if self.limits.coins_max("merchant_day", merchant.id, facts.at) is not None:
                facts.merchant_days.setdefault((merchant.id, business_day(facts.at, ZONE)), 0)
        self.read = Read(
            {of.id: (of.capture_id is not None, of.outcome) for of in facts.redemptions.values()},
            frozenset(digest for digest, code in facts.codes.items() if code.used),
            {offer.id: offer.stock_left for offer in facts.offers.values()},
            dict(facts.merchant_days),
        )
        self.decisions = Decisions(facts)
        self.expired = self.decisions.expire_due()

    def commit(self, *, seconds: float = 0) -> None:
        """Keep what was decided, and begin another transaction so much later."""
        before = self.facts
        for transfer in self.book.transfers:
            self.transfers.append(transfer)
            of = before.redemptions[transfer.redemption_id]
            if transfer.kind == "redemption":
                of.capture_id = len(self.transfers)
            elif transfer.kind == "cover":
                of.cover_id, of.covered_coins = len(self.transfers), transfer.coins
        for of in before.redemptions.values():
            of.capture_grace_seconds = GRACE
        wallets = {owner_id: self.book.wallet(owner_id) for owner_id in (ANNA, BERT)}
        facts = Facts(Book(before.at + timedelta(seconds=seconds), wallets, self.open_holds()), ZONE, self.limits)
        facts.codes, facts.redemptions, facts.offers = before.codes, before.redemptions, before.offers
        facts.merchant_days = before.merchant_days
        self._begin(facts)

    def open_holds(self) -> list[Hold]:
        found = (self.book.open_hold(redemption_id) for redemption_id in self.facts.redemptions)
        return [hold for hold in found if hold is not None]

    # -- commands --

    def own(self, owner_id: int, price: int | str, *, merchant: Merchant | None = SHOP) -> OwnRedemption:
        merchant_id = "NK-M-99" if merchant is None else merchant.id
        known = Known(f"resident:{owner_id}", operators=False, machine_id=None, merchant=merchant, owner_id=owner_id)
        answer = self.decisions.decide(known, Spend(merchant_id, None, *_price(price), capture=True))
        assert isinstance(answer, OwnRedemption)
        return answer

    def new_code(self, owner_id: int) -> bytes:
        """The digest of a code that is good for a minute."""
        self.codes += 1
        digest = b"%d" % self.codes
        self.facts.codes[digest] = PayCode(owner_id, used=False, expires_at=self.facts.at + timedelta(seconds=60))
        return digest

    def take(
        self,
        code: bytes,
        price: int | str,
        *,
        capture: bool = True,
        merchant: Merchant = SHOP,
        machine_id: str | None = None,
        looked_up: int | None = None,
    ) -> MerchantRedemption:
        """`looked_up` is whose the code was before it was locked, where that is not whose it is."""
        found = self.facts.codes.get(code)
        known = self._known(merchant, machine_id, looked_up or (None if found is None else found.owner_id))
        return self._told(known, Spend(None, code, *_price(price), capture=capture))

    def hold(
        self, owner_id: int, price: int | str, *, merchant: Merchant = SHOP, machine_id: str | None = MACHINE
    ) -> UUID:
        code = self.new_code(owner_id)
        return self.take(code, price, capture=False, merchant=merchant, machine_id=machine_id).id

    def fall_silent(self, coins: int = 100, *, spent: int = 0, seconds: float = HOLD) -> UUID:
        """The machine holds coins of Anna's, who spends so many others when the hold's time is over."""
        held = self.hold(ANNA, coins)
        self.commit(seconds=seconds)
        if spent:
            self.own(ANNA, spent)
        return held

    def capture(
        self, redemption_id: UUID, coins: int | None = None, *, merchant: Merchant = SHOP, machine_id: str | None = None
    ) -> MerchantRedemption:
        return self._told(self._known(merchant, machine_id, self._owner(redemption_id)), Capture(redemption_id, coins))

    def void(
        self, redemption_id: UUID, *, merchant: Merchant = SHOP, machine_id: str | None = None
    ) -> MerchantRedemption:
        return self._told(self._known(merchant, machine_id, self._owner(redemption_id)), Void(redemption_id))

    def refund(self, redemption_id: UUID, coins: int | None = None, *, merchant: Merchant = SHOP) -> MerchantRedemption:
        return self._told(self._known(merchant, None, self._owner(redemption_id)), Refund(redemption_id, coins, None))

    def _owner(self, redemption_id: UUID) -> int | None:
        found = self.facts.redemptions.get(redemption_id)
        return None if found is None else found.owner_id

    def _known(self, merchant: Merchant, machine_id: str | None, owner_id: int | None) -> Known:
        actor = f"merchant:{merchant.id}" if machine_id is None else f"machine:{machine_id}"
        return Known(actor, operators=False, machine_id=machine_id, merchant=merchant, owner_id=owner_id)

    def _told(self, known: Known, wanted: Wanted) -> MerchantRedemption:
        answer = self.decisions.decide(known, wanted)
        assert isinstance(answer, MerchantRedemption)
        return answer

    # -- what has become of it --

    @contextmanager
    def declines(self, code: str, **members: Any) -> Iterator[None]:
        """What is asked within is declined with this code, and has changed nothing."""
        before = self.contents()
        with pytest.raises(TanbiError) as declined:
            yield
        assert (declined.value.code, declined.value.members | members) == (code, declined.value.members)
        assert declined.value.status in (404, 409)
        assert self.contents() == before

    def of(self, redemption_id: UUID) -> Redemption:
        return self.facts.redemptions[redemption_id]

    def day_of(self, merchant: Merchant, day: date) -> int:
        return self.facts.merchant_days[merchant.id, day]

    def told(self) -> list[str]:
        """What the merchants will hear of this transaction."""
        return [message.type.removeprefix("redemption.") for message in self.decisions.messages]

    def told_of(self) -> list[tuple[UUID, str]]:
        return [(UUID(each.data["id"]), each.type.removeprefix("redemption.")) for each in self.decisions.messages]


def _price(price: int | str) -> tuple[int | None, str | None]:
    return (price, None) if isinstance(price, int) else (None, price)


def usage_of(facts: Facts, owner_id: int) -> Usage:
    """What a resident has had on this business day: what was captured of it, or is held."""
    begins_at = day_begins_at(business_day(facts.at, ZONE), ZONE)
    usage = Usage()
    for of in facts.redemptions.values():
        if of.owner_id == owner_id and of.created_at >= begins_at and counted(facts, of):
            usage.coins += counted(facts, of)
            if of.offer_id is not None:
                usage.pieces[of.offer_id] = usage.pieces.get(of.offer_id, 0) + 1
    return usage


def counted(facts: Facts, of: Redemption) -> int:
    """What a redemption counts for limits: what was taken, or is held; refunds do not take it back."""
    if of.capture_id is not None:
        return of.captured_coins
    return 0 if facts.book.open_hold(of.id) is None else of.coins


def days_of(facts: Facts, days: Mapping[tuple[str, date], int]) -> dict[tuple[str, date], int]:
    """What these days of merchants have come to, added up anew."""
    return {
        day: sum(
            counted(facts, of)
            for of in facts.redemptions.values()
            if (of.merchant_id, business_day(of.created_at, ZONE)) == day
        )
        for day in days
    }
