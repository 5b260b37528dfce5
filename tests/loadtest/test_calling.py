"""Calls with a key, against a peer that breaks connections."""

import json
import re

import pytest

from loadtest.calling import Caller, bearer, is_verdict, signed_with
from loadtest.journal import Call, Journal, Phase
from loadtest.patience import Patient, open_session
from schemas.signatures import Algorithm, SigningKey
from tests.loadtest.peer import Answer, serving
from tests.loadtest.prepared import draws

HELD = {"id": "r-1", "state": "authorised", "expires_at": "2026-11-21T08:00:00Z"}


def in_turn(*answers: tuple[int, object] | None) -> Answer:
    """Each request its own answer, the last one for all further ones; None breaks the connection."""

    async def answer(number: int) -> bytes | None:
        told = answers[min(number, len(answers) - 1)]
        if told is None:
            return None
        body = json.dumps(told[1]).encode()
        return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (told[0], len(body)) + body

    return answer


async def test_a_machine_signs_each_attempt_and_keeps_key_and_bytes() -> None:
    journal, call = Journal(), Call(Phase.AUTHORISE, "machine:NK-W-01", 7, "m-1", "NK-W-01", 30)
    key = SigningKey("NK-W-01", Algorithm.HMAC_SHA256, b"4" * 32)
    async with serving(in_turn(None, (503, {}), (201, HELD))) as peer, open_session() as session:
        patient = Patient(session, [f"http://{peer.target.authority}"], draws(1))
        await Caller(patient, journal, draws(1)).make(call, "/v1/redemptions", {"coins": 30}, signed_with(key))
    assert (call.done, call.granted_id, call.expires_at) == (True, "r-1", 1795248000.0)
    assert journal.contradictions == []
    [idempotency_key] = journal.calls
    for request in peer.received:
        assert request.endswith(b'{"coins": 30}')
        assert f"Idempotency-Key: {idempotency_key}".encode() in request
        assert re.search(rb'Signature-Input: sig1=\([^)]*"idempotency-key"\)', request)
    assert len(peer.received) >= 3


async def test_what_nobody_should_hear_is_a_contradiction() -> None:
    journal, call = Journal(), Call(Phase.VOID, "machine:NK-W-01", 7, "m-1", "NK-W-01", redemption_id="r-1")
    async with serving(in_turn((409, {"code": "above_held"}))) as peer, open_session() as session:
        patient = Patient(session, [f"http://{peer.target.authority}"], draws(1))
        await Caller(patient, journal, draws(1)).make(call, "/v1/redemptions/r-1/void", {}, bearer("token"))
    assert (call.done, call.declined_as) == (False, "above_held")
    assert journal.contradictions[0] == "void was refused with 409 above_held"


@pytest.mark.parametrize(
    ("status", "code", "definite"),
    [
        (200, None, True),
        (201, None, True),
        (404, "pay_code_unknown", True),
        (409, "insufficient_coins", True),
        (409, "idempotency_key_in_use", False),
        (422, "idempotency_key_reused", True),
        (503, "database_unavailable", False),
        (500, "internal_error", False),
    ],
)
def test_a_key_that_is_still_running_is_no_answer(status: int, code: str | None, definite: bool) -> None:
    assert is_verdict(status, {"code": code}) is definite
