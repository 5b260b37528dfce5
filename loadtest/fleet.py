"""A city's fleet for load: bins and their keys, planted as the service would have stored them, and what they tell."""

import base64
import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from loadtest.baselines import Connection
from loadtest.drops import uuid7
from loadtest.requests import BinKey, Prepared, signed_post
from loadtest.target import Target
from schemas.signatures import Algorithm, SigningKey
from schemas.telemetry import TELEMETRY_TYPE
from schemas.weigh_events import CONTENT_TYPE_EVENT

PATH = "/v1/telemetry"
SECRET_BYTES = 32
NONCE_BYTES = 12
MODELS = ("A1", "A2", "B1")
PREFIXES = {Algorithm.HMAC_SHA256: "LT", Algorithm.ED25519: "LE"}
STATEMENT_SECONDS_MAX = 120.0
PROGRESS_EVERY = 1000

# At the sites that there are in turn; where some are to be suspended, one in a hundred.
BINS = """
WITH place AS (
    SELECT id, row_number() OVER (ORDER BY id) - 1 AS number, count(*) OVER () AS sites FROM site
), planted AS (
    INSERT INTO bin (id, site_id, state, model, verification_interval_grams, capacity_grams, certificate_expires_on)
    SELECT sent.id, place.id, CASE WHEN $5 AND sent.number % 100 = 0 THEN 'suspended' ELSE 'active' END,
           ($3::text[])[1 + sent.number % cardinality($3::text[])], 10, 60000, current_date + 300
    FROM unnest($1::text[]) WITH ORDINALITY AS sent (id, number)
    JOIN place ON place.number = sent.number % place.sites
    RETURNING id, site_id, placed_at
), placements AS (
    INSERT INTO bin_placement (bin_id, effective_from, site_id) SELECT id, placed_at, site_id FROM planted
), memories AS (
    INSERT INTO bin_memory (bin_id) SELECT id FROM planted
), keys AS (
    INSERT INTO bin_key (id, bin_id, algorithm, key)
    SELECT id, id, $4, key FROM unnest($1::text[], $2::bytea[]) AS sent (id, key)
)
UPDATE reference_revision SET revision = revision + 1
"""

# As it is after an hour of daily life: one bin in twenty went away.
SOME_WENT_AWAY = """
UPDATE bin_status SET heard_at = heard_at - interval '1 hour' WHERE hashtext(bin_id) % 20 = 0
"""
SETTLE = "VACUUM (ANALYZE) bin, bin_key, bin_placement, bin_memory, bin_status, bin_telemetry, bin_alarm"


async def plant_fleet(
    connection: Connection,
    master_key: str,
    bins: int,
    *,
    algorithm: Algorithm = Algorithm.HMAC_SHA256,
    some_suspended: bool = False,
) -> list[BinKey]:
    """So many bins with keys of their own, the secrets stored as a service with this key (base64) stores them."""
    cipher = AESGCM(_derived(base64.b64decode(master_key)))
    fleet = [
        BinKey(bin_id, SigningKey(bin_id, algorithm, os.urandom(SECRET_BYTES)))
        for bin_id in (f"{PREFIXES[algorithm]}-{number:05}" for number in range(1, bins + 1))
    ]
    stored = [_stored(cipher, each.key) for each in fleet]
    ids = [each.bin_id for each in fleet]
    await connection.execute(
        BINS, ids, stored, list(MODELS), algorithm.value, some_suspended, timeout=STATEMENT_SECONDS_MAX
    )
    await settle(connection)
    return fleet


async def settle(connection: Connection) -> None:
    """Leave the fleet's tables as autovacuum does some time after they have changed."""
    await connection.execute(SETTLE, timeout=STATEMENT_SECONDS_MAX)


async def let_some_go_away(connection: Connection) -> None:
    await connection.execute(SOME_WENT_AWAY, timeout=STATEMENT_SECONDS_MAX)
    await settle(connection)


def _derived(master: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=None, info=b"tanbi bin-secret").derive(master)


def _stored(cipher: AESGCM, key: SigningKey) -> bytes:
    if key.algorithm is Algorithm.ED25519:
        return key.public_bytes
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, key.secret, key.keyid.encode())


class Heartbeats:
    """Telemetry of a fleet, one bin after the other: each event tells all that a bin can measure."""

    def __init__(self, target: Target, fleet: Sequence[BinKey], *, seed: int) -> None:
        self._target = target
        self._fleet = fleet
        self._random = Random(seed)  # noqa: S311, nothing secret is drawn
        self._told = 0

    def render(self, count: int, *, created: int, progress: Callable[[int], None] | None = None) -> Prepared:
        """`count` signed requests of one event each; goes on with the bin after the last one."""
        requests = []
        for number, bin_key in enumerate(self._next(count)):
            body = json.dumps(self._event(bin_key.bin_id, created), separators=(",", ":")).encode()
            requests.append(signed_post(self._target, PATH, bin_key.key, CONTENT_TYPE_EVENT, body, created))
            if progress is not None and number % PROGRESS_EVERY == 0:
                progress(number)
        return Prepared(requests, 1, created)

    def _next(self, count: int) -> Iterator[BinKey]:
        for _ in range(count):
            yield self._fleet[self._told % len(self._fleet)]
            self._told += 1

    def _event(self, bin_id: str, now: int) -> dict[str, Any]:
        random = self._random
        return {
            "specversion": "1.0",
            "type": TELEMETRY_TYPE,
            "source": f"/bins/{bin_id}",
            "id": uuid7(now * 1000, random.getrandbits(74)),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
            "data": {
                "firmware": "2.4.1",
                "boxes": [
                    {"material": material, "fill_percent": percent, "mass_grams": percent * 300}
                    for material in ("paper", "plastic", "metal")
                    for percent in [random.randrange(90)]
                ],
                "temperature_celsius": round(random.gauss(22, 8), 1),
                "smoke": False,
                "door": "closed",
                "scale_zero_grams": random.randrange(-5, 6),
                # Each bin's own, and low for one in seventeen: alarms that come and go each minute would be no fleet.
                "battery_percent": 15 + zlib.crc32(bin_id.encode()) % 86,
            },
        }
