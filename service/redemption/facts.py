"""What the decisions of one transaction rest on, as it was read under the locks. What decisions change is changed here
too, so that the next command of the same transaction sees it."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from service.ledger.book import Book
from service.limits import Limits


class Merchant(NamedTuple):
    """`listens`: it has a webhook endpoint."""

    id: str
    name: str
    account_id: int
    hold_seconds: int
    listens: bool


class StoredKey(NamedTuple):
    request_digest: bytes
    status: int
    answer: str


class Known(NamedTuple):
    """Who asks, whose wallet it is about, and what this key was answered before; `actor` None for a token that nobody
    has."""

    actor: str | None
    operators: bool
    machine_id: str | None
    merchant: Merchant | None
    owner_id: int | None
    stored: StoredKey | None = None


@dataclass(slots=True)
class PayCode:
    owner_id: int
    used: bool
    expires_at: datetime


@dataclass(slots=True)
class Offer:
    """`stock_left` None: none is kept."""

    id: str
    merchant_id: str
    coins: int
    valid_from: datetime
    valid_until: datetime | None
    resident_day_max: int | None
    stock_left: int | None


@dataclass(slots=True)
class Redemption:
    """A redemption with what became of it. `outcome` is its hold's resolution, None while it is open or there was none.

    `capture_id` is the transfer that took the coins; 0 for one that this transaction will insert. `cover_id` is the
    one by which the scheme paid `covered_coins` of them. `is_uncovered`: it was captured too late, and its merchant
    bears what was given out.
    """

    owner_id: int
    id: UUID
    merchant_id: str
    account_id: int
    capture_grace_seconds: int
    listens: bool
    machine_id: str | None
    coins: int
    offer_id: str | None
    from_stock: bool
    expires_at: datetime | None
    created_at: datetime
    outcome: str | None = None
    capture_id: int | None = None
    captured_coins: int = 0
    cover_id: int | None = None
    covered_coins: int = 0
    refunded_coins: int = 0
    is_uncovered: bool = False

    @property
    def state(self) -> str:
        """As of the moment it was read; a hold that is due was resolved before anything else."""
        if self.capture_id is not None:
            return "refunded" if self.refunded_coins == self.captured_coins else "captured"
        return self.outcome or "authorised"

    def cover_refunded_of(self, refunded_coins: int) -> int:
        """The resident has back first what they paid; of so many coins refunded, what is the scheme's."""
        return max(0, refunded_coins - (self.captured_coins - self.covered_coins))


@dataclass(slots=True)
class Usage:
    """What a resident has spent, or has held, on the business day of the decisions."""

    coins: int = 0
    pieces: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Facts:
    """`usage` and `merchant_days` are read only where a limit in force asks for them; `merchant_days` has a row for
    each day on which its merchant's limit is, or was, in force."""

    book: Book
    zone: str
    limits: Limits
    keys: dict[tuple[str, str], StoredKey] = field(default_factory=dict)
    codes: dict[bytes, PayCode] = field(default_factory=dict)
    redemptions: dict[UUID, Redemption] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    usage: dict[int, Usage] = field(default_factory=dict)
    merchant_days: dict[tuple[str, date], int] = field(default_factory=dict)

    @property
    def at(self) -> datetime:
        return self.book.at
