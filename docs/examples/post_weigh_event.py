"""Sign and post a weigh event as a bin does, with the standard library alone: python post_weigh_event.py demo.json

Takes the first HMAC bin and the first resident's card of a demo. Posts one event, the same bytes again, and another
weight under the same id; shows what was answered and what went over the wire.
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
from datetime import datetime, timedelta, timezone
from pathlib import Path

PATH = "/v1/weigh-events"
COVERED = '("@method" "@path" "@query" "content-digest")'


def signed_headers(keyid: str, secret: bytes, body: bytes) -> dict[str, str]:
    """RFC 9530 and RFC 9421: the digest of the body, and a signature over method, path, query and digest."""
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    params = f'{COVERED};created={int(time.time())};keyid="{keyid}"'
    base = f'"@method": POST\n"@path": {PATH}\n"@query": ?\n"content-digest": {digest}\n"@signature-params": {params}'
    signature = base64.b64encode(hmac.digest(secret, base.encode(), "sha256")).decode()
    return {"Content-Digest": digest, "Signature-Input": f"sig1={params}", "Signature": f"sig1=:{signature}:"}


def post(base_url: str, body: bytes, headers: dict[str, str]) -> str:
    """Status and body of the answer, of a refusal too: its `code` and `detail` say what is wrong."""
    request = urllib.request.Request(base_url + PATH, data=body, headers=headers, method="POST")  # noqa: S310  # the address is the demo's own
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  # as above
            return f"{response.status} {response.read().decode()}"
    except urllib.error.HTTPError as refusal:
        return f"{refusal.code} {refusal.read().decode()}"
    except (OSError, http.client.HTTPException):
        # A bin keeps the event and sends the same bytes again later.
        sys.exit(f"nothing answers at {base_url}: start a demo with `make demo`")


def main() -> None:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit(f"usage: {sys.argv[0]} demo.json (`make demo` says where it is)")
    demo = json.loads(Path(sys.argv[1]).read_text())
    hmac_bin = next(smart_bin for smart_bin in demo["bins"] if smart_bin["alg"] == "hmac-sha256")
    secret = base64.b64decode(hmac_bin["private_key"])
    now = datetime.now(timezone(timedelta(hours=8)))
    event = {
        "specversion": "1.0",
        "type": "tanbi.weigh-event.v1",
        "source": f"/bins/{hmac_bin['id']}",
        "id": str(uuid.uuid4()),
        "time": now.isoformat(),
        "data": {
            "sequence": int(now.timestamp()),
            "material": "paper",
            "weight_grams": 1250,
            "credential": {"kind": "card", "value": demo["residents"][0]["card"]},
        },
    }
    other = {**event, "data": {**event["data"], "weight_grams": 9999}}
    for attempt, said in (("first time", event), ("same bytes again", event), ("another weight, same id", other)):
        body = json.dumps(said).encode()
        headers = {**signed_headers(hmac_bin["keyid"], secret, body), "Content-Type": "application/cloudevents+json"}
        print(f"{attempt}: {post(demo['base_url'], body, headers)}")
    print("last sent:", body.decode(), *(f"{name}: {value}" for name, value in headers.items()), sep="\n")


if __name__ == "__main__":
    main()
