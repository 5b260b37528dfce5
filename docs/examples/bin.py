"""A bin, with the standard library alone: python bin.py demo.json [memory.db]

Keeps each drop on disk before it says thank you, numbers them, and sends what waits when there is a network: the same
bytes until there is an outcome, signed anew each time. Run with a demo's `demo.json` it plays the demo's first HMAC bin
after an outage: three drops in one batch, the same batch again, and another weight under an id that was used.
docs/devices.md explains the protocol; bin_client.c is the same for a microcontroller.
"""

import base64
import hashlib
import hmac
import http.client
import json
import random
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

WEIGH_EVENTS = "/v1/weigh-events"
COVERED = '("@method" "@path" "@query" "content-digest")'
BATCH_EVENTS_MAX = 500
ATTEMPTS_MAX = 12
PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX = 0.5, 60.0
OUTCOMES, AGAIN, CLOCK, SPLIT, WAIT = "outcomes", "again", "clock", "split", "wait"


def signature_base(method: str, target: str, digest: str, params: str) -> str:
    """What is signed (RFC 9421 §2.5): the request, the digest of its body, and what the signature says of itself."""
    path, _, query = target.partition("?")
    return (
        f'"@method": {method}\n"@path": {path}\n"@query": ?{query}\n"content-digest": {digest}\n'
        f'"@signature-params": {params}'
    )


