"""Decide commands, one after the other, over what was read of their wallets. Pure: no I/O.

Each command either takes effect whole, in the book and in the facts, or raises a decline and moves nothing.
"""

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from schemas.common import Answer, MerchantName
from schemas.redemptions import MerchantRedemption, OwnRedemption
from service.business_days import business_day, next_day_begins_at
from service.errors import (
    AboveCaptured,
    AboveHeld,
    AlreadyCaptured,
    HoldExpired,
    HoldVoided,
    InsufficientCoins,
    MerchantDayLimit,
    MerchantUnknown,
    NotCaptured,
    OfferDayLimit,
    OfferUnknown,
    OutOfStock,
    PayCodeExpired,
    PayCodeUnknown,
    PayCodeUsed,
    RedemptionLimit,
    RedemptionUnknown,
    ResidentDayLimit,
    TanbiError,
)
from service.limits import LimitKind
from service.moments import in_utc
from service.redemption.commands import Capture, Refund, Spend, Void, Wanted
from service.redemption.facts import Facts, Known, Merchant, Offer, PayCode, Redemption, Usage
from service.webhooks.outbox import Message, MessageType

UNCOVERED: Final = (
    "The hold has expired, and the time for late captures too, so the merchant bears what was given out. It is written"
    " down and shown on the settlement statement. Do not send it again."
)


class Price(NamedTuple):
    """What is to be paid, and the offer that says so."""

    coins: int
    offer: Offer | None


