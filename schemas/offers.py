"""Offers: what coins buy at a merchant, as the merchant keeps its catalogue and as residents see it."""

import base64
import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.common import Answer, Coins, MerchantId, MerchantName, OfferId, Request
from schemas.patterns import one_line
from schemas.times import TimeOfThisAge

OFFERS_LIMIT_DEFAULT = 20
OFFERS_LIMIT_MAX = 100
# Of a merchant with a machine at every corner the nearest are enough.
SITES_PER_OFFER_MAX = 10
PIECES_MAX = 1_000_000_000
RADIUS_M_MAX = 100_000
LATITUDE_MAX = 90
LONGITUDE_MAX = 180
COORDINATE_PATTERN = r"-?[0-9]{1,3}(\.[0-9]+)?"
CURSOR_PATTERN = r"[A-Za-z0-9_-]{4,100}"
TOO_PRECISE = (
    "At most three decimals, which is about 100 m: where a resident is is personal data, and the address of a request"
    " ends in logs. Round it before sending, as in 39.113"
)

MachineKind = Literal["water", "detergent"]
Title = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, pattern=one_line(60)),
    Field(description="What is offered, in a few words"),
]
Unit = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, pattern=one_line(30)),
    Field(description="How much of it one piece is, such as 5 升 or 5 l"),
]
DayMax = Annotated[int, Field(strict=True, ge=1, le=10_000, description="Pieces a resident may have on a business day")]
Pieces = Annotated[int, Field(strict=True, ge=0, le=PIECES_MAX)]


class NewOffer(Request):
    """Something that one piece of can be had for coins, by whoever redeems with its id."""

    id: OfferId = Field(description="Chosen by the merchant; no two offers of a city have the same")
    title: Title
    title_en: Title
    unit: Unit
    unit_en: Unit
    coins: Coins
    machine_kind: MachineKind | None = Field(
        None,
        description="Shown where the merchant has machines of this kind; null: at its shop. It can be had at either",
    )
    valid_from: TimeOfThisAge | None = Field(None, description="Null: from now on")
    valid_until: TimeOfThisAge | None = Field(
        None, description="From this moment on it cannot be had; null: no end is set"
    )
    resident_day_max: DayMax | None = Field(None, description="Null: any number")
    stock: Pieces | None = Field(None, description="Pieces there are; null: none are counted")


def _left_out(schema: dict[str, Any]) -> None:
    # What is left out is not changed: no value stands for it.
    del schema["default"]


class OfferChange(Request):
    """What is left out stays as it is; null lifts. What was redeemed before keeps the price it had."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"minProperties": 1})

    title: Title = Field("", json_schema_extra=_left_out)
    title_en: Title = Field("", json_schema_extra=_left_out)
    unit: Unit = Field("", json_schema_extra=_left_out)
    unit_en: Unit = Field("", json_schema_extra=_left_out)
    coins: Coins = Field(1, json_schema_extra=_left_out)
    valid_until: TimeOfThisAge | None = Field(
        None,
        description="A moment that has passed withdraws the offer at once; null: no end is set",
        json_schema_extra=_left_out,
    )
    resident_day_max: DayMax | None = Field(None, description="Null: any number", json_schema_extra=_left_out)
    add_stock: Annotated[int, Field(strict=True, ge=-PIECES_MAX, le=PIECES_MAX)] = Field(
        0,
        description="Pieces that are put in stock, or taken out of it where less than 0. An offer of which none were"
        " counted has a stock from then on, and keeps it: to stop counting, withdraw it and make another",
        json_schema_extra=_left_out,
    )

    @model_validator(mode="after")
    def _changes_something(self) -> "OfferChange":
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_to_change", "Name at least one field to change")
        return self

    def changes(self) -> dict[str, Any]:
        """What was sent, by field."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class MerchantOffer(Answer):
    """An offer as its merchant sees it."""

    id: OfferId
    title: str
    title_en: str
    unit: str
    unit_en: str
    coins: int
    machine_kind: MachineKind | None
    valid_from: datetime
    valid_until: datetime | None = Field(description="From then on it cannot be had; null: no end is set")
    resident_day_max: int | None
    stock_left: int | None = Field(description="Pieces that can still be had; null: none are counted")


class OfferPlace(NamedTuple):
    """Where in a list an offer stands: by the distance of its nearest site, then by id."""

    distance_m: int
    offer_id: str


def encode_offer_cursor(place: OfferPlace) -> str:
    """Where the page after this offer begins."""
    return base64.urlsafe_b64encode(f"{place.distance_m} {place.offer_id}".encode()).decode().rstrip("=")


def decode_offer_cursor(cursor: object) -> OfferPlace:
    """What encode_offer_cursor was given; whatever it cannot have made is refused."""
    if isinstance(cursor, str) and re.fullmatch(CURSOR_PATTERN, cursor) and len(cursor) % 4 != 1:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode(errors="replace")
        found = re.fullmatch(r"([0-9]{1,8}) ([A-Za-z0-9][A-Za-z0-9._\-]{0,62})", text, re.ASCII)
        if found is not None and encode_offer_cursor(place := OfferPlace(int(found[1]), found[2])) == cursor:
            return place
    raise PydanticCustomError("cursor", "This is no cursor of this list; begin without one, then send next_cursor.")