def signed_headers(
    keyid: str, secret: bytes, method: str, target: str, body: bytes, created_seconds: int
) -> dict[str, str]:
    """RFC 9530's digest of the body, and RFC 9421's signature with HMAC-SHA-256."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    params = f'{COVERED};created={created_seconds};keyid="{keyid}"'
    mac = hmac.digest(secret, signature_base(method, target, digest, params).encode(), "sha256")
    return {
        "Content-Digest": digest,
        "Signature-Input": f"sig1={params}",
        "Signature": f"sig1=:{base64.b64encode(mac).decode()}:",
    }


def weigh_event(
    bin_id: str,
    event_id: str,
    time_seconds: int,
    sequence: int,
    material: str,
    weight_grams: int,
    credential: dict[str, str] | None = None,
    box_weight_grams: int | None = None,
) -> bytes:
    """The event's JSON, the same bytes as bin_client.c writes; `credential` is {"kind": "card", "value": "04A2…"}."""
    data: dict[str, Any] = {"sequence": sequence, "material": material, "weight_grams": weight_grams}
    if credential is not None:
        data["credential"] = credential
    if box_weight_grams is not None:
        data["box_weight_grams"] = box_weight_grams
    event = {
        "specversion": "1.0",
        "type": "tanbi.weigh-event.v1",
        "source": f"/bins/{bin_id}",
        "id": event_id,
        "time": datetime.fromtimestamp(time_seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),  # noqa: UP017  # also for older Pythons
        "data": data,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def action(status: int, code: str) -> str:
    """What the table in docs/devices.md says to do; a code that is not there is decided by its status."""
    if status == 200:
        return OUTCOMES
    if status == 0 or status >= 500 or status in (408, 425, 429) or code == "body_incomplete":
        return AGAIN
    if code == "signature_stale":
        return CLOCK
    if status == 413 or code in ("malformed_json", "validation_failed"):
        return SPLIT
    return WAIT


class Kept(NamedTuple):
    """An event that waits: `body` is what is sent, to the byte, however often."""

    sequence: int
    body: bytes


class Memory:
    """What survives a power cut; to be used by one thread that weighs and one that sends.

    AUTOINCREMENT never gives a number twice, also of a row that was forgotten.
    """

    def __init__(self, path: str | Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # Each commit is on the disk before it returns, and no second process numbers events here.
        self._db.executescript(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
            "CREATE TABLE IF NOT EXISTS event"
            " (sequence INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL, refused TEXT)"
        )

    def keep(self, write: Callable[[int], bytes]) -> Kept:
        """A new event, written by `write` once it has its number: both or neither."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                sequence = self._db.execute("INSERT INTO event (body) VALUES ('')").lastrowid or 0
                kept = Kept(sequence, write(sequence))
                self._db.execute("UPDATE event SET body = ? WHERE sequence = ?", (kept.body, sequence))
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            return kept

    def waiting(self, count_max: int) -> list[Kept]:
        """The oldest first: so nothing is late that need not be."""
        query = "SELECT sequence, body FROM event WHERE refused IS NULL ORDER BY sequence LIMIT ?"
        with self._lock:
            return [Kept(*row) for row in self._db.execute(query, (count_max,))]

    def forget(self, events: Sequence[Kept]) -> None:
        between = (events[0].sequence, events[-1].sequence)
        with self._lock:
            self._db.execute("DELETE FROM event WHERE sequence BETWEEN ? AND ? AND refused IS NULL", between)

    def set_aside(self, event: Kept, why: str) -> None:
        """Kept for the technician, and in nobody's way."""
        with self._lock:
            self._db.execute("UPDATE event SET refused = ? WHERE sequence = ?", (why, event.sequence))

    def close(self) -> None:
        self._db.close()


class Answer(NamedTuple):
    """`status` is 0 where nothing was answered; `document` is None where it was no JSON, such as a proxy's page."""

    status: int
    document: Any
    date_seconds: float | None
    retry_after_seconds: float

    @property
    def code(self) -> str:
        return str(self.document.get("code", "")) if isinstance(self.document, dict) else ""

    @property
    def service_seconds(self) -> float | None:
        """The service's clock: what it says, or else the Date, which a proxy may have written."""
        said = self.document.get("server_unix_seconds") if isinstance(self.document, dict) else None
        return said if isinstance(said, int) else self.date_seconds

    def outcomes(self, count: int) -> list[dict[str, Any]] | None:
        """One of each event; None where it was not the service that answered, but a portal's page, say."""
        found = self.document.get("outcomes") if isinstance(self.document, dict) else None
        return found if isinstance(found, list) and len(found) == count else None


NO_ANSWER = Answer(0, None, None, 0.0)


class Bin:
    """One bin. `clock` says what its own clock says, `sleep` waits."""

    def __init__(
        self,
        base_url: str,
        bin_id: str,
        keyid: str,
        secret: bytes,
        memory: Memory,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url
        self._bin_id = bin_id
        self._keyid = keyid
        self._secret = secret
        self._memory = memory
        self._clock = clock
        self._sleep = sleep
        # By how much the clock is behind the service's, which a real bin keeps or sets its clock by.
        self._behind_seconds = 0.0

    def weigh(
        self,
        material: str,
        weight_grams: int,
        credential: dict[str, str] | None = None,
        box_weight_grams: int | None = None,
    ) -> Kept:
        """A drop, on the disk when this returns: only then does the bin say thank you."""
        event_id, now = str(uuid.uuid4()), int(self._now())
        return self._memory.keep(
            lambda sequence: weigh_event(
                self._bin_id, event_id, now, sequence, material, weight_grams, credential, box_weight_grams
            )
        )

    def send_waiting(self) -> list[dict[str, Any]]:
        """Send all that waits, oldest first; the outcomes. What got none after so many attempts stays for later."""
        told: list[dict[str, Any]] = []
        count, pause_seconds, clock_was_set = BATCH_EVENTS_MAX, PAUSE_SECONDS_MIN, False
        attempts = 0
        while attempts < ATTEMPTS_MAX and (events := self._memory.waiting(count)):
            answer = self.post(events)
            outcomes = answer.outcomes(len(events))
            do = action(answer.status, answer.code)
            if do == OUTCOMES and outcomes is not None:
                self._memory.forget(events)
                told += outcomes
                # What was refused is behind: larger batches again.
                count, pause_seconds, attempts = min(2 * count, BATCH_EVENTS_MAX), PAUSE_SECONDS_MIN, 0
            elif do == CLOCK and answer.service_seconds is not None and not clock_was_set:
                self._behind_seconds = answer.service_seconds - self._clock()
                clock_was_set = True
            elif do == SPLIT and len(events) > 1:
                count = len(events) // 2
            elif do == SPLIT:
                self._memory.set_aside(events[0], f"{answer.status} {answer.code}")
            elif do == WAIT:
                print(f"refused: {answer.status} {answer.code}; ask the operator", file=sys.stderr)
                break  # a bin asks again every ten minutes: what mends this is done elsewhere
            else:
                attempts += 1
                # A little more by chance: bins that failed together must not come back together.
                self._sleep(max(pause_seconds, answer.retry_after_seconds) * random.uniform(1.0, 1.3))  # noqa: S311
                pause_seconds = min(2 * pause_seconds, PAUSE_SECONDS_MAX)
        return told

    def post(self, events: Sequence[Kept]) -> Answer:
        """One request with these events, which are not touched: one alone, or a batch."""
        bodies = [event.body for event in events]
        body = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
        headers = {
            "Content-Type": f"application/cloudevents{'' if len(bodies) == 1 else '-batch'}+json",
            **signed_headers(self._keyid, self._secret, "POST", WEIGH_EVENTS, body, int(self._now())),
        }
        return send(self._base_url + WEIGH_EVENTS, headers, body)

    def _now(self) -> float:
        return self._clock() + self._behind_seconds


def send(url: str, headers: dict[str, str], body: bytes | None) -> Answer:
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310  # the operator's own address
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310  # as above
            return read(response.status, response)
    except urllib.error.HTTPError as refusal:
        return read(refusal.code, refusal)
    except (OSError, http.client.HTTPException):
        return NO_ANSWER


def read(status: int, response: Any) -> Answer:
    try:
        document = json.loads(response.read())
    except ValueError:
        document = None
    except (OSError, http.client.HTTPException):
        return NO_ANSWER  # half an answer is none
    date, retry_after = response.headers.get("Date"), response.headers.get("Retry-After", "")
    try:
        date_seconds = None if date is None else parsedate_to_datetime(date).timestamp()
    except ValueError:
        date_seconds = None
    return Answer(status, document, date_seconds, float(retry_after) if retry_after.isdecimal() else 0.0)


def main() -> None:
    if len(sys.argv) not in (2, 3) or not Path(sys.argv[1]).is_file():
        sys.exit(f"usage: {sys.argv[0]} demo.json [memory.db] (`make demo` says where the first is)")
    demo = json.loads(Path(sys.argv[1]).read_text())
    known = next(smart_bin for smart_bin in demo["bins"] if smart_bin["alg"] == "hmac-sha256")
    memory = Memory(sys.argv[2] if len(sys.argv) == 3 else Path(sys.argv[1]).with_name("bin.db"))
    smart_bin = Bin(demo["base_url"], known["id"], known["keyid"], base64.b64decode(known["private_key"]), memory)
    if send(demo["base_url"] + "/livez", {}, None).status == 0:
        sys.exit(f"nothing answers at {demo['base_url']}: start a demo with `make demo`")
    card = {"kind": "card", "value": demo["residents"][0]["card"]}
    for weight_grams, shown in ((1250, card), (430, card), (2100, None)):
        kept = smart_bin.weigh("paper", weight_grams, shown)
        print(f"kept as {kept.sequence}: {kept.body.decode()}")
    batch = memory.waiting(BATCH_EVENTS_MAX)
    print(f"after the outage: {json.dumps(smart_bin.send_waiting())}")
    print(f"same batch again: {json.dumps(smart_bin.post(batch).document)}")
    another = Kept(kept.sequence, kept.body.replace(b'"weight_grams":2100', b'"weight_grams":9999'))
    print(f"another weight, same id: {json.dumps(smart_bin.post([another]).document)}")
    headers = signed_headers(
        known["keyid"], base64.b64decode(known["private_key"]), "POST", WEIGH_EVENTS, kept.body, int(time.time())
    )
    print("a request:", f"POST {WEIGH_EVENTS}", *(f"{name}: {value}" for name, value in headers.items()), sep="\n")
    print(f"\n{kept.body.decode()}")


if __name__ == "__main__":
    main()
