"""What a bin itself asks for: to be claimed, other keys, its configuration."""

from datetime import date
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.common import Answer, Request
from schemas.fleet import BinKeys, FirmwareNotice
from schemas.patterns import CLAIM_CODE, one_line
from schemas.signatures import Algorithm

# A key that is posted with a claim code has no id yet: this is what it signs its claim as.
CLAIM_KEYID: Final = "claim"

Base64 = Annotated[str, StringConstraints(strict=True, pattern=one_line(100))]
Secret = Annotated[
    str | None,
    Field(description="Of an HMAC key, 32 bytes in base64, as it is used: given this once; null of any other"),
]


class _PublicKeyByAlgorithm(Request):
    algorithm: Algorithm
    public_key: Base64 | None = Field(
        None, description="ed25519: the 32 bytes in base64. hmac-sha256: none, the service makes the secret"
    )

    @model_validator(mode="after")
    def _has_what_the_algorithm_needs(self) -> "_PublicKeyByAlgorithm":
        if (self.algorithm == Algorithm.ED25519) != (self.public_key is not None):
            raise PydanticCustomError("public_key", "Send public_key with ed25519, and none with hmac-sha256")
        return self


class Claim(_PublicKeyByAlgorithm):
    """The code that the installer has, and the key that the bin has made."""

    claim_code: Annotated[str, StringConstraints(strict=True, pattern=CLAIM_CODE)] = Field(
        description="In capitals or small letters, with or without hyphens; I and L are read as 1, O as 0"
    )


class ClaimedBin(Answer):
    """Who the bin is from now on."""

    bin_id: str
    keyid: str
    algorithm: Algorithm
    secret: Secret


class NewKey(_PublicKeyByAlgorithm):
    """The key that the bin wants to sign with from now on."""

    proof: Base64 | None = Field(
        None,
        description="ed25519: the new key's signature, 64 bytes in base64, over the ASCII text `tanbi-key:<bin id>:"
        "<public_key>`, where public_key stands as it is sent",
    )

    @model_validator(mode="after")
    def _is_proven(self) -> "NewKey":
        if (self.public_key is None) != (self.proof is None):
            raise PydanticCustomError("proof", "Send proof with public_key, and none without")
        return self


class IssuedKey(BinKeys):
    """The new key, and all keys that the bin has now."""

    keyid: str
    algorithm: Algorithm
    secret: Secret


class ConfirmKey(Request):
    """Nothing to say: the signature shows that the bin has the secret."""


class TariffToCome(Answer):
    coins_per_kg: int
    effective_from: AwareDatetime


class MaterialToShow(Answer):
    """A material and what it earns."""

    id: str
    name: str
    name_en: str
    coins_per_kg: int | None = Field(description="Now; null: it has no tariff, and its drops are held")
    next: TariffToCome | None = Field(description="The tariff after this one, where it is known already")


class ScaleToUse(Answer):
    verification_interval_grams: int
    capacity_grams: int
    smallest_load_grams: int = Field(description="Less than that is no trade weighing, by the rule in force or by 20 e")
    certificate_expires_on: date | None = Field(description="The last day on which it is good")


class Thresholds(Answer):
    full_percent: int = Field(description="A box as full as that wants emptying")
    heat_celsius: float = Field(description="Above that there is an alarm at once, as for smoke")
    scale_zero_grams: int = Field(description="A zero that is further off, either way, is an alarm")
    battery_percent: int = Field(description="Below that there is an alarm")
    offline_seconds: int = Field(description="A bin that was not heard of for so long is taken for offline")


class PlaceToShow(Answer):
    id: str
    name: str
    name_en: str


class KeyInUse(Answer):
    """The key that signed this request."""

    keyid: str
    newest: bool
    valid_until: AwareDatetime | None = Field(description="Null: no end is set")


class SequenceToGoOn(Answer):
    """For a bin that has lost its count; one that has not goes on with its own."""

    epoch: int = Field(description="How often its count has begun anew")
    next: int = Field(description="A number that none of its stored events has, nor any after it, in this epoch")


class BinConfig(Answer):
    """What the bin needs to know. Its ETag covers all of it but `server_time`, `server_unix_seconds` and `sequence`."""

    server_time: AwareDatetime
    server_unix_seconds: int
    bin_id: str
    site: PlaceToShow
    model: str | None
    key: KeyInUse
    materials: list[MaterialToShow]
    scale: ScaleToUse
    box_capacity_grams: int
    thresholds: Thresholds
    telemetry_interval_seconds: int
    signature_tolerance_seconds: int = Field(description="How far the clock may be off")
    batch_events_max: int
    body_bytes_max: int
    firmware: FirmwareNotice | None
    sequence: SequenceToGoOn
