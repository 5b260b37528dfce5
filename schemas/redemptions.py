"""Pay-codes and redemptions on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from schemas.common import Answer, Coins, MerchantId, MerchantName, Request

PAY_CODE_DIGITS = 18

PayCodeDigits = Annotated[
    str,
    StringConstraints(strict=True, pattern=rf"^[0-9]{{{PAY_CODE_DIGITS}}}$"),
    Field(description="As the resident's screen shows it: 18 digits, without spaces"),
]
RedemptionState = Literal["captured"]


def _only_true(value: object) -> object:
    # Literal[True] alone would take the number 1, which equals it.
    if value is not True:
        raise PydanticCustomError("literal_error", "Send true: this version takes coins at once, and holds none")
    return value


class PayCode(Answer):
    """Worth one redemption at one merchant, until `expires_at`."""

    pay_code: PayCodeDigits
    expires_at: datetime


class OwnRedemptionRequest(Request):
    """A resident has scanned the merchant's code."""

    merchant_id: MerchantId
    coins: Coins


class PayCodeRedemptionRequest(Request):
    """A merchant has scanned the resident's pay-code."""

    pay_code: PayCodeDigits
    coins: Coins
    capture: Annotated[Literal[True], BeforeValidator(_only_true)] = Field(description="Take the coins at once")


class OwnRedemption(Answer):
    """What the resident is told."""

    id: UUID
    state: RedemptionState
    merchant: MerchantName
    coins: Coins
    balance_coins: int = Field(description="What the resident can spend now")
    created_at: datetime


class MerchantRedemption(Answer):
    """What the merchant is told: not who the resident is, nor what they have."""

    id: UUID
    state: RedemptionState
    coins: Coins
    created_at: datetime
