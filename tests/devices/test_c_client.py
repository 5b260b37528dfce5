"""What the reference client in C writes, against the vectors and the one in Python, in every size of buffer.

What is compiled is compiled with the address sanitizer where there is one: a byte too far ends the program.
"""

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.clearances import clearance_adapter
from schemas.patterns import COLLECTOR
from schemas.telemetry import telemetry_adapter
from tests.devices.checking import Check, few
from tests.devices.compiling import EXAMPLES, LIBRARY, compile_alone, needs_compiler
from tests.devices.examples import reference_client
from tests.devices.vectors import DROPS, event_body, signature_vectors

pytestmark = needs_compiler

HEADER = (EXAMPLES / "bin_client.h").read_text()
ACTIONS = ("outcomes", "again", "clock", "split", "wait")
NOTHING = b""
CLIENT = reference_client()


def limit(name: str) -> int:
    [value] = re.findall(rf"^#define {name} (\d+)", HEADER, re.MULTILINE)
    return int(value)


def event_command(drop: dict[str, Any]) -> list[bytes | str | int]:
    credential = drop["credential"] or {"kind": NOTHING, "value": NOTHING}
    box = NOTHING if drop["box_weight_grams"] is None else drop["box_weight_grams"]
    names = ("bin_id", "id", "time_seconds", "sequence", "material", "weight_grams")
    return ["event", *(drop[name] for name in names), credential["kind"], credential["value"], box]


def test_the_library_needs_no_memory_no_files_and_no_clock(tmp_path: Path) -> None:
    for source in LIBRARY:
        outside = set(re.findall(r"#include <(.*)>", source.read_text() + HEADER))
        assert outside <= {"string.h", "stdbool.h", "stddef.h", "stdint.h"}
        # Signs and widths too: what a small compiler may do otherwise.
        compile_alone(source, tmp_path, "-Wconversion", "-Wshadow", "-Wcast-qual", "-Wstrict-prototypes", "-O2")


@pytest.mark.parametrize("name", DROPS)
def test_an_event_of_the_vectors_is_written_to_the_byte(check: Check, name: str) -> None:
    body = event_body(DROPS[name])
    assert check.written(*event_command(DROPS[name])) == body
    assert len(body) <= limit("TANBI_EVENT_BYTES_MAX")


@pytest.mark.parametrize(
    "vector",
    [vector for vector in signature_vectors() if vector["algorithm"] == "hmac-sha256"],
    ids=lambda vector: vector["name"],
)
def test_a_head_of_the_vectors_is_signed_to_the_byte(check: Check, vector: dict[str, Any]) -> None:
    body, target = vector["body"].encode(), vector["target"]
    content_type = "application/cloudevents+json" if body else ""
    secret = base64.b64decode(vector["key_base64"])
    head = check.written(
        "head", vector["keyid"], secret, vector["created"], vector["method"], "h:8080", target, content_type, body
    )
    length = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n" if body else ""
    assert head.decode() == (
        f"{vector['method']} {target} HTTP/1.1\r\nHost: h:8080\r\n{length}"
        f"Content-Digest: {vector['content_digest']}\r\nSignature-Input: {vector['signature_input']}\r\n"
        f"Signature: {vector['signature']}\r\n\r\n"
    )


def test_the_largest_head_fits_the_size_that_is_promised(check: Check) -> None:
    target = "/" + "t" * 127
    head = check.written("head", "k" * 128, b"s" * 32, 10**10, "POST", "h" * 128, target, "t" * 40, b"x" * 9999)
    assert len(head) <= limit("TANBI_HEAD_BYTES_MAX")


FIRST = DROPS["with all there is"]


@pytest.mark.parametrize(
    "changed",
    [
        {"bin_id": ""},
        {"bin_id": "B" * 65},
        {"bin_id": 'NK"1'},
        {"id": ""},
        {"id": "a b"},
        {"id": "\\"},
        {"id": "é"},
        {"time_seconds": -1},
        {"time_seconds": 253_402_300_800},
        {"sequence": 2**53},
        {"material": ""},
        {"material": "Paper"},
        {"material": "_p"},
        {"material": "m" * 33},
        {"weight_grams": 0},
        {"weight_grams": 1_000_000_001},
        {"credential": {"kind": "face", "value": "0000"}},
        {"credential": {"kind": "card", "value": "000"}},
        {"credential": {"kind": "card", "value": "0" * 65}},
        {"credential": {"kind": "card", "value": "00\r\n"}},
        {"box_weight_grams": -2},
        {"box_weight_grams": 1_000_000_001},
    ],
    ids=str,
)
def test_an_event_that_the_service_would_reject_is_not_written(check: Check, changed: dict[str, Any]) -> None:
    assert check.one(*event_command(FIRST | changed)) == ["invalid", "-"]


