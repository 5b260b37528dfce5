"""Calls with an Idempotency-Key while the service is being killed: the same bytes until there is a definite answer, a
part of them to two replicas at the same moment, and each answer told to the journal."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from loadtest.journal import Call, Journal, Phase
from loadtest.patience import GaveUp, Patient
from schemas.signatures import SigningKey, sign_request

# Shares of calls: to two replicas at the same moment; once more, after it was answered.
TWIN_SHARE = 0.25
REPLAY_SHARE = 0.1

# Declines that can be deserved. Whether one was, the proof says, when all answers are known.
DECLINES = {
    Phase.REDEEM: {"insufficient_coins"},
    Phase.AUTHORISE: {"insufficient_coins", "pay_code_used", "pay_code_expired"},
    Phase.CAPTURE: {"hold_expired", "hold_voided"},
    Phase.VOID: {"hold_expired", "already_captured"},
    Phase.REFUND: {"above_captured"},
}

# How a caller shows who it is: the headers of a request to this path with this body and this Idempotency-Key.
Credential = Callable[[str, bytes, str], Mapping[str, str]]


def bearer(token: str) -> Credential:
    """A resident by their session, or a merchant by its API key."""
    return lambda _path, _body, _key: {"Authorization": f"Bearer {token}"}


def signed_with(signing_key: SigningKey) -> Credential:
    """A machine by its signature, made anew each time, which covers the Idempotency-Key."""

    def sign(path: str, body: bytes, key: str) -> Mapping[str, str]:
        also = {"idempotency-key": key}
        return sign_request(signing_key, method="POST", target=path, body=body, created=int(time.time()), also=also)

    return sign


class Caller:
    """Makes calls for whoever it is given a credential of."""

    def __init__(self, patient: Patient, journal: Journal, random: Random) -> None:
        self._patient = patient
        self._journal = journal
        self._random = random

    async def make(self, call: Call, path: str, document: Mapping[str, Any], credential: Credential) -> None:
        """Send it under a new key; when this returns, `call` has its answer, or the run has ended without one."""
        key = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        self._journal.calls[key] = call
        body = json.dumps(document).encode()

        def headers() -> Mapping[str, str]:
            fields = {"Content-Type": "application/json", "Idempotency-Key": key}
            return {**fields, **credential(path, body, key)}

        replica = self._random.randrange(self._patient.replicas)
        twins = 2 if self._random.random() < TWIN_SHARE else 1
        await asyncio.gather(
            *(self._send(key, path, body, headers, (replica + twin) % self._patient.replicas) for twin in range(twins))
        )
        if self._random.random() < REPLAY_SHARE:
            await self._send(key, path, body, headers, replica)

    async def _send(
        self, key: str, path: str, body: bytes, headers: Callable[[], Mapping[str, str]], replica: int
    ) -> None:
        phase = self._journal.calls[key].phase
        try:
            status, answer = await self._patient.post(phase, path, body, headers, is_verdict, replica)
        except GaveUp:
            return
        if status not in (200, 201) and answer.get("code") not in DECLINES[phase]:
            self._journal.contradictions.append(f"{phase} was refused with {status} {answer.get('code')}")
        self._journal.heard(key, status, answer, time.time())


def is_verdict(status: int, document: Any) -> bool:
    """Any answer that the same key will get for ever."""
    if status == 409:
        return bool(document.get("code") != "idempotency_key_in_use")
    return status in (200, 201) or (400 <= status < 500 and status not in (408, 429))
