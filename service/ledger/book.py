"""The wallets of one transaction, as they are while its commands are decided, and what is to be written of it. Pure.

Whoever makes a book has locked its wallets: what it says stays true until the transaction ends. Each method changes the
book or raises, never both.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from service.errors import InsufficientCoins
from service.tables.columns import ISSUER_ACCOUNT_ID

Outcome = Literal["captured", "voided", "expired"]


@dataclass(frozen=True, slots=True)
class Wallet:
    """Coins of one resident."""

    posted: int
    held: int

    @property
    def available(self) -> int:
        return self.posted - self.held


class Hold(NamedTuple):
    """Coins set aside for a redemption, until `expires_at` at most."""

    owner_id: int
    redemption_id: UUID
    coins: int
    held_at: datetime
    expires_at: datetime


class Resolution(NamedTuple):
    """What became of a hold."""

    hold: Hold
    outcome: Outcome
    captured_coins: int
    resolved_at: datetime


class Transfer(NamedTuple):
    """A transfer that is to be inserted; the order of insertion is the order of ids."""

    owner_id: int
    kind: str
    debit_account_id: int
    credit_account_id: int
    coins: int
    redemption_id: UUID
    reverses_id: int | None = None
    reason: str | None = None


class Book:
    """`at` is the moment of every decision: the database's clock, read when the wallets were locked."""

    def __init__(self, at: datetime, wallets: Mapping[int, Wallet], holds: Iterable[Hold]) -> None:
        self.at = at
        self._wallets = dict(wallets)
        self._holds = {hold.redemption_id: hold for hold in holds}
        self.changed: set[int] = set()
        self.transfers: list[Transfer] = []
        self.placed: list[Hold] = []
        self.resolved: list[Resolution] = []

    def has(self, owner_id: int) -> bool:
        """Whether this wallet is in the book: whether its lock was had."""
        return owner_id in self._wallets

    def wallet(self, owner_id: int) -> Wallet:
        return self._wallets[owner_id]

    def due(self) -> list[Hold]:
        """Open holds whose time is over."""
        return [hold for hold in self._holds.values() if hold.expires_at <= self.at]

    def open_hold(self, redemption_id: UUID) -> Hold | None:
        return self._holds.get(redemption_id)

    def spend(self, owner_id: int, account_id: int, coins: int, redemption_id: UUID) -> None:
        """Coins from a resident to a merchant. Raises InsufficientCoins."""
        self._require(owner_id, coins)
        self._change(owner_id, posted=-coins)
        self.transfers.append(Transfer(owner_id, "redemption", owner_id, account_id, coins, redemption_id))

    def place(self, owner_id: int, coins: int, redemption_id: UUID, expires_at: datetime) -> Hold:
        """Set coins aside. Raises InsufficientCoins."""
        self._require(owner_id, coins)
        self._change(owner_id, held=coins)
        hold = Hold(owner_id, redemption_id, coins, self.at, expires_at)
        self._holds[redemption_id] = hold
        self.placed.append(hold)
        return hold

    def capture(self, hold: Hold, account_id: int, coins: int) -> None:
        """Take up to what is held; the rest is the resident's again."""
        self._resolve(hold, "captured", coins)
        self._change(hold.owner_id, posted=-coins)
        self.transfers.append(
            Transfer(hold.owner_id, "redemption", hold.owner_id, account_id, coins, hold.redemption_id)
        )

    def release(self, hold: Hold, outcome: Literal["voided", "expired"]) -> None:
        """All that is held is the resident's again."""
        self._resolve(hold, outcome, 0)

    def capture_late(self, owner_id: int, account_id: int, coins: int, redemption_id: UUID) -> int:
        """What a machine gave out for a hold that has expired since: from what is available, and what that does not
        cover is covered by the scheme; how much."""
        covered = max(0, coins - self._wallets[owner_id].available)
        if covered:
            self.transfers.append(Transfer(owner_id, "cover", ISSUER_ACCOUNT_ID, owner_id, covered, redemption_id))
        self._change(owner_id, posted=covered - coins)
        self.transfers.append(Transfer(owner_id, "redemption", owner_id, account_id, coins, redemption_id))
        return covered

    def refund(
        self, owner_id: int, account_id: int, coins: int, redemption_id: UUID, *, capture_id: int, reason: str | None
    ) -> None:
        """Coins from a merchant back to a resident, naming the transfer that took them."""
        self._change(owner_id, posted=coins)
        self.transfers.append(
            Transfer(owner_id, "refund", account_id, owner_id, coins, redemption_id, capture_id, reason)
        )

    def refund_cover(self, owner_id: int, coins: int, redemption_id: UUID, *, cover_id: int) -> None:
        """Of a refund, what the scheme had paid: on to the scheme, naming the transfer that covered it."""
        self._change(owner_id, posted=-coins)
        self.transfers.append(
            Transfer(owner_id, "cover_refund", owner_id, ISSUER_ACCOUNT_ID, coins, redemption_id, cover_id)
        )

    def _require(self, owner_id: int, coins: int) -> None:
        available = self._wallets[owner_id].available
        if available < coins:
            raise InsufficientCoins(available_coins=available)

    def _resolve(self, hold: Hold, outcome: Outcome, captured_coins: int) -> None:
        del self._holds[hold.redemption_id]
        self._change(hold.owner_id, held=-hold.coins)
        self.resolved.append(Resolution(hold, outcome, captured_coins, self.at))

    def _change(self, owner_id: int, *, posted: int = 0, held: int = 0) -> None:
        wallet = self._wallets[owner_id]
        self._wallets[owner_id] = Wallet(wallet.posted + posted, wallet.held + held)
        self.changed.add(owner_id)
