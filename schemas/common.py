"""Pieces that several parts of the contract share."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.patterns import MATERIAL_ID, PARTNER_ID

MaterialId = Annotated[str, StringConstraints(pattern=MATERIAL_ID)]
Coins = Annotated[int, Field(strict=True, ge=1, le=1_000_000_000, description="Carbon coins, whole")]
MerchantId = Annotated[str, StringConstraints(strict=True, pattern=PARTNER_ID)]
OfferId = Annotated[str, StringConstraints(strict=True, pattern=PARTNER_ID)]
IDEMPOTENCY_KEY_PATTERN = r"^[A-Za-z0-9._:\-]{1,64}$"


class Request(BaseModel):
    """What a caller writes: an unknown field is a mistake that must be told, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """What the service says: later versions may add fields."""

    model_config = ConfigDict(frozen=True)


class MerchantName(Answer):
    id: MerchantId
    name: str


class OperatorName(Answer):
    """An operator by their API key."""

    key_id: UUID
    name: str


class FieldError(Answer):
    pointer: str = Field(description="JSON Pointer (RFC 6901) into the request's body, or a parameter's name")
    code: str
    detail: str


class Problem(Answer):
    """RFC 9457 problem details. `code` is stable; decide by it, not by `title` or `detail`."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] | None = None


class Check(Answer):
    ok: bool
    detail: str = Field(description="What was found; where it is not ok, what is wrong")


class Health(Answer):
    """What a probe is told. A load balancer needs the status code only."""

    status: Literal["ok", "unavailable"]
    checks: dict[str, Check] = Field(description="By name; none for /livez")
