"""Requests of residents, rendered beforehand as bytes: redemptions, and looks at a statement."""

import time
import uuid
from collections.abc import Sequence
from random import Random

from loadtest.requests import REDEMPTIONS_PATH, Prepared
from loadtest.target import Target

STATEMENT_PATH = "/v1/me/transfers"
COINS = 10


class Payers:
    """Residents who pay, each in turn: so that wallets meet each other no more often than they would in a city."""

    def __init__(self, tokens: Sequence[str], random: Random) -> None:
        self._tokens = tokens
        self._random = random
        self._next = 0

    def render(self, target: Target, count: int, merchant_ids: Sequence[str]) -> Prepared:
        """`count` redemptions at merchants drawn from these, each with a key of its own."""
        bodies = {each: f'{{"merchant_id":"{each}","coins":{COINS}}}'.encode() for each in merchant_ids}
        head = f"POST {REDEMPTIONS_PATH} HTTP/1.1\r\nHost: {target.authority}\r\nContent-Type: application/json\r\n"
        requests = []
        for merchant_id in self._random.choices(merchant_ids, k=count):
            token, body = self._tokens[self._next % len(self._tokens)], bodies[merchant_id]
            key = uuid.UUID(int=self._random.getrandbits(128), version=4)
            fields = f"Authorization: Bearer {token}\r\nIdempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
            requests.append(f"{head}{fields}".encode("ascii") + body)
            self._next += 1
        return Prepared(requests, events_each=1, created=int(time.time()))


def render_looks(target: Target, count: int, token: str) -> Prepared:
    """`count` looks at the first page of the statement of whose session this is."""
    head = f"GET {STATEMENT_PATH} HTTP/1.1\r\nHost: {target.authority}\r\nAuthorization: Bearer {token}\r\n\r\n"
    return Prepared([head.encode("ascii")] * count, events_each=1, created=int(time.time()))
