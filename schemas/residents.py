"""What the mini-program sends and gets: sessions, what a resident has, their statement, their cards."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from schemas.adjustments import RowId, Words
from schemas.carbon import FactorSetId, MaterialsWithoutFactor, ShownKg
from schemas.common import Answer, Coins, MaterialId, MerchantName, OfferId, OperatorName, Request
from schemas.cursors import Cursor, MomentCursor, NextCursor, NextMomentCursor
from schemas.patterns import visible
from schemas.redemptions import RedemptionState
from schemas.weigh_events import CredentialValue

TRANSFERS_LIMIT_DEFAULT = 20
TRANSFERS_LIMIT_MAX = 100
REDEMPTIONS_LIMIT_DEFAULT = 20
REDEMPTIONS_LIMIT_MAX = 100

AccountKind = Literal["resident", "trader"]


class LogIn(Request):
    wechat_code: Annotated[str, StringConstraints(pattern=visible(1, 512))] = Field(
        description="What wx.login() gave the mini-program; it works once and for five minutes"
    )


class OpenedSession(Answer):
    """Keep the token; the service stores only its hash. Send it as `Authorization: Bearer <token>`."""

    token: str
    expires_at: AwareDatetime
    resident_id: int


class MaterialWeight(Answer):
    material: MaterialId
    name: str
    name_en: str
    weight_grams: int


class SetCo2e(Answer):
    """What counts by one factor set: all that was dropped on the days on which it is in force."""

    id: FactorSetId
    name: str
    name_en: str
    kg: ShownKg


class Co2e(Answer):
    """Emissions that the resident's recycling avoided. Each drop counts for ever by the factor set that is in force on
    its business day: where another is chosen later, nothing that was told before changes."""

    grams: int = Field(
        description="CO2e: the sum over all that was brought of weight x factor, rounded down once, to whole grams"
    )
    kg: ShownKg = Field(description="The same in kilograms, such as 12.345")
    factor_set: FactorSetId | None = Field(description="The set by which drops of today count; null where none does")
    sets: list[SetCo2e] = Field(
        description="The set of today and every other by which drops of the resident count. Each part is rounded down"
        " by itself"
    )
    materials_without_factor: MaterialsWithoutFactor


class Expiring(Answer):
    """Coins that have an end. The oldest are spent first."""

    coins: int
    expires_at: AwareDatetime = Field(
        description="The first moment at which they are no longer good: the beginning of a business day. They can be"
        " spent until they are taken, shortly after"
    )


class Me(Answer):
    """Coins are as of now; weights are added up within about two seconds of a drop."""

    resident_id: int
    kind: AccountKind = Field(description="trader: an operator has marked the account; other limits of a day hold")
    balance_coins: int = Field(description="What can be spent now")
    held_coins: int = Field(description="Set aside for redemptions that are not finished; not part of balance_coins")
    expiring: Expiring | None = Field(description="What expires next, and when; null where nothing ever will")
    lifetime_grams: int
    materials: list[MaterialWeight]
    co2e: Co2e
    card_count: int


class TransfersQuery(Request):
    limit: Annotated[int, Field(ge=1, le=TRANSFERS_LIMIT_MAX)] = TRANSFERS_LIMIT_DEFAULT
    cursor: Cursor | None = None


class _Transfer(Answer):
    id: int
    coins: int = Field(description="Into the wallet; less than 0 is out of it. All of a wallet's add up to its coins")
    created_at: AwareDatetime


class CreditTransfer(_Transfer):
    """Coins for a drop."""

    kind: Literal["credit"]
    material: MaterialId
    weight_grams: int
    occurred_at: AwareDatetime = Field(description="When the drop was weighed; the coins may have come later")


class RedemptionTransfer(_Transfer):
    """Coins spent at a merchant."""

    kind: Literal["redemption"]
    merchant: MerchantName
    redemption_id: UUID


class RefundTransfer(_Transfer):
    """A merchant gave back coins of a redemption."""

    kind: Literal["refund"]
    merchant: MerchantName
    redemption_id: UUID
    reverses_id: int = Field(description="The transfer that had taken them")
    reason: str | None


class CoverTransfer(_Transfer):
    """The scheme paid for the resident: a machine told late what it had given out, and the coins that had been held for
    it were spent meanwhile. The redemption follows."""

    kind: Literal["cover"]
    merchant: MerchantName
    redemption_id: UUID


class CoverRefundTransfer(_Transfer):
    """Of the refund before it, what the scheme had paid for the resident: it has that back."""

    kind: Literal["cover_refund"]
    merchant: MerchantName
    redemption_id: UUID
    reverses_id: int = Field(description="The transfer by which the scheme had paid")


class ExpiryTransfer(_Transfer):
    """Coins that were not spent in their time."""

    kind: Literal["expiry"]
    reverses_id: int = Field(description="The transfer by which they had come")


class AdjustmentTransfer(_Transfer):
    """A correction that two operators of the scheme have agreed on."""

    kind: Literal["adjustment"]
    reverses_id: int | None = Field(description="The transfer that it corrects, if it is one")
    reason: str


class ReversalTransfer(_Transfer):
    """An earlier transfer of this wallet taken back; adjustments took its place."""

    kind: Literal["reversal"]
    reverses_id: int
    reason: str


Transfer = Annotated[
    CreditTransfer
    | RedemptionTransfer
    | RefundTransfer
    | CoverTransfer
    | CoverRefundTransfer
    | ExpiryTransfer
    | AdjustmentTransfer
    | ReversalTransfer,
    Field(discriminator="kind"),
]


class Transfers(Answer):
    """Newest first."""

    transfers: list[Transfer]
    next_cursor: NextCursor


class RedemptionsQuery(Request):
    limit: Annotated[int, Field(ge=1, le=REDEMPTIONS_LIMIT_MAX)] = REDEMPTIONS_LIMIT_DEFAULT
    cursor: MomentCursor | None = None


class ResidentRedemption(Answer):
    """One of the resident's redemptions, and what became of it."""

    id: UUID
    merchant: MerchantName
    machine_id: str | None
    coins: Coins = Field(description="As granted")
    captured_coins: int = Field(ge=0, description="What was taken of them")
    refunded_coins: int = Field(ge=0, description="What was given back of those")
    state: RedemptionState = Field(description="`expired` from `expires_at` on; `refunded` when all of it is")
    expires_at: AwareDatetime | None = Field(description="When a hold frees its coins; null where they went at once")
    offer_id: OfferId | None
    created_at: AwareDatetime


class ResidentRedemptions(Answer):
    """Newest first."""

    redemptions: list[ResidentRedemption]
    next_cursor: NextMomentCursor


class BindCard(Request):
    value: CredentialValue = Field(description="The number as a bin reads it, in upper or lower case")


class BoundCard(Answer):
    """The same card may be bound again by the same resident: the answer is the same but for the balance."""

    bound_at: AwareDatetime
    credited_events: int = Field(description="Earlier drops with this card that were credited because it was bound")
    credited_coins: int
    balance_coins: int


class KindRequest(Request):
    """Whose limits of a day hold for the account."""

    resident_id: RowId
    kind: AccountKind
    reason: Words


class ResidentKind(Answer):
    """Who said so, when and why."""

    resident_id: int
    kind: AccountKind
    reason: str
    changed_by: OperatorName
    changed_at: AwareDatetime
