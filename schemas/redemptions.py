"""Pay-codes and redemptions on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.common import Answer, Coins, MerchantId, MerchantName, OfferId, Request
from schemas.cursors import MomentCursor, NextMomentCursor
from schemas.patterns import PAY_CODE, one_line

REDEMPTIONS_LIMIT_DEFAULT = 20
REDEMPTIONS_LIMIT_MAX = 100

PayCodeDigits = Annotated[
    str,
    StringConstraints(strict=True, pattern=PAY_CODE),
    Field(description="As the resident's screen shows it: 18 digits, without spaces"),
]
RedemptionState = Literal["authorised", "captured", "voided", "expired", "refunded"]
Reason = Annotated[str, StringConstraints(strict=True, pattern=one_line(200), strip_whitespace=True)]


class PayCode(Answer):
    """Worth one redemption at one merchant, until `expires_at`."""

    pay_code: PayCodeDigits
    expires_at: datetime


def _given(value: object) -> object:
    # Only what is sent comes here: absent is one way to leave it out, and null would be a second.
    if value is None:
        raise PydanticCustomError("null", "Leave it out instead of sending null")
    return value


def _without_null(schema: dict[str, Any]) -> None:
    schema.pop("default")
    value, _null = schema.pop("anyOf")
    schema |= value | schema


class _Priced(Request):
    """Either so many coins, or an offer at the price it has at this moment."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"oneOf": [{"required": ["coins"]}, {"required": ["offer_id"]}]},
    )

    coins: Annotated[Coins | None, BeforeValidator(_given)] = Field(None, json_schema_extra=_without_null)
    offer_id: Annotated[OfferId | None, BeforeValidator(_given)] = Field(
        None, description="One piece of this offer, at its price", json_schema_extra=_without_null
    )

    @model_validator(mode="after")
    def _has_one_price(self) -> "_Priced":
        if (self.coins is None) == (self.offer_id is None):
            raise PydanticCustomError("one_price", "Send either coins or offer_id")
        return self


class OwnRedemptionRequest(_Priced):
    """A resident has scanned the merchant's code."""

    merchant_id: MerchantId


class PayCodeRedemptionRequest(_Priced):
    """A merchant has scanned the resident's pay-code."""

    pay_code: PayCodeDigits
    capture: Annotated[bool, Field(strict=True)] = Field(
        description="true takes the coins at once; false holds them until they are captured, voided or expire"
    )


class CaptureRequest(Request):
    """Take what is held, or part of it; the rest is the resident's again."""

    coins: Annotated[Coins | None, BeforeValidator(_given)] = Field(
        None, description="Absent: all that is held", json_schema_extra=_without_null
    )


class VoidRequest(Request):
    """Nothing to say: all that is held is the resident's again."""


class RefundRequest(Request):
    """Give back what was captured, or part of it."""

    coins: Annotated[Coins | None, BeforeValidator(_given)] = Field(
        None, description="Absent: all that is not refunded yet", json_schema_extra=_without_null
    )
    reason: Annotated[Reason | None, BeforeValidator(_given)] = Field(
        None, description="The resident reads it on their statement", json_schema_extra=_without_null
    )


class OwnRedemption(Answer):
    """What the resident is told."""

    id: UUID
    state: RedemptionState
    merchant: MerchantName
    coins: Coins
    offer_id: OfferId | None
    balance_coins: int = Field(description="What the resident can spend now")
    created_at: datetime


class MerchantRedemption(Answer):
    """What the merchant is told: not who the resident is, nor what they have."""

    id: UUID
    state: RedemptionState = Field(description="`expired` from `expires_at` on; `refunded` when all of it is")
    coins: Coins = Field(description="As granted")
    captured_coins: int = Field(ge=0)
    refunded_coins: int = Field(ge=0)
    offer_id: OfferId | None
    machine_id: str | None
    expires_at: datetime | None = Field(description="When a hold frees its coins; null where they were taken at once")
    created_at: datetime

    @classmethod
    def of(cls, **values: Any) -> "MerchantRedemption":
        """Without validation: what the service built is what it says."""
        return cls.model_construct(**values)


class MerchantRedemptionsQuery(Request):
    limit: Annotated[int, Field(ge=1, le=REDEMPTIONS_LIMIT_MAX)] = REDEMPTIONS_LIMIT_DEFAULT
    cursor: MomentCursor | None = None


class MerchantRedemptions(Answer):
    """Newest first: at its till, by residents themselves, and by its machines."""

    redemptions: list[MerchantRedemption]
    next_cursor: NextMomentCursor
