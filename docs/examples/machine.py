"""Sell water for coins as a machine does, with the standard library alone: python machine.py demo.json

Plays a resident of a demo who shows a pay-code, and the demo's first HMAC machine. The first sale is authorised, given
out and captured with what was really given out; the second one is voided, because nothing came.
"""

import base64
import hashlib
import hmac
import http.client
import json
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

ATTEMPTS_MAX = 8
BACKOFF_SECONDS_MAX = 30.0
COINS = 50


def signed_headers(machine: dict[str, str], method: str, path: str, body: bytes, key: str | None) -> dict[str, str]:
    """RFC 9530 and RFC 9421: the digest of the body, and a signature over what the request says.

    A GET has no body and no idempotency key: the digest is of no bytes, and what is not sent is not covered.
    """
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    covered = {"@method": method, "@path": path, "@query": "?", "content-digest": digest}
    if key is not None:
        covered["idempotency-key"] = key
    names = " ".join(f'"{name}"' for name in covered)
    params = f'({names});created={int(time.time())};keyid="{machine["keyid"]}"'
    base = "".join(f'"{name}": {value}\n' for name, value in covered.items()) + f'"@signature-params": {params}'
    secret = base64.b64decode(machine["private_key"])
    signature = base64.b64encode(hmac.digest(secret, base.encode(), "sha256")).decode()
    return {"Content-Digest": digest, "Signature-Input": f"sig1={params}", "Signature": f"sig1=:{signature}:"}


def send(url: str, headers: dict[str, str], body: bytes | None) -> tuple[int, Any, float]:
    """Status (0 where nothing was answered), the answer's JSON, and how many seconds the service asks to wait."""
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310  # the address is the demo's own
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  # as above
            return response.status, json_of(response), 0.0
    except urllib.error.HTTPError as refusal:
        return refusal.code, json_of(refusal), float(refusal.headers.get("Retry-After", 0))
    except (OSError, http.client.HTTPException):
        return 0, None, 0.0


def json_of(response: Any) -> Any:
    """None for what is no JSON, such as a proxy's page."""
    try:
        return json.load(response)
    except ValueError:
        return None


class Machine:
    """One machine. A call is sent again, the same bytes under the same key, until there is a definite answer."""

    def __init__(self, base_url: str, machine: dict[str, str]) -> None:
        self._base_url = base_url
        self._machine = machine

    def authorise(self, pay_code: str, coins: int) -> tuple[int, Any]:
        return self._call("/v1/redemptions", {"pay_code": pay_code, "coins": coins, "capture": False})

    def capture(self, redemption_id: str, coins: int) -> tuple[int, Any]:
        return self._call(f"/v1/redemptions/{redemption_id}/capture", {"coins": coins})

    def void(self, redemption_id: str) -> tuple[int, Any]:
        return self._call(f"/v1/redemptions/{redemption_id}/void", {})

    def look_up(self, redemption_id: str) -> tuple[int, Any]:
        return self._call(f"/v1/redemptions/{redemption_id}", None)

    def _call(self, path: str, wanted: dict[str, Any] | None) -> tuple[int, Any]:
        # A real machine writes path, body and key to its flash here, before it sends: after a power cut it goes on.
        body, key, method = None, None, "GET"
        headers = {}
        if wanted is not None:
            body, key, method = json.dumps(wanted).encode(), str(uuid.uuid4()), "POST"
            headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        wait_seconds = 0.5
        for _ in range(ATTEMPTS_MAX):
            # Signed anew each time: `created` may be 300 s old at most.
            signed = signed_headers(self._machine, method, path, body or b"", key)
            status, answer, asked_seconds = send(self._base_url + path, headers | signed, body)
            if status and status != 408 and status < 500:
                return status, answer
            time.sleep(max(wait_seconds, asked_seconds))
            wait_seconds = min(2 * wait_seconds, BACKOFF_SECONDS_MAX)
        sys.exit(f"{path} was not answered; a machine would keep it and try again later")


def someone_with(demo: dict[str, Any], coins: int) -> dict[str, str]:
    """How a resident who has so many coins calls."""
    for resident in demo["residents"]:
        bearer = {"Authorization": f"Bearer {resident['token']}"}
        status, me, _ = send(f"{demo['base_url']}/v1/me", bearer, None)
        if status == 0:
            sys.exit(f"nothing answers at {demo['base_url']}: start a demo with `make demo`")
        if status != 200 or me is None:
            sys.exit(f"{demo['base_url']} does not answer as this demo.json's demo: {status} {json.dumps(me)}")
        if me["balance_coins"] >= coins:
            return bearer
    sys.exit(f"nobody has {coins} coins yet: wait for the fleet, or run bin_demo.py first")


def new_pay_code(demo: dict[str, Any], resident: dict[str, str]) -> str:
    status, answer, _ = send(f"{demo['base_url']}/v1/me/pay-codes", resident, b"")
    if status != 201:
        sys.exit(f"no pay-code: {status} {answer}")
    return str(answer["pay_code"])


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit(f"usage: {sys.argv[0]} demo.json (`make demo` says where it is)")
    demo = json.loads(Path(sys.argv[1]).read_text())
    machine = Machine(demo["base_url"], next(each for each in demo["machines"] if each["alg"] == "hmac-sha256"))
    resident = someone_with(demo, 2 * COINS)
    for given_out_coins in (30, 0):
        status, held = machine.authorise(new_pay_code(demo, resident), COINS)
        print(f"authorise {COINS}: {status} {json.dumps(held)}")
        if status != 201:
            sys.exit("declined: nothing is given out")
        # Here the water runs, until it has run, the button is let go, or `expires_at` is near.
        if given_out_coins:
            status, answer = machine.capture(held["id"], given_out_coins)
            print(f"capture {given_out_coins}: {status} {json.dumps(answer)}")
        else:
            status, answer = machine.void(held["id"])
            print(f"void: {status} {json.dumps(answer)}")
        status, found = machine.look_up(held["id"])
        print(f"look up: {status} {json.dumps(found)}")


if __name__ == "__main__":
    main()