@dataclass
class Decisions:
    """The commands of one transaction over its facts; what they come to stands here and in `facts.book`."""

    facts: Facts
    granted: list[Redemption] = field(default_factory=list)
    used_codes: list[bytes] = field(default_factory=list)
    uncovered: list[tuple[Redemption, int]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    changed_offers: set[str] = field(default_factory=set)
    changed_days: set[tuple[str, date]] = field(default_factory=set)

    def expire_due(self) -> int:
        """First of all: what is held longer than it may be is the residents' again; how many holds that were."""
        due = self.facts.book.due()
        for hold in due:
            redemption = self.facts.redemptions[hold.redemption_id]
            self.facts.book.release(hold, "expired")
            self._freed(redemption, "expired")
        return len(due)

    def decide(self, known: Known, wanted: Wanted) -> Answer:
        """The answer to one command. Raises a decline (404 or 409) with nothing changed."""
        match wanted:
            case Spend(pay_code_digest=None):
                return self._spend_own(known, wanted)
            case Spend():
                return self._spend_by_code(known, wanted)
            case Capture():
                return self._capture(known, wanted)
            case Void():
                return self._void(known, wanted)
            case Refund():
                return self._refund(known, wanted)

    # -- spending --

    def _spend_own(self, known: Known, wanted: Spend) -> Answer:
        if known.merchant is None or known.owner_id is None:
            raise MerchantUnknown(f"There is no merchant {wanted.merchant_id}. Scan the merchant's code again.")
        price = self._price(known.merchant, wanted)
        try:
            redemption = self._spend(known.merchant, known.owner_id, None, price, capture=wanted.capture)
        except InsufficientCoins as declined:
            raise InsufficientCoins(
                f"{price.coins} coins were asked for and {declined.available_coins} are available. Nothing was changed."
            ) from None
        return OwnRedemption(
            id=redemption.id,
            state="captured",
            merchant=MerchantName(id=known.merchant.id, name=known.merchant.name),
            coins=redemption.coins,
            offer_id=redemption.offer_id,
            balance_coins=self.facts.book.wallet(known.owner_id).available,
            created_at=redemption.created_at,
        )

    def _spend_by_code(self, known: Known, wanted: Spend) -> Answer:
        digest = wanted.pay_code_digest
        code = None if digest is None else self.facts.codes.get(digest)
        # A code that was replaced between the look-up and the lock is as unknown as one that never was.
        if digest is None or code is None or code.owner_id != known.owner_id or known.merchant is None:
            raise PayCodeUnknown
        self._check_code(code)
        price = self._price(known.merchant, wanted)
        redemption = self._spend(known.merchant, code.owner_id, known.machine_id, price, capture=wanted.capture)
        code.used = True
        self.used_codes.append(digest)
        return told(redemption)

    def _check_code(self, code: PayCode) -> None:
        if code.used:
            raise PayCodeUsed
        if code.expires_at <= self.facts.at:
            raise PayCodeExpired

    def _spend(
        self, merchant: Merchant, owner_id: int, machine_id: str | None, price: Price, *, capture: bool
    ) -> Redemption:
        coins, offer = price
        self._check_limits(merchant, owner_id, coins)
        if offer is not None:
            self._check_offer(offer, owner_id)
        at, book = self.facts.at, self.facts.book
        redemption = Redemption(
            owner_id=owner_id,
            id=uuid.uuid4(),
            merchant_id=merchant.id,
            account_id=merchant.account_id,
            capture_grace_seconds=0,
            listens=merchant.listens,
            machine_id=machine_id,
            coins=coins,
            offer_id=None if offer is None else offer.id,
            from_stock=offer is not None and offer.stock_left is not None,
            expires_at=None if capture else at + timedelta(seconds=merchant.hold_seconds),
            created_at=at,
        )
        if redemption.expires_at is None:
            book.spend(owner_id, merchant.account_id, coins, redemption.id)
        else:
            book.place(owner_id, coins, redemption.id, redemption.expires_at)
        # From here on nothing can be declined.
        self._count_of_day(redemption, coins, pieces=1)
        self._count_stock(redemption, -1)
        self.facts.redemptions[redemption.id] = redemption
        self.granted.append(redemption)
        if capture:
            self._captured(redemption, coins)
        return redemption

    def _price(self, merchant: Merchant, wanted: Spend) -> Price:
        if wanted.offer_id is None:
            return Price(wanted.coins or 0, None)
        offer = self.facts.offers.get(wanted.offer_id)
        at = self.facts.at
        if (
            offer is None
            or offer.merchant_id != merchant.id
            or at < offer.valid_from
            or (offer.valid_until is not None and at >= offer.valid_until)
        ):
            raise OfferUnknown
        return Price(offer.coins, offer)

    def _check_offer(self, offer: Offer, owner_id: int) -> None:
        had = self._usage(owner_id).pieces.get(offer.id, 0)
        if offer.resident_day_max is not None and had >= offer.resident_day_max:
            raise OfferDayLimit(frees_at=self._frees_at(), limit=offer.resident_day_max)
        if offer.stock_left is not None and offer.stock_left < 1:
            raise OutOfStock

    def _check_limits(self, merchant: Merchant, owner_id: int, coins: int) -> None:
        most = self._limit("redemption", merchant.id)
        if most is not None and coins > most:
            raise RedemptionLimit(limit_coins=most)
        most = self._limit("resident_day", merchant.id)
        if most is not None and self._usage(owner_id).coins + coins > most:
            # Not how much is left: a merchant may read this, and it would say what the resident did elsewhere.
            raise ResidentDayLimit(limit_coins=most, frees_at=self._frees_at())
        most = self._limit("merchant_day", merchant.id)
        taken = self.facts.merchant_days.get((merchant.id, self._day(self.facts.at)), 0)
        if most is not None and taken + coins > most:
            raise MerchantDayLimit(limit_coins=most, frees_at=self._frees_at())

    # -- what is held --

    def _capture(self, known: Known, wanted: Capture) -> Answer:
        redemption = self._own(known, wanted.redemption_id)
        hold = self.facts.book.open_hold(redemption.id)
        if hold is None:
            return self._capture_late(known, redemption, wanted.coins)
        coins = _within(wanted.coins, redemption)
        self.facts.book.capture(hold, redemption.account_id, coins)
        redemption.outcome = "captured"
        self._captured(redemption, coins)
        self._count_of_day(redemption, coins - redemption.coins)
        return told(redemption)

    def _capture_late(self, known: Known, redemption: Redemption, asked: int | None) -> Answer:
        if redemption.capture_id is not None:
            raise AlreadyCaptured
        if redemption.outcome != "expired" or redemption.expires_at is None:
            raise HoldVoided
        coins = _within(asked, redemption)
        # Only a machine can have given something out without being heard.
        if known.machine_id is None or known.machine_id != redemption.machine_id:
            raise HoldExpired
        grace = timedelta(seconds=redemption.capture_grace_seconds)
        # A grace that is made longer does not undo what was decided.
        if redemption.is_uncovered or self.facts.at >= redemption.expires_at + grace:
            raise self._uncovered(redemption, coins)
        self.facts.book.capture_late(redemption.owner_id, redemption.account_id, coins, redemption.id)
        self._captured(redemption, coins)
        # Not its stock: the piece is gone, but what is left by now may be none.
        self._count_of_day(redemption, coins, pieces=1)
        return told(redemption)

    def _uncovered(self, redemption: Redemption, coins: int) -> TanbiError:
        if not redemption.is_uncovered:
            redemption.is_uncovered = True
            self.uncovered.append((redemption, coins))
        return HoldExpired(UNCOVERED)

    def _captured(self, redemption: Redemption, coins: int) -> None:
        redemption.capture_id, redemption.captured_coins = 0, coins
        self._tell(redemption, "redemption.captured")

    def _void(self, known: Known, wanted: Void) -> Answer:
        redemption = self._own(known, wanted.redemption_id)
        hold = self.facts.book.open_hold(redemption.id)
        if hold is None:
            raise _why_closed(redemption)
        self.facts.book.release(hold, "voided")
        self._freed(redemption, "voided")
        return told(redemption)

    def _freed(self, redemption: Redemption, outcome: str) -> None:
        redemption.outcome = outcome
        self._count_of_day(redemption, -redemption.coins, pieces=-1)
        self._count_stock(redemption, 1)
        self._tell(redemption, "redemption.expired" if outcome == "expired" else "redemption.voided")

    def _refund(self, known: Known, wanted: Refund) -> Answer:
        redemption = self._own(known, wanted.redemption_id)
        if not redemption.capture_id:
            raise NotCaptured
        left = redemption.captured_coins - redemption.refunded_coins
        coins = left if wanted.coins is None else wanted.coins
        if not 0 < coins <= left:
            raise AboveCaptured(f"Of {redemption.captured_coins} coins captured, {left} are left to refund.")
        self.facts.book.refund(
            redemption.owner_id,
            redemption.account_id,
            coins,
            redemption.id,
            capture_id=redemption.capture_id,
            reason=wanted.reason,
        )
        before = redemption.cover_refunded_of(redemption.refunded_coins)
        redemption.refunded_coins += coins
        of_cover = redemption.cover_refunded_of(redemption.refunded_coins) - before
        if of_cover and redemption.cover_id is not None:
            self.facts.book.refund_cover(redemption.owner_id, of_cover, redemption.id, cover_id=redemption.cover_id)
        self._tell(redemption, "redemption.refunded")
        return told(redemption)

    def _own(self, known: Known, redemption_id: UUID | None) -> Redemption:
        """Another merchant's, and one that is not there, are the same to who asks."""
        redemption = None if redemption_id is None else self.facts.redemptions.get(redemption_id)
        if redemption is None or known.merchant is None or redemption.merchant_id != known.merchant.id:
            raise RedemptionUnknown
        if known.machine_id is not None and redemption.machine_id != known.machine_id:
            raise RedemptionUnknown
        return redemption

    # -- counting --

    def _limit(self, kind: LimitKind, merchant_id: str) -> int | None:
        return self.facts.limits.coins_max(kind, merchant_id, self.facts.at)

    def _frees_at(self) -> str:
        """When a limit of a day counts from nothing again."""
        return in_utc(next_day_begins_at(self.facts.at, self.facts.zone))

    def _day(self, at: datetime) -> date:
        return business_day(at, self.facts.zone)

    def _is_of_today(self, redemption: Redemption) -> bool:
        return self._day(redemption.created_at) == self._day(self.facts.at)

    def _usage(self, owner_id: int) -> Usage:
        return self.facts.usage.setdefault(owner_id, Usage())

    def _count_of_day(self, redemption: Redemption, coins: int, *, pieces: int = 0) -> None:
        """What its resident and its merchant had on the day it was granted, where a limit asks for it."""
        usage = self.facts.usage.get(redemption.owner_id)
        if usage is not None and self._is_of_today(redemption):
            usage.coins += coins
            if redemption.offer_id is not None:
                usage.pieces[redemption.offer_id] = usage.pieces.get(redemption.offer_id, 0) + pieces
        # A merchant's day is there only where a limit was in force on it.
        counted = (redemption.merchant_id, self._day(redemption.created_at))
        if coins and counted in self.facts.merchant_days:
            # Never below nothing, were it ever counted wrong: no count keeps a resident's coins from them.
            self.facts.merchant_days[counted] = max(0, self.facts.merchant_days[counted] + coins)
            self.changed_days.add(counted)

    def _count_stock(self, redemption: Redemption, pieces: int) -> None:
        if not redemption.from_stock or redemption.offer_id is None:
            return
        offer = self.facts.offers[redemption.offer_id]
        if offer.stock_left is not None:
            offer.stock_left += pieces
            self.changed_offers.add(offer.id)

    def _tell(self, redemption: Redemption, what: MessageType) -> None:
        if redemption.listens:
            data = told(redemption).model_dump(mode="json")
            self.messages.append(
                Message(redemption.merchant_id, what, self.facts.at, data | {"merchant_id": redemption.merchant_id})
            )


def told(redemption: Redemption) -> MerchantRedemption:
    """What the merchant hears of a redemption."""
    values: dict[str, Any] = {name: getattr(redemption, name) for name in MerchantRedemption.model_fields}
    return MerchantRedemption.of(**values)


def _within(asked: int | None, redemption: Redemption) -> int:
    """Raises AboveHeld."""
    coins = redemption.coins if asked is None else asked
    if coins > redemption.coins:
        raise AboveHeld(f"{redemption.coins} coins are held and {coins} were asked for.")
    return coins


def _why_closed(redemption: Redemption) -> TanbiError:
    if redemption.capture_id is not None:
        return AlreadyCaptured()
    return HoldExpired() if redemption.outcome == "expired" else HoldVoided()
