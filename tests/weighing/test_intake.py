"""From the bytes of a request to events, and to what is wrong with those that are none."""

import contextlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cloud_events import Invalid
from service.errors import MalformedJson, ValidationFailed
from service.weighing.intake import parse_events
from tests.world import weigh_event

GOOD = weigh_event("NK-0001", id="a", time="2026-11-20T10:00:00+08:00")
WITHOUT = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good event with another value, or none, at a JSON Pointer."""
    document: dict[str, Any] = json.loads(json.dumps(GOOD))
    *parents, last = path.split("/")[1:]
    place = document
    for name in parents:
        place = place[name]
    if value is WITHOUT:
        del place[last]
    else:
        place[last] = value
    return document


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def with_text(old: str, new: str) -> bytes:
    """The good event, with a piece of its JSON replaced."""
    text = json.dumps(GOOD)
    assert old in text
    return text.replace(old, new).encode()


def test_a_single_event_and_a_batch_are_told_apart_by_their_json() -> None:
    assert len(parse_events(encoded(GOOD))) == 1
    assert len(parse_events(b" \r\n\t" + encoded([GOOD, GOOD]))) == 2


# -- no events to speak of ------------------------------------------------------------------------------------------

MALFORMED = {
    "nothing": b"",
    "white space": b" \n",
    "half an event": encoded(GOOD)[:-5],
    "half a batch": encoded([GOOD, GOOD])[:-5],
    "an event and more": encoded(GOOD) + b"{}",
    "a trailing comma": b"[" + encoded(GOOD) + b",]",
    "single quotes": encoded(GOOD).replace(b'"', b"'"),
    "a comment": b"/* */" + encoded(GOOD),
    "a form": b"material=paper&weight_grams=1250",
    "null": b"null",
    "a number": b"1250",
    "a string": b'"paper"',
    "not a number": with_text("1250", "NaN"),
    "infinity": with_text("1250", "-Infinity"),
    "a number of five thousand digits": with_text("1250", "1" + "0" * 5000),
    "a lone high surrogate": with_text('"id": "a"', '"id": "\\ud83d"'),
    "a lone low surrogate": with_text('"id": "a"', '"id": "\\ude00"'),
    "a lone surrogate in a name": with_text('"id"', '"i\\ud83dd"'),
    "a surrogate in UTF-8": encoded(GOOD).replace(b'"a"', b'"\xed\xa0\x80"'),
    "Latin-1": encoded(GOOD).replace(b'"a"', b'"\xe9"'),
    "an overlong encoding": encoded(GOOD).replace(b'"a"', b'"\xc1\x81"'),
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + encoded(GOOD),
    "a control character": encoded(GOOD).replace(b'"a"', b'"\x00"'),
    "a deep array": b"[" * 200_000,
    "a deep object": b'{"data":' * 100_000,
    "an array inside that is too deep": with_text("1250", "[" * 250 + "]" * 250),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_json_in_utf_8_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        parse_events(body)


@pytest.mark.parametrize("count", [0, 501, 10_000])
def test_a_batch_has_one_to_five_hundred_events(count: int) -> None:
    with pytest.raises(ValidationFailed) as caught:
        parse_events(encoded([GOOD] * count))
    assert f"this one has {count}" in caught.value.detail
    assert [error["code"] for error in caught.value.errors] == ["batch_size"]


def test_five_hundred_events_are_a_batch() -> None:
    assert len(parse_events(encoded([GOOD] * 500))) == 500


@given(st.binary(max_size=300))
def test_any_bytes_are_events_or_a_clear_refusal(body: bytes) -> None:
    with contextlib.suppress(MalformedJson, ValidationFailed):
        parse_events(body)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T10:00:00+08:00", datetime(2026, 11, 20, 2, tzinfo=UTC)),
        ("2026-11-20T02:00:00Z", datetime(2026, 11, 20, 2, tzinfo=UTC)),
        ("2026-11-20t02:00:00z", datetime(2026, 11, 20, 2, tzinfo=UTC)),
        ("2026-11-20T02:00:00-00:00", datetime(2026, 11, 20, 2, tzinfo=UTC)),
        ("2026-11-19T21:30:00.5-04:30", datetime(2026, 11, 20, 2, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-20T02:00:00.123456789Z", datetime(2026, 11, 20, 2, 0, 0, 123_456, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
    ],
)
def test_a_time_is_rfc_3339_with_an_offset(text: str, moment: datetime) -> None:
    [event] = parse_events(encoded(changed("/time", text)))
    assert not isinstance(event, Invalid)
    assert event["time"] == moment


# -- events that are none -------------------------------------------------------------------------------------------


def each(pointer: str, *values: Any) -> list[tuple[str, Any]]:
    return [(pointer, value) for value in values]


INVALID = [
    *((f"/{name}", WITHOUT) for name in ("specversion", "type", "source", "id", "time", "data")),
    *((f"/data/{name}", WITHOUT) for name in ("sequence", "material", "weight_grams")),
    *each("/data/weight_grams", -1, 0, 1.0, 1.5, "1250", True, None, [], {}, 10**9 + 1, 10**30),
    *each("/data/sequence", -1, 2**53, 1.5, "1", None),
    *each("/data/box_weight_grams", -1, 0.5, "1", None),
    *each("/data/material", "", "Paper", "pa per", "纸", 5, None, "a" * 33, "paper\u0000"),
    *each("/id", "", "a b", "é", "a\u0000", "a" * 65, 5, None, ["a"]),
    *each("/time", "", "now", "2026-11-20", "2026-11-20T10:00:00", "2026-11-20T25:00:00Z", 0, 1.5, None),
    *each("/time", "2026-02-30T10:00:00Z", "2026-11-20T10:00:00+25:00", "+10000-01-01T00:00:00Z"),
    *each(
        "/time", "1700000000", "1700000000.5", "2026-11-20 10:00:00Z", "2026-11-20T10:00Z", "2026-11-20T10:00:00+0800"
    ),
    *each("/time", "２０２６-11-20T10:00:00Z", "2026-11-20T10:00:00Z\n", "2026-11-20T10:00:60Z"),
    *each("/source", "NK-0001", "/bins/", "/bins/ ", "//bins/NK-0001", "/bins/é", 5, None),
    ("/specversion", "1.1"),
    ("/specversion", 1.0),
    ("/type", "tanbi.weigh-event.v2"),
    ("/datacontenttype", "text/plain"),
    ("/subject", "a" * 257),
    ("/data", None),
    ("/data", "paper"),
    ("/data", []),
    ("/data/credential", None),
    ("/data/credential", "04A224B15C6180"),
    ("/data/credential/kind", "face"),
    ("/data/credential/value", "123"),
    ("/data/credential/value", "1" * 65),
    ("/data/credential/value", "12 34"),
    ("/data/credential/pin", "1234"),
    ("/data/weight_kg", 1.25),
    ("/data_base64", ""),
    ("/traceparent", "00-0"),
]


@pytest.mark.parametrize(
    ("pointer", "value"), INVALID, ids=lambda value: "left out" if value is WITHOUT else ascii(value)[:40]
)
def test_the_field_that_is_wrong_is_pointed_at(pointer: str, value: Any) -> None:
    bad = changed(pointer, value)
    for parsed in (parse_events(encoded(bad)), parse_events(encoded([bad, GOOD]))):
        invalid = parsed[0]
        assert isinstance(invalid, Invalid)
        assert [error["pointer"] for error in invalid.errors] == [pointer]
        assert invalid.id == (bad["id"] if isinstance(bad.get("id"), str) else None)
        # The rest of the batch is as good as it was.
        assert all(not isinstance(event, Invalid) for event in parsed[1:])


def test_what_was_sent_is_not_repeated_in_the_errors() -> None:
    [invalid] = parse_events(
        encoded(changed("/data/credential", {"kind": "card", "value": "secret card", "pin": "1234"}))
    )
    assert isinstance(invalid, Invalid)
    assert "secret" not in str(invalid.errors)
    assert "1234" not in str(invalid.errors)


def test_a_batch_may_have_members_that_are_no_objects() -> None:
    parsed = parse_events(encoded([None, 5, "paper", [], GOOD]))
    assert [isinstance(event, Invalid) for event in parsed] == [True, True, True, True, False]
    assert [event.id for event in parsed if isinstance(event, Invalid)] == [None] * 4


def test_errors_of_one_event_are_bounded() -> None:
    [invalid] = parse_events(encoded({f"unknown_{number}": 1 for number in range(5000)}))
    assert isinstance(invalid, Invalid)
    assert len(invalid.errors) == 20
