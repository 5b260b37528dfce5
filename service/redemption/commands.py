"""What can be asked of a resident's coins: one command a request, with who asks and under which key."""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from service.auth import Machine
from service.idempotency import KeyedRequest


@dataclass(frozen=True, slots=True)
class SessionToken:
    """A resident's, as its hash; known or not is found out in the transaction."""

    hash: bytes


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A merchant's, as its hash; known or not is found out in the transaction."""

    hash: bytes


# A machine's signature is checked before: what it says does not depend on the database's moment.
Asker: TypeAlias = SessionToken | ApiKey | Machine


@dataclass(frozen=True, slots=True)
class Spend:
    """Coins for a merchant: a resident's own wish (`merchant_id`), or by the pay-code that a merchant was shown.

    Either `coins` or `offer_id` is given. Held, not taken, where `capture` is false.
    """

    merchant_id: str | None
    pay_code_digest: bytes | None
    coins: int | None
    offer_id: str | None
    capture: bool


@dataclass(frozen=True, slots=True)
class Capture:
    redemption_id: UUID | None
    coins: int | None


@dataclass(frozen=True, slots=True)
class Void:
    redemption_id: UUID | None


@dataclass(frozen=True, slots=True)
class Refund:
    redemption_id: UUID | None
    coins: int | None
    reason: str | None


Wanted: TypeAlias = Spend | Capture | Void | Refund


@dataclass(frozen=True, slots=True)
class Command:
    asker: Asker
    keyed: KeyedRequest
    wanted: Wanted
