import json
from collections.abc import Mapping
from typing import Any

import pytest

from loadtest.patience import GaveUp, Patient, open_session
from tests.loadtest.peer import Answer, serving
from tests.loadtest.prepared import draws

BODY = b'{"drop":1}'


def answer_of(status: str, document: Any = None) -> bytes:
    body = json.dumps(document or {}).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def in_turn(*answers: bytes | None) -> Answer:
    """Each request its own answer, None a closed connection."""

    async def answer(number: int) -> bytes | None:
        return answers[number]

    return answer


def is_200(status: int, _document: Any) -> bool:
    return status == 200


class Signing:
    """Headers that differ in each attempt."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Mapping[str, str]:
        self.made += 1
        return {"Signature": f"signature {self.made}"}


# So that a failure ends.
SECONDS_MAX = 20


async def test_the_same_body_is_sent_signed_anew_until_the_answer_is_definite() -> None:
    answers = in_turn(None, answer_of("503 Service Unavailable"), None, answer_of("200 OK", {"outcomes": []}))
    async with serving(answers) as peer, open_session() as session:
        patient = Patient(session, [f"http://{peer.target.authority}"], draws(1))
        patient.give_up_after(SECONDS_MAX)
        assert await patient.post("drop", "/v1/weigh-events", BODY, Signing(), is_200, 0) == (200, {"outcomes": []})
    assert [request.endswith(b"\r\n\r\n" + BODY) for request in peer.received] == [True] * 4
    assert [f"Signature: signature {number}".encode() in peer.received[number - 1] for number in range(1, 5)] == [
        True
    ] * 4
    assert (dict(patient.sends), dict(patient.repeats), dict(patient.broken)) == ({"drop": 1}, {"drop": 3}, {"drop": 2})
    assert (dict(patient.statuses), dict(patient.answered)) == ({503: 1, 200: 1}, {0: 1})


async def test_another_replica_is_asked_when_one_does_not_answer() -> None:
    async with (
        serving(in_turn(None, None)) as dead,
        serving(in_turn(answer_of("200 OK"))) as alive,
        open_session() as session,
    ):
        patient = Patient(session, [f"http://{peer.target.authority}" for peer in (dead, alive)], draws(1))
        patient.give_up_after(SECONDS_MAX)
        await patient.post("drop", "/", BODY, Signing(), is_200, 0)
    assert (len(dead.received), len(alive.received), dict(patient.answered)) == (1, 1, {1: 1})


async def test_whoever_has_no_more_time_gives_up() -> None:
    async with serving(in_turn(answer_of("503 Service Unavailable"))) as peer, open_session() as session:
        patient = Patient(session, [f"http://{peer.target.authority}"], draws(1))
        patient.give_up_after(0)
        with pytest.raises(GaveUp):
            await patient.post("drop", "/", BODY, Signing(), is_200, 0)
    assert len(peer.received) == 1


async def test_a_look_is_repeated_and_acknowledges_nothing() -> None:
    answers = in_turn(answer_of("404 Not Found"), answer_of("200 OK", {"state": "expired"}))
    async with serving(answers) as peer, open_session() as session:
        patient = Patient(session, [f"http://{peer.target.authority}"], draws(1))
        patient.give_up_after(SECONDS_MAX)
        assert await patient.get("looks", "/v1/redemptions/1", Signing()) == {"state": "expired"}
    assert [request.startswith(b"GET /v1/redemptions/1 ") for request in peer.received] == [True] * 2
    assert (patient.repeats["looks"], dict(patient.answered)) == (1, {})


async def test_what_has_no_answer_yet_is_under_way() -> None:
    seen: list[list[int]] = []

    async def answer(_number: int) -> bytes:
        seen.append([counts["void"] for counts in patient.under_way])
        return answer_of("200 OK")

    async with serving(answer) as peer, open_session() as session:
        patient = Patient(session, ["http://127.0.0.1:1", f"http://{peer.target.authority}"], draws(1))
        await patient.post("void", "/", BODY, Signing(), is_200, 1)
    assert seen == [[0, 1]]
    assert patient.under_way[1]["void"] == 0
