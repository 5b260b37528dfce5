"""A bin from its installation to the end of its first outage: python bin_demo.py demo.json [memory.db]

Against a demo, with its `demo.json`. As an operator it registers a bin beside the demo's first one and makes a claim
code; as the bin it claims itself, reads its configuration, keeps three drops while it is offline, and sends them: in
one batch, the same batch again, and another weight under an id that was used. Run again, it is the same bin.
"""

import base64
import json
import sys
import uuid
from pathlib import Path
from typing import Any

from bin import BATCH_EVENTS_MAX, WEIGH_EVENTS, Bin, claim, send, signed_headers
from bin_memory import Memory


def install(demo: dict[str, Any], memory: Memory) -> None:
    """What the operator does at the desk, and the installer with the code at the bin."""
    neighbour = next(each for each in demo["bins"] if each["alg"] == "hmac-sha256")
    bin_id = f"NK-X{uuid.uuid4().hex[:6]}"
    wanted = {"id": bin_id, "site_id": site_of(demo, neighbour), "model": "example"}
    said = as_operator(demo, "/v1/bins", wanted)
    print(f"registered: {said}")
    code = as_operator(demo, f"/v1/bins/{bin_id}/claim-code", {"reason": "example"})["claim_code"]
    answer = claim(memory, demo["base_url"], code)
    print(f"claimed with {code}: {answer.status}, keyid {answer.member('keyid')}")


def site_of(demo: dict[str, Any], neighbour: dict[str, str]) -> str:
    """Where a bin of the demo stands, as it reads it itself."""
    memory = Memory(":memory:")
    memory.learn(
        base_url=demo["base_url"],
        bin_id=neighbour["id"],
        keyid=neighbour["keyid"],
        secret=neighbour["private_key"],
    )
    config = Bin(memory).config()
    if config is None:
        sys.exit(f"{demo['base_url']} does not answer as this demo.json's demo")
    return str(config["site"]["id"])


def as_operator(demo: dict[str, Any], path: str, document: dict[str, Any]) -> Any:
    headers = {
        "Authorization": f"Bearer {demo['operator_key']}",
        "Idempotency-Key": str(uuid.uuid4()),
        "Content-Type": "application/json",
    }
    answer = send("POST", demo["base_url"] + path, headers, json.dumps(document).encode())
    if answer.status != 201:
        sys.exit(f"{path}: {answer.status} {answer.document}")
    return answer.document


def main() -> None:
    if len(sys.argv) not in (2, 3) or not Path(sys.argv[1]).is_file():
        sys.exit(f"usage: {sys.argv[0]} demo.json [memory.db] (`make demo` says where the first is)")
    demo = json.loads(Path(sys.argv[1]).read_text())
    if send("GET", demo["base_url"] + "/livez", {}, b"").status == 0:
        sys.exit(f"nothing answers at {demo['base_url']}: start a demo with `make demo`")
    memory = Memory(sys.argv[2] if len(sys.argv) == 3 else Path(sys.argv[1]).with_name("bin.db"))
    if "keyid" not in memory.facts():
        install(demo, memory)
    memory.learn(base_url=demo["base_url"])
    smart_bin = Bin(memory)
    config = smart_bin.config()
    if config is None:
        sys.exit(f"{demo['base_url']} does not know this bin: delete {sys.argv[2:] or 'bin.db'}")
    print("to show:", *(f"{each['name']} {each['coins_per_kg']}" for each in config["materials"]))
    print(f"heartbeat: {smart_bin.tell().document}")
    card = {"kind": "card", "value": demo["residents"][0]["card"]}
    for weight_grams, shown in ((1250, card), (430, card), (2100, None)):
        kept = smart_bin.weigh("paper", weight_grams, shown)
        print(f"kept as {kept.sequence}: {kept.body.decode()}")
    batch = memory.waiting(BATCH_EVENTS_MAX)
    print(f"after the outage: {json.dumps(smart_bin.send_waiting())}")
    print(f"same batch again: {json.dumps(smart_bin.post(batch).document)}")
    another = kept._replace(body=kept.body.replace(b'"weight_grams":2100', b'"weight_grams":9999'))
    print(f"another weight, same id: {json.dumps(smart_bin.post([another]).document)}")
    key = memory.facts()
    headers = signed_headers(
        key["keyid"], base64.b64decode(key["secret"]), "POST", WEIGH_EVENTS, kept.body, config["server_unix_seconds"]
    )
    print(f"what went over the wire:\nPOST {WEIGH_EVENTS}", *map(": ".join, headers.items()), "", sep="\n")
    print(kept.body.decode())


if __name__ == "__main__":
    main()
