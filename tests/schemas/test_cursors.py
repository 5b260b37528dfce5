from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.cursors import Cursor, Moment, MomentCursor, encode_cursor, encode_moment_cursor

cursors: TypeAdapter[int] = TypeAdapter(Cursor)
moment_cursors: TypeAdapter[Moment] = TypeAdapter(MomentCursor)


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