@pytest.mark.parametrize(
    "changed",
    [
        {0: 'k"'},
        {0: ""},
        {0: "k" * 129},
        {1: b"s" * 31},
        {2: -1},
        {3: "PO ST"},
        {4: "h\r\nX: 1"},
        {4: ""},
        {5: "v1"},
        {5: "/\r\n"},
        {6: "a\nb"},
        {6: ""},
    ],
    ids=str,
)
def test_a_head_that_would_be_another_request_is_not_written(check: Check, changed: dict[int, Any]) -> None:
    good: list[bytes | str | int] = ["k", b"s" * 32, 1, "POST", "h", "/", "text/plain", b"{}"]
    assert check.one("head", *good)[0] == "ok"
    assert check.one("head", *(changed.get(place, value) for place, value in enumerate(good))) == ["invalid", "-"]


# Whatever its name and length, the client's own test decides what may be written: visible ASCII, within the bounds.
VISIBLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
PLAIN = VISIBLE.filter(lambda letter: letter not in '"\\')
GRAMS = st.integers(1, 1_000_000_000)
drops = st.fixed_dictionaries(
    {
        "bin_id": st.text(PLAIN, min_size=1, max_size=64),
        "id": st.text(PLAIN, min_size=1, max_size=64),
        "time_seconds": st.integers(0, 253_402_300_799),
        "sequence": st.integers(0, 2**53 - 1),
        "material": st.from_regex(r"\A[a-z][a-z0-9_]{0,31}\Z"),
        "weight_grams": GRAMS,
        "credential": st.none()
        | st.fixed_dictionaries(
            {"kind": st.sampled_from(["card", "code"]), "value": st.text(VISIBLE, min_size=4, max_size=64)}
        ),
        "box_weight_grams": st.none() | GRAMS,
    }
)


@few
@given(st.lists(drops, min_size=20, max_size=30))
def test_any_drop_is_written_as_the_client_in_python_writes_it(check: Check, drops: list[dict[str, Any]]) -> None:
    written = check([["event once", *event_command(drop)[1:]] for drop in drops])
    assert [(result, bytes.fromhex(data)) for result, data in written] == [("ok", event_body(drop)) for drop in drops]


EMPTIED: dict[str, Any] = {
    "bin_id": "NK-0001",
    "id": "e-1",
    "time_seconds": 1_795_140_000,
    "sequence": 1043,
    "material": "paper",
    "collector": "TJ-A12345",
    "mass_before_grams": 20_310,
    "mass_after_grams": 40,
}


LARGEST_EMPTIED: dict[str, Any] = {
    "bin_id": "B" * 64,
    "id": "f" * 64,
    "time_seconds": 253_402_300_799,
    "sequence": 2**53 - 1,
    "material": "m" * 32,
    "collector": "C" * 32 + "1" * 32,
    "mass_before_grams": 10**9,
    "mass_after_grams": 10**9,
}


@pytest.mark.parametrize("changed", [{}, {"mass_before_grams": 0, "mass_after_grams": 10**9}, LARGEST_EMPTIED], ids=str)
def test_an_emptying_is_written_as_the_client_in_python_writes_it(check: Check, changed: dict[str, Any]) -> None:
    emptied = EMPTIED | changed
    written = check.written("clearance", *emptied.values())
    bin_id, event_id, at, *_ = emptied.values()
    data = {name: emptied[name] for name in list(EMPTIED)[3:]}
    assert written == CLIENT.cloud_event("clearance", bin_id, event_id, at, data)
    assert clearance_adapter.validate_json(written)["data"] == data
    assert len(written) <= limit("TANBI_EVENT_BYTES_MAX")


