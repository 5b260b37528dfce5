"""The test vectors of docs/vectors, for who writes a bin's firmware; `make vectors` writes them.

Nothing in them is random: Ed25519 and HMAC sign the same in the same way, and the keys are counted bytes.
"""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pydantic_core

from schemas.signatures import (
    REQUIRED_COMPONENTS,
    Algorithm,
    SigningKey,
    parse_signature_headers,
    sign_request,
    signature_base,
)

DIRECTORY: Final = Path(__file__).parent.parent.parent / "docs" / "vectors"
CREATED: Final = 1_795_140_000  # 2026-11-20T02:00:00Z
BIN_ID: Final = "NK-0001"
TARGET: Final = "/v1/weigh-events"

KEYS: Final = {
    "ed25519": SigningKey("NK-0001", Algorithm.ED25519, bytes(range(32))),
    "hmac-sha256, 32 bytes": SigningKey("NK-0002", Algorithm.HMAC_SHA256, bytes(range(32))),
    "hmac-sha256, 64 bytes: one block": SigningKey("NK-0002:2", Algorithm.HMAC_SHA256, bytes(range(64))),
    "hmac-sha256, 65 bytes: hashed first": SigningKey("NK-0002:3", Algorithm.HMAC_SHA256, bytes(range(65))),
}

CARD: Final = {"kind": "card", "value": "04A224B15C6180"}
_FIRST: Final[dict[str, Any]] = {
    "bin_id": BIN_ID,
    "id": "01939c1a-7f00-7c3e-9d5a-3f1f0a6c1b2d",
    "time_seconds": CREATED,
    "sequence": 1042,
    "material": "paper",
    "weight_grams": 1250,
    "credential": CARD,
    "box_weight_grams": 20310,
}
DROPS: Final[dict[str, dict[str, Any]]] = {
    "with all there is": _FIRST,
    "without a credential and a box": {
        **_FIRST,
        "id": "01939c1a-7f01-7000-8000-000000000001",
        "sequence": 1043,
        "credential": None,
        "box_weight_grams": None,
    },
    "a code in which quotes and backslashes are escaped": {
        **_FIRST,
        "id": "drop.1044",
        "sequence": 1044,
        "credential": {"kind": "code", "value": 'TB"7\\8/~'},
    },
    "the smallest of everything": {
        "bin_id": "b",
        "id": "1",
        "time_seconds": 0,
        "sequence": 0,
        "material": "p",
        "weight_grams": 1,
        "credential": {"kind": "card", "value": "0000"},
        "box_weight_grams": 0,
    },
    "the largest of everything": {
        "bin_id": "B" * 64,
        "id": "f" * 64,
        "time_seconds": 253_402_300_799,
        "sequence": 2**53 - 1,
        "material": "m" * 32,
        "weight_grams": 1_000_000_000,
        "credential": {"kind": "code", "value": '"' * 64},
        "box_weight_grams": 1_000_000_000,
    },
    "a leap day": {**_FIRST, "id": "leap", "time_seconds": 1_835_438_399},
}


def event_body(drop: dict[str, Any]) -> bytes:
    """The event's JSON as the reference clients write it: this order, no spaces, the time in UTC."""
    data = {name: drop[name] for name in ("sequence", "material", "weight_grams", "credential", "box_weight_grams")}
    if drop["credential"] is not None:
        data["credential"] = {name: drop["credential"][name] for name in ("kind", "value")}
    event = {
        "specversion": "1.0",
        "type": "tanbi.weigh-event.v1",
        "source": f"/bins/{drop['bin_id']}",
        "id": drop["id"],
        "time": _rfc3339(drop["time_seconds"]),
        "data": {name: value for name, value in data.items() if value is not None},
    }
    return pydantic_core.to_json(event)


def weigh_event_vectors() -> list[dict[str, Any]]:
    return [{"name": name, "drop": drop, "body": event_body(drop).decode()} for name, drop in DROPS.items()]


def signature_vectors() -> list[dict[str, Any]]:
    events = [event_body(drop) for drop in DROPS.values()]
    requests = {
        "a weigh event": ("POST", TARGET, events[0]),
        "a batch": ("POST", TARGET, b"[" + b",".join(events[:2]) + b"]"),
        "text that is not ASCII, in UTF-8": ("POST", TARGET, '{"notice":"学府街道 · 请清空"}'.encode()),
        "no body": ("GET", "/v1/bins/me/config", b""),
        "a query": ("POST", f"{TARGET}?dry=1&x=%E7%BA%B8", b"{}"),
        "an empty query": ("POST", f"{TARGET}?", b"{}"),
        # Around the ends of SHA-256's blocks, where its padding takes another one.
        **{
            f"a body of {bytes_} bytes": ("POST", TARGET, b"x" * bytes_) for bytes_ in (1, 55, 56, 63, 64, 65, 119, 120)
        },
    }
    return [
        _signed(f"{what}; {kind}", key, *request) for what, request in requests.items() for kind, key in KEYS.items()
    ]


def _signed(name: str, key: SigningKey, method: str, target: str, body: bytes) -> dict[str, Any]:
    headers = sign_request(key, method=method, target=target, body=body, created=CREATED)
    params = parse_signature_headers(headers["Signature-Input"], headers["Signature"]).signature_params
    fields = {"content-digest": headers["Content-Digest"]}
    base = signature_base(REQUIRED_COMPONENTS, params, method=method, target=target, fields=fields)
    public = {} if key.algorithm is Algorithm.HMAC_SHA256 else {"public_key_base64": _base64(key.public_bytes)}
    return {
        "name": name,
        "algorithm": key.algorithm.value,
        "keyid": key.keyid,
        "key_base64": _base64(key.secret),
        **public,
        "created": CREATED,
        "method": method,
        "target": target,
        "body": body.decode(),
        "content_digest": headers["Content-Digest"],
        "signature_base": base.decode(),
        "signature_input": headers["Signature-Input"],
        "signature": headers["Signature"],
    }


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def file_text(vectors: list[dict[str, Any]]) -> str:
    return json.dumps(vectors, ensure_ascii=False, indent=1) + "\n"


FILES: Final = {"signatures.json": signature_vectors, "weigh_events.json": weigh_event_vectors}


if __name__ == "__main__":
    for name, vectors in FILES.items():
        (DIRECTORY / name).write_text(file_text(vectors()), encoding="utf-8")