OfferCursor = Annotated[
    OfferPlace,
    BeforeValidator(decode_offer_cursor),
    WithJsonSchema(
        {"type": "string", "pattern": f"^{CURSOR_PATTERN}$", "description": "next_cursor of the page before, unchanged"}
    ),
]
NextOfferCursor = Annotated[
    str | None,
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": f"^{CURSOR_PATTERN}$"}, {"type": "null"}],
            "description": "Send it as cursor for the next page; null on the last one",
        }
    ),
]


class MerchantOffersQuery(Request):
    limit: Annotated[int, Field(ge=1, le=OFFERS_LIMIT_MAX)] = OFFERS_LIMIT_DEFAULT
    cursor: OfferCursor | None = None


class MerchantOffers(Answer):
    """By id; those that are over too."""

    offers: list[MerchantOffer]
    next_cursor: NextOfferCursor


def _read_coordinate(value: object, most: int) -> float:
    if not isinstance(value, str) or not re.fullmatch(COORDINATE_PATTERN, value):
        raise PydanticCustomError("coordinate", "Degrees as a decimal number, such as 39.113")
    # Zeros at the end say nothing.
    if Decimal(value).normalize().as_tuple().exponent not in range(-3, 4):
        raise PydanticCustomError("too_precise", TOO_PRECISE)
    if abs(float(value)) > most:
        raise PydanticCustomError("coordinate", f"From -{most} to {most} degrees")
    return float(value)


def _coordinate_schema(most: int) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "number",
            "minimum": -most,
            "maximum": most,
            "multipleOf": 0.001,
            "description": "Degrees, WGS 84 (`wx.getLocation` with type wgs84), with at most three decimals, which is"
            " about 100 m: where a resident is is personal data, and the address of a request ends in logs. Round it"
            " before sending; more decimals are refused with 422 `too_precise`",
            "examples": [39.113 if most == LATITUDE_MAX else 117.155],
        }
    )


class OffersQuery(Request):
    latitude: (
        Annotated[
            float,
            BeforeValidator(lambda value: _read_coordinate(value, LATITUDE_MAX)),
            _coordinate_schema(LATITUDE_MAX),
        ]
        | None
    ) = None
    longitude: (
        Annotated[
            float,
            BeforeValidator(lambda value: _read_coordinate(value, LONGITUDE_MAX)),
            _coordinate_schema(LONGITUDE_MAX),
        ]
        | None
    ) = None
    radius_m: Annotated[int, Field(ge=1, le=RADIUS_M_MAX)] | None = Field(
        None, description="Only sites this far from the point, in metres, and offers to be had there"
    )
    merchant_id: MerchantId | None = Field(None, description="Offers of just this merchant")
    machine_kind: MachineKind | None = Field(None, description="Offers of just these machines")
    limit: Annotated[int, Field(ge=1, le=OFFERS_LIMIT_MAX)] = OFFERS_LIMIT_DEFAULT
    cursor: OfferCursor | None = None

    @model_validator(mode="after")
    def _has_a_whole_point(self) -> "OffersQuery":
        if (self.latitude is None) != (self.longitude is None):
            raise PydanticCustomError("half_a_point", "Send latitude and longitude together")
        if self.radius_m is not None and self.latitude is None:
            raise PydanticCustomError("no_point", "radius_m is around a point: send latitude and longitude too")
        return self


class OfferSite(Answer):
    """Where an offer is to be had."""

    id: str
    name: str
    name_en: str
    latitude: float | None = Field(description="WGS 84, in degrees; null where nobody has measured it")
    longitude: float | None
    distance_m: int | None = Field(description="As the crow flies, from the point that was sent; null without one")


class Offer(Answer):
    """An offer as residents see it: valid now. Redeem it by its id, at its merchant."""

    id: OfferId
    title: str
    title_en: str
    unit: str
    unit_en: str
    coins: int = Field(description="Its price at this moment")
    merchant: MerchantName
    machine_kind: MachineKind | None = Field(
        description="It is shown where the merchant has machines of this kind; null: at its shop"
    )
    valid_until: datetime | None
    resident_day_max: int | None = Field(description="Pieces a resident may have on a business day; null: any number")
    stock_left: int | None = Field(description="0: sold out for now; null: there is enough")
    sites: list[OfferSite] = Field(description=f"Nearest first, at most {SITES_PER_OFFER_MAX}")
    site_count: int = Field(description="Of all its sites, within radius_m where that was sent")


class Offers(Answer):
    """Nearest first, or by id where no point was sent; last those whose sites nobody has measured."""

    offers: list[Offer]
    next_cursor: NextOfferCursor
