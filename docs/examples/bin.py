"""A bin, with the standard library alone.

    python bin.py memory.db claim https://bins.example 7K3QX-9M2TB-4DWHZ-N8VJE-1RG6P
    python bin.py memory.db weigh paper 1250 04A224B15C6180     # material, grams and, where one was shown, the card
    python bin.py memory.db send        # what waits, oldest first; prints the outcomes
    python bin.py memory.db config      # materials and tariffs to show, thresholds, firmware
    python bin.py memory.db rotate      # to another key

Keeps each drop on disk before it says thank you, numbers them, and sends what waits when there is a network: the same
bytes until there is an outcome, signed anew each time. docs/devices.md explains the protocol; bin_client.h is the same
for a microcontroller, and bin_demo.py plays a bin of a demo with it.
"""

import base64
import hashlib
import hmac
import http.client
import json
import random
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from bin_memory import Kept, Memory

WEIGH_EVENTS, CLEARANCES, TELEMETRY = "/v1/weigh-events", "/v1/clearances", "/v1/telemetry"
CLAIM, CONFIG, KEYS, CONFIRM = "/v1/bins/claim", "/v1/bins/me/config", "/v1/bins/me/keys", "/v1/bins/me/keys/confirm"
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


def cloud_event(kind: str, bin_id: str, event_id: str, time_seconds: int, data: dict[str, Any]) -> bytes:
    """The event's JSON: in this order and without a space, as bin_client.h writes it."""
    event = {
        "specversion": "1.0",
        "type": f"tanbi.{kind}.v1",
        "source": f"/bins/{bin_id}",
        "id": event_id,
        "time": datetime.fromtimestamp(time_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": data,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def drop_data(
    sequence: int,
    material: str,
    weight_grams: int,
    credential: dict[str, str] | None = None,
    box_weight_grams: int | None = None,
) -> dict[str, Any]:
    """What a weigh event says; `credential` is {"kind": "card", "value": "04A2…"}."""
    data: dict[str, Any] = {"sequence": sequence, "material": material, "weight_grams": weight_grams}
    if credential is not None:
        data["credential"] = credential
    if box_weight_grams is not None:
        data["box_weight_grams"] = box_weight_grams
    return data


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


class Answer(NamedTuple):
    """`status` is 0 where nothing was answered; `document` is None where it was no JSON, such as a proxy's page."""

    status: int
    document: Any
    headers: Mapping[str, str]

    def member(self, name: str) -> Any:
        return self.document.get(name) if isinstance(self.document, dict) else None

    @property
    def code(self) -> str:
        return str(self.member("code") or "")

    @property
    def service_seconds(self) -> float | None:
        """The service's clock: what it says, or else the Date, which a proxy may have written."""
        said = self.member("server_unix_seconds")
        if isinstance(said, int):
            return said
        try:
            return parsedate_to_datetime(self.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return None

    @property
    def retry_after_seconds(self) -> float:
        value = self.headers.get("Retry-After", "")
        return float(value) if value.isdecimal() else 0.0

    def outcomes(self, count: int) -> list[dict[str, Any]] | None:
        """One of each event; None where it was not the service that answered, but a portal's page, say."""
        found = self.member("outcomes")
        return found if isinstance(found, list) and len(found) == count else None


NO_ANSWER = Answer(0, None, {})


def send(method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
    request = urllib.request.Request(url, data=body or None, headers=headers, method=method)  # noqa: S310  # the operator's own address
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310  # as above
            return _read(response.status, response)
    except urllib.error.HTTPError as refusal:
        return _read(refusal.code, refusal)
    except (OSError, http.client.HTTPException):
        return NO_ANSWER


def _read(status: int, response: Any) -> Answer:
    try:
        return Answer(status, json.loads(response.read()), response.headers)
    except ValueError:
        return Answer(status, None, response.headers)
    except (OSError, http.client.HTTPException):
        return NO_ANSWER  # half an answer is none


def claim(memory: Memory, base_url: str, claim_code: str) -> Answer:
    """Give the bin of `memory` its name and key, once; 201 says who it is."""
    body = json.dumps({"claim_code": claim_code, "algorithm": "hmac-sha256"}).encode()
    answer = send("POST", base_url + CLAIM, {"Content-Type": "application/json"}, body)
    if answer.status == 201:
        who = {name: answer.document[name] for name in ("bin_id", "keyid", "secret")}
        memory.learn(base_url=base_url, **who, next_keyid=None, next_secret=None)
    return answer


class Bin:
    """The bin that `memory` knows. `clock` says what its own clock says, `sleep` waits."""

    def __init__(
        self,
        memory: Memory,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._memory = memory
        self._clock = clock
        self._sleep = sleep
        facts = memory.facts()
        self._base_url, self._bin_id = facts["base_url"], facts["bin_id"]
        # By how much the clock is behind the service's; a controller sets its clock instead.
        self._behind_seconds = 0.0

    def weigh(
        self,
        material: str,
        weight_grams: int,
        credential: dict[str, str] | None = None,
        box_weight_grams: int | None = None,
    ) -> Kept:
        """A drop, on the disk when this returns: only then does the bin say thank you."""
        return self._keep(
            WEIGH_EVENTS,
            "weigh-event",
            lambda sequence: drop_data(sequence, material, weight_grams, credential, box_weight_grams),
        )

    def emptied(self, material: str, collector: str, mass_before_grams: int, mass_after_grams: int) -> Kept:
        """A box was emptied; `collector` is the id of a staff card or a vehicle. Of the same count as drops."""
        masses = {"mass_before_grams": mass_before_grams, "mass_after_grams": mass_after_grams}
        return self._keep(
            CLEARANCES,
            "clearance",
            lambda sequence: {"sequence": sequence, "material": material, "collector": collector, **masses},
        )

    def _keep(self, path: str, kind: str, data_of: Callable[[int], dict[str, Any]]) -> Kept:
        event_id, now = str(uuid.uuid4()), int(self._now())
        return self._memory.keep(
            path, lambda sequence: cloud_event(kind, self._bin_id, event_id, now, data_of(sequence))
        )

    def tell(self, **data: Any) -> Answer:
        """Telemetry; with nothing to tell, a heartbeat. It is not kept: the next one says how the bin is then."""
        body = cloud_event("telemetry", self._bin_id, str(uuid.uuid4()), int(self._now()), data)
        return self.call("POST", TELEMETRY, body, {"Content-Type": "application/cloudevents+json"})

    def config(self) -> Any:
        """What the bin needs to know, as it was told now or before; None where it was never told. Sets the clock, and
        after a loss of this memory where the count goes on."""
        facts = self._memory.facts()
        headers = {"If-None-Match": facts["etag"]} if "etag" in facts else {}
        answer = self.call("GET", CONFIG, b"", headers)
        if answer.status == 200 and answer.document is not None:
            if "etag" not in facts and answer.document["sequence"]["next"] > 0:
                self._memory.count_from(answer.document["sequence"]["next"] - 1)
            self._memory.learn(etag=answer.headers["ETag"], config=json.dumps(answer.document))
        return json.loads(self._memory.facts().get("config", "null"))

    def rotate(self) -> Answer:
        """To another secret; may be called again wherever it was interrupted."""
        if "next_keyid" not in self._memory.facts():
            wanted = b'{"algorithm":"hmac-sha256"}'
            issued = self.call("POST", KEYS, wanted, {"Content-Type": "application/json"})
            if issued.status != 201:
                return issued
            # Written down before it is confirmed: a key that counts and is lost locks the bin out.
            self._memory.learn(next_keyid=issued.document["keyid"], next_secret=issued.document["secret"])
        facts = self._memory.facts()
        following = {"keyid": facts["next_keyid"], "secret": facts["next_secret"]}
        confirmed = self.call("POST", CONFIRM, b"{}", {"Content-Type": "application/json"}, key=following)
        if confirmed.status == 200:
            self._memory.learn(**following, next_keyid=None, next_secret=None)
        elif confirmed.code == "key_unknown":
            self._memory.learn(next_keyid=None, next_secret=None)
        return confirmed

    def send_waiting(self) -> list[dict[str, Any]]:
        """Send all that waits, oldest first; the outcomes. What got none after so many attempts stays for later."""
        told: list[dict[str, Any]] = []
        count, pause_seconds, attempts = BATCH_EVENTS_MAX, PAUSE_SECONDS_MIN, 0
        while attempts < ATTEMPTS_MAX and (events := self._memory.waiting(count)):
            answer = self.post(events)
            outcomes = answer.outcomes(len(events))
            do = action(answer.status, answer.code)
            if do == OUTCOMES and outcomes is not None:
                self._memory.forget(events)
                told += outcomes
                # What was refused is behind: larger batches again.
                count, pause_seconds, attempts = min(2 * count, BATCH_EVENTS_MAX), PAUSE_SECONDS_MIN, 0
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
        kind = "application/cloudevents+json" if len(bodies) == 1 else "application/cloudevents-batch+json"
        return self.call("POST", events[0].path, body, {"Content-Type": kind})

    def call(
        self, method: str, target: str, body: bytes, headers: dict[str, str], key: dict[str, str] | None = None
    ) -> Answer:
        """A signed request and its answer; where the clock was wrong it is set, and the request signed anew, once."""
        known, answer = key or self._memory.facts(), NO_ANSWER
        for _ in range(2):
            secret = base64.b64decode(known["secret"])
            signed = signed_headers(known["keyid"], secret, method, target, body, int(self._now()))
            answer = send(method, self._base_url + target, headers | signed, body)
            if action(answer.status, answer.code) != CLOCK or answer.service_seconds is None:
                break
            self._behind_seconds = answer.service_seconds - self._clock()
        return answer

    def _now(self) -> float:
        return self._clock() + self._behind_seconds


def main() -> None:
    usage = (__doc__ or "").split("\n\n")[1]
    if len(sys.argv) < 3:
        sys.exit(usage)
    memory = Memory(sys.argv[1])
    match sys.argv[2:]:
        case ["claim", base_url, claim_code]:
            answer = claim(memory, base_url.rstrip("/"), claim_code)
            print(answer.status or "not answered", answer.code or answer.member("bin_id") or "")
            sys.exit(answer.status != 201)
        case _ if "keyid" not in memory.facts():
            sys.exit("this bin has to be claimed first")
    smart_bin = Bin(memory)
    match sys.argv[2:]:
        case ["weigh", material, grams, *cards] if len(cards) <= 1 and grams.isdecimal():
            kept = smart_bin.weigh(material, int(grams), {"kind": "card", "value": cards[0]} if cards else None)
            print(kept.body.decode())
        case ["send"]:
            print(*map(json.dumps, smart_bin.send_waiting()), sep="\n")
        case ["config"]:
            print(json.dumps(smart_bin.config(), ensure_ascii=False, indent=1))
        case ["rotate"]:
            answer = smart_bin.rotate()
            print(answer.status or "not answered", answer.code or memory.facts()["keyid"])
            sys.exit(answer.status not in (200, 201))
        case _:
            sys.exit(usage)


if __name__ == "__main__":
    main()