@few
@given(st.lists(st.text(alphabet="Aaz09._:-/ ", min_size=1, max_size=70), min_size=20, max_size=40))
def test_a_collector_is_taken_where_the_service_takes_it(check: Check, collectors: list[str]) -> None:
    collectors += ["-" * before + "7" + "9" * after for before in (32, 33) for after in (31, 32)]
    said = check([("clearance", *(EMPTIED | {"collector": collector}).values()) for collector in collectors])
    assert [result == "ok" for result, _ in said] == [bool(re.fullmatch(COLLECTOR, each)) for each in collectors]


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"sequence": 2**53},
        {"material": ""},
        {"collector": ""},
        {"mass_before_grams": -1},
        {"mass_after_grams": 1_000_000_001},
    ],
    ids=str,
)
def test_an_emptying_that_the_service_would_reject_is_not_written(check: Check, changed: dict[str, Any]) -> None:
    assert check.one("clearance", *(EMPTIED | changed).values()) == ["invalid", "-"]


UNKNOWN = str(-(2**31))
conditions = st.fixed_dictionaries(
    {},
    optional={
        "firmware": st.text(PLAIN, min_size=1, max_size=64),
        "temperature_celsius": st.integers(-1000, 20_000).map(lambda tenths: tenths / 10),
        "smoke": st.booleans(),
        "door": st.sampled_from(["open", "closed"]),
        "scale_zero_grams": st.integers(-1_000_000_000, 1_000_000_000),
        "battery_percent": st.integers(0, 100),
        "boxes": st.lists(
            st.fixed_dictionaries(
                {"material": st.from_regex(r"\A[a-z][a-z0-9_]{0,31}\Z")},
                optional={"fill_percent": st.integers(0, 100), "mass_grams": st.integers(-(10**9), 10**9)},
            ),
            min_size=1,
            max_size=3,
        ),
    },
)


def telemetry_command(data: dict[str, Any]) -> list[bytes | str | int]:
    celsius = data.get("temperature_celsius")
    boxes = [
        f"{box['material']},{box.get('fill_percent', UNKNOWN)},{box.get('mass_grams', UNKNOWN)};"
        for box in data.get("boxes", [])
    ]
    return [
        *("telemetry", "NK-0001", "t-1", 1_795_140_000, data.get("firmware", "")),
        "" if celsius is None else round(celsius * 10),
        *(int(data["smoke"]) if "smoke" in data else "", int(data["door"] == "open") if "door" in data else ""),
        *(data.get("scale_zero_grams", ""), data.get("battery_percent", ""), "".join(boxes)),
    ]


@few
@given(st.lists(conditions, min_size=5, max_size=10))
def test_any_condition_is_told_as_it_is_and_nothing_else(check: Check, conditions: list[dict[str, Any]]) -> None:
    said = check([telemetry_command(condition) for condition in conditions])
    told = [telemetry_adapter.validate_json(bytes.fromhex(data)) for _, data in said]
    assert [event["data"] for event in told] == conditions
    assert {(event["source"], event["time"].timestamp()) for event in told} == {("/bins/NK-0001", 1_795_140_000)}


@pytest.mark.parametrize(
    "changed",
    [
        {"firmware": "two words"},
        {"firmware": "f" * 65},
        {"temperature_celsius": -100.1},
        {"temperature_celsius": 2000.1},
        {"scale_zero_grams": 1_000_000_001},
        {"battery_percent": 101},
        {"boxes": [{"material": "paper", "fill_percent": -1}]},
        {"boxes": [{"material": "Paper"}]},
        {"boxes": [{"material": "paper"}] * 17},
    ],
    ids=str,
)
def test_a_condition_that_the_service_would_reject_is_not_written(check: Check, changed: dict[str, Any]) -> None:
    assert check.one(*telemetry_command(changed)) == ["invalid", "-"]


def test_a_batch_is_an_array_and_full_before_it_is_overrun(check: Check) -> None:
    assert check.written("batch", b"{}") == b"[{}]"
    events = [event_body(drop) for drop in DROPS.values()]
    assert check.written("batch", *events) == b"[" + b",".join(events) + b"]"
    assert check.one("batch") == ["invalid", "-"]


@few
@given(st.binary(min_size=1, max_size=100))
def test_a_secret_is_decoded_as_it_was_issued(check: Check, secret: bytes) -> None:
    assert check.written("decode", base64.b64encode(secret)) == secret


@pytest.mark.parametrize("text", ["", "AAA", "AA=A", "A===", "A-==", "AAAA====", "AA A", "AAA\n"])
def test_what_is_no_base64_is_no_secret(check: Check, text: str) -> None:
    assert check.one("decode", text) == ["invalid", "-"]
