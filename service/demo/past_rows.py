"""Rows of the demo's past, as its tables take them. No I/O."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class EventRow(NamedTuple):
    bin_id: str
    event_id: str
    content_digest: bytes
    site_id: str
    sequence: int
    material_id: str
    weight_grams: int
    box_weight_grams: int
    credential_digest: bytes | None
    resident_id: int | None
    outcome: str
    coins_per_kg: int
    coins: int
    occurred_at: datetime
    received_at: datetime


class TransferRow(NamedTuple):
    """`reverses` is the place, in the order of the rows, of the transfer that this one names."""

    owner_id: int
    kind: str
    debit_account_id: int
    credit_account_id: int
    coins: int
    created_at: datetime
    bin_id: str | None = None
    event_id: str | None = None
    redemption_id: UUID | None = None
    reason: str | None = None
    reverses: int | None = None


class RedemptionRow(NamedTuple):
    owner_id: int
    id: UUID
    merchant_id: str
    machine_id: str | None
    coins: int
    offer_id: str | None
    from_stock: bool
    expires_at: datetime | None
    created_at: datetime


class ResolutionRow(NamedTuple):
    owner_id: int
    redemption_id: UUID
    outcome: str
    coins: int
    captured_coins: int
    held_at: datetime
    expires_at: datetime
    resolved_at: datetime


class AnswerRow(NamedTuple):
    actor: str
    key: str
    request_digest: bytes
    status: int
    answer: str
    created_at: datetime


@dataclass(slots=True)
class Past:
    """Rows by table. Transfers are in the order in which they were posted; wallets and stock follow from the rows."""

    begins_at: datetime
    events: list[EventRow] = field(default_factory=list)
    transfers: list[TransferRow] = field(default_factory=list)
    redemptions: list[RedemptionRow] = field(default_factory=list)
    resolutions: list[ResolutionRow] = field(default_factory=list)
    answers: list[AnswerRow] = field(default_factory=list)
