"""Offers on the wire: what is taken for a point, a time, a cursor and a change."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.examples import EXAMPLES
from schemas.offers import (
    NewOffer,
    OfferChange,
    OfferPlace,
    OffersQuery,
    decode_offer_cursor,
    encode_offer_cursor,
)


def code_of(refused: pytest.ExceptionInfo[ValidationError]) -> str:
    (error,) = refused.value.errors()
    return error["type"]


@pytest.mark.parametrize("text", ["39", "39.1", "39.113", "-39.113", "39.1130000", "0", "90", "-90.000", "10"])
def test_a_point_of_three_decimals_is_taken(text: str) -> None:
    assert OffersQuery.model_validate({"latitude": text, "longitude": "117.1"}).latitude == float(text)


@pytest.mark.parametrize("text", ["39.1134", "39.11300001", "0.0001", "-39.1134"])
def test_a_point_that_says_more_than_about_a_hundred_metres_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OffersQuery.model_validate({"latitude": text, "longitude": "117.1"})
    assert code_of(refused) == "too_precise"
    assert text not in refused.value.errors()[0]["msg"]


@pytest.mark.parametrize("text", ["", "90.001", "-91", "1e1", "nan", "inf", "39,1", "+39", " 39", "39.", ".5", "３９"])
def test_what_is_no_latitude_is_refused(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OffersQuery.model_validate({"latitude": text, "longitude": "117.1"})
    assert code_of(refused) == "coordinate"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"latitude": "39.1"}, "half_a_point"),
        ({"longitude": "117.1"}, "half_a_point"),
        ({"radius_m": "500"}, "no_point"),
    ],
)
def test_half_a_point_is_no_point(query: dict[str, str], code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OffersQuery.model_validate(query)
    assert code_of(refused) == code


@given(st.integers(0, 40_000_000), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,62}", fullmatch=True))
def test_a_cursor_says_again_what_it_was_made_of(distance_m: int, offer_id: str) -> None:
    place = OfferPlace(distance_m, offer_id)
    assert decode_offer_cursor(encode_offer_cursor(place)) == place


@pytest.mark.parametrize("cursor", ["", "AAAA", "MTIgY", "MTIgYR", "MTIgYQ==", "_____w", "a" * 200])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OffersQuery.model_validate({"cursor": cursor})
    assert code_of(refused) == "cursor"


def test_a_change_is_of_what_was_sent_alone_and_null_lifts() -> None:
    change = OfferChange.model_validate({"resident_day_max": None, "coins": 5})
    assert change.changes() == {"resident_day_max": None, "coins": 5}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": None},
        {"coins": None},
        {"add_stock": None},
        {"coins": 0},
        {"unit": "  "},
        {"title": "a\nb"},
        {"id": "other"},
        {"stock": 5},
        {"valid_until": "0001-01-01T00:00:00+14:00"},
        {"valid_until": "9999-12-31T23:59:59-14:00"},
        {"valid_until": "1800000000"},
        {"valid_until": "2027-01-01T00:00:00"},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OfferChange.model_validate(changes)


@pytest.mark.parametrize(
    "changes", [{"stock": -1}, {"resident_day_max": 0}, {"machine_kind": "tea"}, {"id": "a/b"}, {"coins": 1.5}]
)
def test_an_offer_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewOffer.model_validate(EXAMPLES["NewOffer"] | changes)
