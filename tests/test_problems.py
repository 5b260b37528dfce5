"""How a failure becomes an answer, and what is logged of it."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pydantic
import pytest
import sqlalchemy as sa
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.adjustments import AdjustmentRequest
from schemas.cursors import BIN_CURSOR_PATTERN, CURSOR_PATTERN, MOMENT_CURSOR_PATTERN, STATEMENT_CURSOR_PATTERN
from schemas.offers import CURSOR_PATTERN as OFFER_CURSOR_PATTERN
from schemas.offers import OfferChange
from schemas.patterns import EXPECTED, RFC_3339
from schemas.redemptions import PayCodeRedemptionRequest, VoidRequest
from schemas.weigh_events import weigh_event_adapter
from service.app import ENDPOINTS
from service.db import transaction
from service.errors import (
    CardLimitReached,
    HoldsDue,
    InsufficientCoins,
    NotFound,
    QueueFull,
    SignatureRefused,
    TanbiError,
    Unavailable,
    ValidationFailed,
)
from service.field_words import Form
from service.problem_kinds import error_classes
from service.problems import (
    answer_failure,
    field_errors,
    json_pointer,
    prefers_chinese,
    problem_document,
    validation_failed,
)
from service.tables.places import area

PROBLEM = "application/problem+json"


def answered(error: Exception, **headers: str) -> tuple[int, dict[str, Any], web.StreamResponse]:
    response = answer_failure(make_mocked_request("GET", "/v1/me", headers=headers), error)
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    assert response.headers["Content-Type"] == PROBLEM
    return response.status, json.loads(response.body), response


# -- the document ---------------------------------------------------------------------------------------------------


def test_a_problem_says_what_rfc_9457_and_the_contract_ask_for() -> None:
    assert problem_document(CardLimitReached()) == {
        "type": "/problems#card_limit_reached",
        "title": "No more cards",
        "status": 409,
        "detail": "This resident has as many cards as one may have.",
        "code": "card_limit_reached",
    }


def test_a_detail_of_its_own_fields_and_further_members_are_told() -> None:
    errors = [{"pointer": "/a", "code": "x", "detail": "y"}]
    document = problem_document(ValidationFailed("Not so.", errors=errors, limit=5))
    assert (document["detail"], document["errors"], document["limit"]) == ("Not so.", errors, 5)
    assert "errors" not in problem_document(NotFound())


def test_the_code_of_one_failure_says_nothing_of_another() -> None:
    assert NotFound().errors is not NotFound().errors
    assert NotFound().headers is not NotFound().headers


def raised(error: type[TanbiError]) -> TanbiError:
    """One of the kind, with what it cannot be raised without."""
    if issubclass(error, SignatureRefused):
        return SignatureRefused("signature_stale", "Too old.")  # it has a code a cause
    if issubclass(error, HoldsDue):
        return HoldsDue(owner_id=7)
    return error()


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_failure_can_be_told(error: type[TanbiError], caplog: pytest.LogCaptureFixture) -> None:
    failure = raised(error)
    status, document, response = answered(failure)
    assert (status, document["status"], document["code"]) == (error.status, error.status, failure.code)
    # Expected failures are no errors of the service.
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert ("Retry-After" in response.headers) == issubclass(error, Unavailable)


@pytest.mark.parametrize(
    ("language", "chinese"),
    [
        ("zh", True),
        ("zh-CN,zh;q=0.9,en;q=0.8", True),
        ("ZH-hans", True),
        ("en", False),
        ("en,zh;q=0.5", False),
        ("", False),
    ],
)
def test_the_title_is_in_the_callers_language_and_the_code_is_not(language: str, chinese: bool) -> None:
    _, document, _ = answered(QueueFull(), **{"Accept-Language": language})
    assert document["title"] == ("队列已满" if chinese else "Queue is full")
    assert document["code"] == "queue_full"
    assert prefers_chinese(make_mocked_request("GET", "/", headers={"Accept-Language": language})) == chinese


# -- pointers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "pointer"),
    [((), ""), (("a",), "/a"), (("a", 0, "b"), "/a/0/b"), (("a/b",), "/a~1b"), (("m~n",), "/m~0n"), (("~1",), "/~01")],
)
def test_a_place_is_a_json_pointer(location: tuple[int | str, ...], pointer: str) -> None:
    assert json_pointer(location) == pointer


@given(st.lists(st.text(max_size=5), max_size=4))
def test_a_json_pointer_leads_back_to_its_place(location: list[str]) -> None:
    parts = json_pointer(location).split("/")[1:]
    assert [part.replace("~1", "/").replace("~0", "~") for part in parts] == location


class Card(pydantic.BaseModel, extra="forbid"):
    value: str = pydantic.Field(max_length=4)


def wrong(document: Any) -> pydantic.ValidationError:
    with pytest.raises(pydantic.ValidationError) as caught:
        Card.model_validate(document)
    return caught.value


def told(form: Form, document: Any) -> dict[str, str]:
    """What is said of each place of a document that is not good."""
    adapter = form if isinstance(form, pydantic.TypeAdapter) else pydantic.TypeAdapter(form)
    with pytest.raises(pydantic.ValidationError) as caught:
        adapter.validate_json(json.dumps(document))
    return {error["pointer"]: error["detail"] for error in field_errors(caught.value, form=form)}


PAY = {"pay_code": "123456789012345678", "coins": 5, "capture": True}
ADJUST = {"resident_id": 1, "direction": "debit", "coins": 5, "reason": "why", "reference": "which"}


@pytest.mark.parametrize(
    ("form", "document", "pointer", "detail"),
    [
        *(
            (
                PayCodeRedemptionRequest,
                PAY | {"pay_code": code},
                "/pay_code",
                "Must be 18 digits, 0 to 9, without spaces, as the resident's screen shows them",
            )
            for code in ("1234 5678 9012 3456", "１" * 18, "")
        ),
        (PayCodeRedemptionRequest, PAY | {"pay_code": 5}, "/pay_code", "Must be a text"),
        (PayCodeRedemptionRequest, PAY | {"capture": "yes"}, "/capture", "Must be true or false"),
        (PayCodeRedemptionRequest, PAY | {"coins": 0}, "/coins", "Must be at least 1"),
        (PayCodeRedemptionRequest, PAY | {"coins": 10**10}, "/coins", "Must be at most 1000000000"),
        (PayCodeRedemptionRequest, PAY | {"coins": 1.5}, "/coins", "Must be a whole number"),
        (PayCodeRedemptionRequest, PAY | {"coins": "5"}, "/coins", "Must be a whole number"),
        (PayCodeRedemptionRequest, [PAY], "", "Must be a JSON object"),
        (
            PayCodeRedemptionRequest,
            PAY | {"coin": 5},
            "/coin",
            "No such field. There are: coins, offer_id, pay_code, capture",
        ),
        (VoidRequest, {"coins": 5}, "/coins", "No such field"),
        (AdjustmentRequest, ADJUST | {"reason": " "}, "/reason", "Must be 1 to 200 characters, all in one line"),
        (AdjustmentRequest, ADJUST | {"direction": "up"}, "/direction", "Must be 'credit' or 'debit'"),
        (AdjustmentRequest, {"coins": 5}, "/direction", "Is missing"),
        (
            OfferChange,
            {"valid_until": "2027-01-01 00:00"},
            "/valid_until",
            "Must be a date and time with its offset, such as 2026-11-20T10:00:00+08:00",
        ),
        (
            OfferChange,
            {"valid_until": "2027-02-30T00:00:00Z"},
            "/valid_until",
            "Must be a date and time with its offset, such as 2026-11-20T10:00:00+08:00",
        ),
        (
            weigh_event_adapter,
            {"data": {"weight": 5}},
            "/data/weight",
            "No such field. There are: sequence, material, weight_grams, credential, box_weight_grams",
        ),
        (
            pydantic.TypeAdapter(UUID),
            "not one",
            "",
            "Must be a UUID, such as 018f6b1e-5d1c-7d4a-9f31-0c7a2b6e4d10",
        ),
    ],
)
def test_what_a_field_must_be_is_said_in_plain_words(form: Form, document: Any, pointer: str, detail: str) -> None:
    assert told(form, document)[pointer] == detail


def forms_of_the_contract() -> Iterator[Form]:
    for endpoint in ENDPOINTS:
        yield from (form for form in (*endpoint.takes.values(), endpoint.query) if form is not None)


def test_every_form_that_a_text_must_have_has_its_words() -> None:
    forms = [
        form if isinstance(form, pydantic.TypeAdapter) else pydantic.TypeAdapter(form)
        for form in forms_of_the_contract()
    ]
    schemas = json.dumps([form.json_schema() for form in forms])
    # A cursor is read by a validator of its own, which says what is wrong.
    cursors = {
        BIN_CURSOR_PATTERN,
        CURSOR_PATTERN,
        MOMENT_CURSOR_PATTERN,
        STATEMENT_CURSOR_PATTERN,
        f"^{OFFER_CURSOR_PATTERN}$",
    }
    patterns = {json.loads(found) for found in re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', schemas)}
    assert patterns - cursors == EXPECTED.keys() - {RFC_3339}


def test_the_detail_says_the_first_of_what_is_wrong_and_how_much_more() -> None:
    def detail(*pointers: str) -> str:
        return validation_failed(
            [{"pointer": each, "code": "missing", "detail": "Is missing"} for each in pointers]
        ).detail

    assert detail("/coins") == "/coins: Is missing."
    assert detail("/coins", "/reason") == "/coins: Is missing (1 more in `errors`)."
    assert detail("") == "Is missing."
    # A field's name is what the sender made of it.
    assert len(detail("/" + "x" * 10_000)) < 200


def test_what_was_sent_is_never_repeated() -> None:
    found = field_errors(wrong({"value": "secret number"}), "/card")
    assert [(error["pointer"], error["code"]) for error in found] == [("/card/value", "string_too_long")]
    assert "secret" not in str(found)


def test_errors_of_fields_are_bounded() -> None:
    assert len(field_errors(wrong({f"field {number}": 1 for number in range(1000)}))) == 20


# -- what was not raised as a problem -------------------------------------------------------------------------------


def test_wrong_fields_that_nobody_caught_are_the_callers() -> None:
    status, document, _ = answered(wrong({}))
    assert (status, document["code"], document["errors"][0]["pointer"]) == (422, "validation_failed", "/value")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConnectionResetError(), 400, "body_incomplete"),
        (web.RequestPayloadError(), 400, "body_incomplete"),
        (web.HTTPRequestEntityTooLarge(max_size=1), 413, "body_too_large"),
        (PoolTimeout(), 503, "database_unavailable"),
        (ConnectionRefusedError(), 503, "database_unavailable"),
        (asyncpg.CannotConnectNowError(), 503, "database_unavailable"),
        (asyncpg.DeadlockDetectedError(), 503, "database_unavailable"),
        (asyncpg.QueryCanceledError(), 503, "database_unavailable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_what_is_nobodys_fault_is_told_and_not_logged_as_an_error(
    error: Exception, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = answered(error)
    assert (found[0], found[1]["code"]) == (status, code)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_the_unexpected_has_a_number_that_answer_and_log_share(caplog: pytest.LogCaptureFixture) -> None:
    status, document, _ = answered(ZeroDivisionError("the password is swordfish"))
    assert (status, document["code"]) == (500, "internal_error")
    assert "swordfish" not in str(document)
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert document["incident"] in record.getMessage()
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError
    assert document["incident"] != answered(ZeroDivisionError())[1]["incident"]


async def test_neither_the_answer_nor_the_log_has_the_row_that_the_database_quotes(
    engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    insert = sa.insert(area).values(id="secret id", kind="planet", name="secret name", name_en="x")
    with pytest.raises(DBAPIError) as caught:
        async with transaction(engine) as connection:
            await connection.execute(insert)
    status, document, _ = answered(caught.value)
    assert status == 500
    assert "secret" not in str(document)
    assert "secret" not in caplog.text
    # It still says which rule was broken.
    assert "ck_area_kind" in caplog.text


def test_a_balance_that_a_merchant_may_not_know_is_in_no_answer() -> None:
    assert "12345" not in str(answered(InsufficientCoins(available_coins=12345)))
