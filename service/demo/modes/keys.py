"""Modes of who signs, and what. Pure."""

import base64
import json
import os

from schemas.signatures import Algorithm, SigningKey
from service.demo.modes.stage import JSON, Stage
from service.demo.modes.steps import CREDITED, Script, Step
from service.fleet.rules import proof_text

KEYS = "/v1/bins/me/keys"
# An ended key is refused by every process within what is set for it.
PATIENCE_SECONDS = 10.0


def tampered_body(stage: Stage) -> Script:
    """Someone on the way makes 1.25 kg into 9.25 kg, then corrects the digest too. Nothing of it is stored: the true
    event is credited afterwards, as the first with its id."""
    own, resident = stage.bin, stage.cast.resident
    true = own.drop(resident, 1_250)
    forged = own.post_one(true, CREDITED).body.replace(b'"weight_grams":1250', b'"weight_grams":9250')
    yield own.post_refused(true, "content_digest_mismatch", tampered_body=forged)
    yield own.post_refused(true, "signature_wrong", tampered_body=forged, forged_digest=True)
    yield own.post_one(true, CREDITED)


def stolen_key(stage: Stage) -> Script:
    """The bin has changed its key, and someone has the old one: it makes no keys, and once the bin has ended it nothing
    that it signs is taken any more."""
    own, resident = stage.bin, stage.cast.resident
    stolen = own.key
    yield own.post_one(own.drop(resident, 1_000), CREDITED)
    rotated = yield _another_key(stolen, own.id, mine := os.urandom(32), status=201, keys=2)
    own.key = SigningKey(str(rotated.field("keyid")), Algorithm.ED25519, mine)
    # What was signed before the change and is still on its way arrives.
    yield own.post_one(own.drop(resident, 1_000), CREDITED, key=stolen)
    yield _another_key(stolen, own.id, os.urandom(32), status=403, code="key_not_newest")
    yield Step("DELETE", f"{KEYS}/{stolen.keyid}", key=own.key, status=204)
    yield own.config(key=stolen, status=401, code="key_unknown", patience_seconds=PATIENCE_SECONDS)
    event = own.drop(resident, 1_000)
    yield own.post_refused(event, "key_unknown", key=stolen)
    yield _another_key(stolen, own.id, os.urandom(32), status=401, code="key_unknown")
    yield own.post_one(event, CREDITED)


def _another_key(
    signed_by: SigningKey, bin_id: str, secret: bytes, *, status: int, code: str | None = None, keys: int | None = None
) -> Step:
    """Answered with the `keys` that count then, or refused."""
    new = SigningKey("new", Algorithm.ED25519, secret)
    public_key = base64.b64encode(new.public_bytes).decode()
    proof = base64.b64encode(new.sign(proof_text(bin_id, public_key))).decode()
    wanted = {"algorithm": Algorithm.ED25519.value, "public_key": public_key, "proof": proof}
    body, fields = json.dumps(wanted).encode(), {} if keys is None else {"keys.#": keys}
    return Step("POST", KEYS, body, JSON, key=signed_by, status=status, code=code, fields=fields)
