"""A bin is claimed: who holds its claim code gives it the key that it signs with from then on."""

import base64
import os
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.bin_keys import ClaimedBin
from schemas.signatures import HMAC_SECRET_BYTES_MIN, Algorithm
from service.db import database_now
from service.errors import BinSuspended, ClaimCodeRefused
from service.fleet import queries
from service.fleet.changes import BY_BIN, record
from service.fleet.rules import KeyState, next_keyid, typed_claim_code
from service.fleet.signing_keys import end_all_keys, insert_public_key, insert_secret
from service.reference import raise_revision
from service.secrets import Keyring, token_hash


async def claim_bin(
    connection: AsyncConnection, keyring: Keyring, claim_code: str, public_key: bytes | None, *, demo: bool
) -> ClaimedBin:
    """The bin is active, with this key and no other: its public key, which was shown to be the sender's, or where there
    is none an HMAC secret that is made here and given back this once. Somebody is there, so its clock counts as set.

    A code is good once. For the public key that it was used with it says the same again: an answer may be lost.

    Raises ClaimCodeRefused for a code that is not good, whatever is wrong with it; BinSuspended, which leaves the code
    good; or KeyTaken.
    """
    code_hash = token_hash(typed_claim_code(claim_code))
    bin_id = await queries.bin_of_claim(connection, code_hash, demo=demo)
    row = None if bin_id is None else await queries.lock_bin(connection, bin_id)
    if bin_id is None or row is None:
        raise ClaimCodeRefused
    now: datetime = await database_now(connection)
    keys = await queries.read_keys(connection, bin_id)
    claim = await queries.use_claim(connection, code_hash, now)
    if claim is None:
        return await _claimed_before(connection, bin_id, code_hash, keys, public_key, now)
    if row.state == "suspended":
        raise BinSuspended(
            "This bin is suspended. Its claim code stays good: claim it when the operator has resumed it."
        )
    await end_all_keys(connection, bin_id, now, BY_BIN)
    keyid = next_keyid(bin_id, len(keys))
    secret = None
    if public_key is None:
        secret = os.urandom(HMAC_SECRET_BYTES_MIN)
        await insert_secret(connection, keyring, bin_id, keyid, secret, valid_from=now, demo=claim.demo)
    else:
        await insert_public_key(connection, bin_id, keyid, public_key, valid_from=now, demo=claim.demo)
    await queries.update_bin(connection, bin_id, state="active", serviced_at=now)
    await record(connection, bin_id, "claimed", by=BY_BIN, effective_at=now, subject=keyid)
    await raise_revision(connection)
    return _claimed(bin_id, keyid, secret)


async def _claimed_before(
    connection: AsyncConnection,
    bin_id: str,
    code_hash: bytes,
    keys: Sequence[KeyState],
    public_key: bytes | None,
    now: datetime,
) -> ClaimedBin:
    """What the same claim was answered. Raises ClaimCodeRefused for any other."""
    of_sender = [
        key for key in keys if key.algorithm is Algorithm.ED25519 and key.key == public_key and key.valid_at(now)
    ]
    if not of_sender or not await queries.was_claimed(connection, code_hash):
        raise ClaimCodeRefused
    return _claimed(bin_id, of_sender[0].keyid, None)


def _claimed(bin_id: str, keyid: str, secret: bytes | None) -> ClaimedBin:
    return ClaimedBin(
        bin_id=bin_id,
        keyid=keyid,
        algorithm=Algorithm.ED25519 if secret is None else Algorithm.HMAC_SHA256,
        secret=None if secret is None else base64.b64encode(secret).decode(),
    )
