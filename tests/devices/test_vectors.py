"""What docs/vectors gives a firmware engineer is what the service takes and what the reference client sends."""

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from schemas.signatures import (
    Algorithm,
    ContentDigestMismatch,
    SignatureWrong,
    VerifyKey,
    parse_signature_headers,
    verify_request,
)
from schemas.weigh_events import weigh_event_adapter
from tests.devices.examples import reference_client
from tests.devices.vectors import DIRECTORY, FILES, file_text

BIN = reference_client()
SIGNATURES: list[dict[str, Any]] = json.loads((DIRECTORY / "signatures.json").read_text())
WEIGH_EVENTS: list[dict[str, Any]] = json.loads((DIRECTORY / "weigh_events.json").read_text())


def named(vectors: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector["name"])


def receive(vector: dict[str, Any], **changes: Any) -> None:
    said = vector | changes
    material = base64.b64decode(vector.get("public_key_base64", vector["key_base64"]))
    verify_request(
        VerifyKey(vector["keyid"], Algorithm(vector["algorithm"]), material),
        parse_signature_headers(said["signature_input"], said["signature"]),
        method=said["method"],
        target=said["target"],
        fields={"content-digest": said["content_digest"]},
        body=said["body"].encode(),
        now=vector["created"],
    )


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_what_the_script_makes(name: str) -> None:
    assert (DIRECTORY / name).read_text(encoding="utf-8") == file_text(FILES[name]()), "run `make vectors`"


@named(SIGNATURES)
def test_the_service_takes_the_signature_and_no_other_request_with_it(vector: dict[str, Any]) -> None:
    receive(vector)
    with pytest.raises(ContentDigestMismatch):
        receive(vector, body=vector["body"] + " ")
    with pytest.raises(SignatureWrong):
        receive(vector, target=vector["target"] + "?y" if "?" not in vector["target"] else vector["target"] + "y")
    with pytest.raises(SignatureWrong):
        receive(vector, method="PUT")


@named(SIGNATURES)
def test_the_signature_is_of_the_base_that_is_shown(vector: dict[str, Any]) -> None:
    base = vector["signature_base"].encode()
    signature = base64.b64decode(vector["signature"].removeprefix("sig1=:").removesuffix(":"))
    if "public_key_base64" in vector:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(vector["public_key_base64"])).verify(signature, base)
    else:
        assert signature == hmac.digest(base64.b64decode(vector["key_base64"]), base, "sha256")


@named(SIGNATURES)
def test_the_client_in_python_signs_the_same_base_and_so_the_same(vector: dict[str, Any]) -> None:
    params = vector["signature_input"].removeprefix("sig1=")
    digest = vector["content_digest"]
    assert BIN.signature_base(vector["method"], vector["target"], digest, params) == vector["signature_base"]
    if vector["algorithm"] == "hmac-sha256":
        secret = base64.b64decode(vector["key_base64"])
        assert BIN.signed_headers(
            vector["keyid"], secret, vector["method"], vector["target"], vector["body"].encode(), vector["created"]
        ) == {"Content-Digest": digest, "Signature-Input": f"sig1={params}", "Signature": vector["signature"]}


@named(WEIGH_EVENTS)
def test_an_event_of_the_vectors_is_one(vector: dict[str, Any]) -> None:
    event, drop = weigh_event_adapter.validate_json(vector["body"]), vector["drop"]
    assert event["source"] == f"/bins/{drop['bin_id']}"
    assert event["time"].timestamp() == drop["time_seconds"]
    assert event["data"].get("credential") == drop["credential"]


@named(WEIGH_EVENTS)
def test_the_client_in_python_writes_the_same_event(vector: dict[str, Any]) -> None:
    drop = dict(vector["drop"])
    envelope = [drop.pop(name) for name in ("bin_id", "id", "time_seconds")]
    assert BIN.cloud_event("weigh-event", *envelope, BIN.drop_data(**drop)) == vector["body"].encode()
