import base64
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.cursors import (
    Cursor,
    Moment,
    MomentCursor,
    StatementCursor,
    StatementPlace,
    encode_cursor,
    encode_moment_cursor,
    encode_statement_cursor,
)
from schemas.patterns import STATEMENT_NUMBER

cursors: TypeAdapter[int] = TypeAdapter(Cursor)
moment_cursors: TypeAdapter[Moment] = TypeAdapter(MomentCursor)
statement_cursors: TypeAdapter[StatementPlace] = TypeAdapter(StatementCursor)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_cursor_comes_back_as_the_id_it_was_made_of(last_id: int) -> None:
    assert cursors.validate_python(encode_cursor(last_id)) == last_id


@given(st.text(max_size=16) | st.text(alphabet="ABCDabcd0189_-=", min_size=11, max_size=11))
def test_whatever_is_taken_is_what_would_be_given(cursor: str) -> None:
    try:
        last_id = cursors.validate_python(cursor)
    except ValidationError:
        return
    assert encode_cursor(last_id) == cursor


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)), st.uuids())  # noqa: DTZ001
def test_a_cursor_of_a_moment_comes_back_as_the_row_it_was_made_of(at: datetime, row_id: UUID) -> None:
    assert moment_cursors.validate_python(encode_moment_cursor(at, row_id)) == (at, row_id)


@given(st.text(max_size=40) | st.text(alphabet="ABCDabcd0189_-=", min_size=32, max_size=32))
def test_whatever_is_taken_for_a_moment_is_what_would_be_given(cursor: str) -> None:
    try:
        moment = moment_cursors.validate_python(cursor)
    except ValidationError:
        return
    assert encode_moment_cursor(*moment) == cursor


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "1",
        "AAAAAAAAAAB",  # bits beyond the eighth byte
        "gAAAAAAAAAA",  # 2**63
        "AAAAAAAAAAA=",
        "AAAAAAAAAAA\n",
        "AAAAAAAAAA+",
        "AAAAAAAAAÄA",
        1,
        None,
    ],
)
def test_nonsense_is_refused_and_said_what_to_do(cursor: object) -> None:
    with pytest.raises(ValidationError, match="begin without one"):
        cursors.validate_python(cursor)


@given(st.dates(), st.from_regex(STATEMENT_NUMBER, fullmatch=True))
def test_a_cursor_of_a_statement_comes_back_as_what_it_was_made_of(month: date, number: str) -> None:
    assert statement_cursors.validate_python(encode_statement_cursor(month, number)) == (month, number)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01 \0 is no number",
        "2026-11-01 \0-NK-M-202611",
        "2026-11-01 NK-M-01",
        "20261101 NK-M-01-202611",
        "2026-13-01 NK-202613",
        "2026-11-01NK-M-01-202611",
        "2026-11-01 NK-M-01-202611 ",
        "2026-11-01 NK-M-01-202611\n",
    ],
)
def test_what_is_no_place_of_a_statement_is_refused(text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    for refused in (cursor, f"{cursor}=", "-" * 30, 1, None):
        with pytest.raises(ValidationError, match="begin without one"):
            statement_cursors.validate_python(refused)
