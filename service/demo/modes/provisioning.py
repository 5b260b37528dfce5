"""How a mode's bin comes into the world and leaves it: registered and claimed as an installer does it, or added as one
that has stood there for long; retired in the end."""

import base64
import json
import os
from collections.abc import Generator
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.bin_keys import CLAIM_KEYID
from schemas.signatures import ED25519_KEY_BYTES, Algorithm, SigningKey
from service.demo import queries
from service.demo.modes.stage import JSON, order
from service.demo.modes.steps import Answer, Step
from service.fleet.bins import Scale, add_bin
from service.secrets import Keyring

WHY: Final = {"reason": "演示 tanbi simulate"}


def claim(bin_id: str, site_id: str, algorithm: Algorithm) -> Generator[Step, Answer, SigningKey]:
    """An operator registers the bin, and it claims itself; with the key that it has from then on."""
    yield order("/v1/bins", {"id": bin_id, "site_id": site_id}, status=201)
    made = yield order(f"/v1/bins/{bin_id}/claim-code", WHY, status=201)
    wanted = {"claim_code": made.field("claim_code"), "algorithm": algorithm.value}
    secret, signer = os.urandom(ED25519_KEY_BYTES), None
    if algorithm is Algorithm.ED25519:
        signer = SigningKey(CLAIM_KEYID, algorithm, secret)
        wanted["public_key"] = base64.b64encode(signer.public_bytes).decode()
    body = json.dumps(wanted).encode()
    claimed = yield Step("POST", "/v1/bins/claim", body, JSON, key=signer, status=201)
    if algorithm is Algorithm.HMAC_SHA256:
        secret = base64.b64decode(claimed.field("secret"))
    return SigningKey(claimed.field("keyid"), algorithm, secret)


def retire(bin_id: str) -> Step:
    return order(f"/v1/bins/{bin_id}/retire", WHY)


async def add_bin_in_field(connection: AsyncConnection, keyring: Keyring, bin_id: str) -> SigningKey:
    """One whose clock nobody has set since it was put there, at some site of the sample: a bin that is claimed tells of
    nothing before."""
    return await add_bin(
        connection,
        keyring,
        bin_id=bin_id,
        site_id=(await queries.read_sample_sites(connection))[0],
        algorithm=Algorithm.ED25519,
        scale=Scale(),
        demo=True,
    )
