"""What the reference client in C makes of answers, of halves of them, and of what is none."""

import json
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.weigh_events import Outcome
from tests.devices.checking import Check, few, hex_of
from tests.devices.compiling import needs_compiler

pytestmark = needs_compiler


def answer_of(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def test_an_answer_is_read_when_it_is_whole_and_never_before(check: Check) -> None:
    outcomes = [
        {"id": "a", "outcome": "credited", "coins": 125, "balance_coins": 310},
        {"id": 'b"\\', "outcome": "conflict", "coins": 0, "code": "id_reused", "detail": 'a "word", [so] {to} say'},
        {"id": None, "outcome": "rejected", "code": "invalid_event", "errors": [{"pointer": "/data", "x": [1, {}]}]},
        {"id": "d", "outcome": "put_aside", "coins": None, "new_member": {"a": [True, None, -1.5e3]}},
    ]
    body = json.dumps({"of": {"outcomes": []}, "outcomes": outcomes}, indent=1).encode()
    received = answer_of(body, date="Fri, 20 Nov 2026 02:00:00 GMT", Connection="close")
    said = check.one("answer", received)
    conflict = [str(list(Outcome).index(Outcome.CONFLICT)), "0", "-1", hex_of(r"b\"\\"), hex_of("id_reused")]
    assert said[:6] == ["ok", str(len(received)), "200", "1795140000", "0", "1"]
    assert said[7:12] == ["0", "125", "310", hex_of("a"), "-"]
    assert said[12:17] == conflict
    assert said[17:22] == [str(list(Outcome).index(Outcome.REJECTED)), "-1", "-1", "-", hex_of("invalid_event")]
    assert said[22:] == [str(len(Outcome) + 1), "-1", "-1", hex_of("d"), "-", "end"]


def test_a_problem_tells_its_code_and_how_long_to_wait(check: Check) -> None:
    problem = b'{"title": "Queue is full", "errors": [{"code": "no"}], "code" : "queue_full", "status": 503}'
    received = answer_of(problem, "503 Service Unavailable", retry_after="7")
    assert check.one("answer", received)[2:7] == ["503", "-1", "7", "0", hex_of("queue_full")]


@pytest.mark.parametrize(
    "received",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>until the end",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        answer_of(b""),
        answer_of(b"<html>Log in to this network</html>"),
        answer_of(b"[]"),
        answer_of(b'{"outcomes": {}}'),
        answer_of(b'{"outcomes": ['),
        answer_of(b'{"outcomes": [1]}'),
        answer_of(b'{"outcomes": [{"id": "a" "outcome"}]}'),
        answer_of(b'{"outcomes": [' + b"[" * 100 + b"]" * 100 + b"]}"),
    ],
    ids=str,
)
def test_what_is_no_answer_of_the_service_settles_nothing(check: Check, received: bytes) -> None:
    assert check.one("answer", received)[-1] == "malformed"


@few
@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8))
def test_no_answer_makes_the_client_read_too_far(check: Check, noise: bytes, changes: list[tuple[int, int]]) -> None:
    good = bytearray(answer_of(b'{"outcomes": [{"id": "a", "outcome": "held", "coins": 1}], "code": "x"}', date="x"))
    for place, value in changes:
        good[place % len(good)] = value
    check([("answer", bytes(good) or b"x"), ("answer", b"HTTP/1.1 200 OK\r\n" + noise), ("answer", b"H" + noise)])
    check([("answer", answer_of(noise)), ("answer", answer_of(b'{"outcomes":[{' + noise))])


def test_the_elements_of_an_array_are_those_that_stand_in_it(check: Check) -> None:
    array = '[ {"m": {"n": 3}, "n": 7} , "a,]b", [1, [2]],null, {"n" : "x"}, 12]'
    said = check.one("elements", array)
    assert [bytes.fromhex(each).decode() for each in said[:-1] if not each.startswith("n=")] == [
        *('{"m": {"n": 3}, "n": 7}', "a,]b", "[1, [2]]", "null", '{"n" : "x"}', "12")
    ]
    assert [each for each in said if each.startswith("n=")] == ["n=7", "n=-1"]
    assert check.one("elements", "[ ]") == check.one("elements", "{}") == check.one("elements", "") == ["end"]


@few
@given(st.lists(st.text(alphabet='[]{},:"n\\ 1', max_size=30), min_size=20, max_size=50))
def test_no_array_makes_the_client_read_too_far(check: Check, arrays: list[str]) -> None:
    check([("elements", f"[{array}") for array in arrays])


@few
@given(st.integers(0, 253_402_300_799))
def test_the_clock_is_set_by_any_date(check: Check, seconds: int) -> None:
    date = formatdate(seconds, usegmt=True)
    # Before the year 1000 email.utils writes fewer digits; a bin is younger.
    assert check.one("answer", answer_of(b"{}", date=date))[3] == str(seconds)


def test_the_clock_that_the_service_says_counts_before_the_date_of_a_proxy(check: Check) -> None:
    problem = b'{"code": "signature_stale", "server_unix_seconds": 1795140007}'
    received = answer_of(problem, "401 Unauthorized", date="Fri, 20 Nov 2026 02:00:00 GMT")
    assert check.one("answer", received)[2:4] == ["401", "1795140007"]


@pytest.mark.parametrize("date", ["Fri, 20 Now 2026 02:00:00 GMT", "Friday, 20-Nov-26 02:00:00 GMT", "", "x" * 29])
def test_what_is_no_date_sets_no_clock(check: Check, date: str) -> None:
    assert check.one("answer", answer_of(b"{}", date=date))[3] == "-1"
