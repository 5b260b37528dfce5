"""Bins' keys: one follows another, both are good for a while, and any of them ends.

The newest key makes and ends keys, and no other does: a key that was stolen before the bin changed it is worth nothing
here. A key counts from when its bin has shown that it has it. For Ed25519 that is a proof in the request that brings
it; an HMAC secret is made by the service, so it counts from a second request, which it signs. Until then the same
request is answered with the same secret and nothing else changes, so an answer may be lost at any step.

Everything happens in the caller's transaction, with the bin's row locked.
"""

import base64
import math
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.bin_keys import IssuedKey, NewKey
from schemas.fleet import BinKey, BinKeys, ClaimCode
from schemas.signatures import HMAC_SECRET_BYTES_MIN, Algorithm, SigningKey
from service.db import database_now, violated_constraint
from service.errors import (
    BinKeyUnknown,
    BinSuspended,
    BinUnknown,
    KeyNotNewest,
    KeysRateLimited,
    KeyTaken,
    KeyUnknown,
    KeyUnreadable,
    NewestKeyStays,
)
from service.fleet import queries
from service.fleet.bins import lock_living_bin, make_claim_code
from service.fleet.changes import BY_BIN, By, record
from service.fleet.rules import KeyState, check_proof, ed25519_public_key, newest_key, next_keyid
from service.reference import raise_revision
from service.secrets import Keyring

HOUR: Final = timedelta(hours=1)
# Of one bin: a bin that changes its key each day, and its installer who tries it, have room.
KEYS_AN_HOUR_MAX: Final = 10

# -- by the bin -----------------------------------------------------------------------------------------------------


async def make_key(
    connection: AsyncConnection,
    keyring: Keyring,
    bin_id: str,
    signed_by: str,
    wanted: NewKey,
    *,
    overlap: timedelta,
    demo: bool,
) -> IssuedKey:
    """Another key of a bin that signed with `signed_by`: a public key counts at once, and the key before it for
    `overlap` more; a secret counts when it is confirmed.

    Raises KeyInvalid, KeyProofWrong, KeyUnknown, KeyNotNewest, KeyTaken, KeysRateLimited, KeyUnreadable or
    BinSuspended.
    """
    public_key = None
    if wanted.public_key is not None and wanted.proof is not None:
        public_key = ed25519_public_key(wanted.public_key)
        check_proof(bin_id, wanted.public_key, public_key, wanted.proof)
    keys, now = await _lock_active_bin(connection, bin_id)
    signer = _key_of(keys, signed_by)
    if signer is None or not signer.valid_at(now):
        raise KeyUnknown
    known = [each for each in keys if public_key is not None and each.key == public_key]
    if known and known[0].valid_at(now):
        return _issued(known[0], None, keys, now)
    if known:
        raise KeyTaken
    if newest_key(keys, now) != signer:
        raise KeyNotNewest
    _require_pause(keys, now)
    keyid = next_keyid(bin_id, len(keys))
    if public_key is None:
        return await _issue_secret(connection, keyring, bin_id, keyid, keys, now, demo=demo)
    await _make_way(connection, bin_id, keys, now, overlap)
    await insert_public_key(connection, bin_id, keyid, public_key, valid_from=now, demo=demo)
    await record(connection, bin_id, "key_added", by=BY_BIN, effective_at=now, subject=keyid)
    await raise_revision(connection)
    keys = await queries.read_keys(connection, bin_id)
    return _issued(KeyState(keyid, Algorithm.ED25519, public_key, now, None), None, keys, now)


def _require_pause(keys: Sequence[KeyState], now: datetime) -> None:
    """Each key is kept for ever, and makes every process read keys again. Raises KeysRateLimited."""
    made = sorted(each.valid_from for each in keys if each.valid_from is not None and each.valid_from > now - HOUR)
    if len(made) >= KEYS_AN_HOUR_MAX:
        raise KeysRateLimited(retry_after_seconds=math.ceil((made[0] + HOUR - now).total_seconds()))


async def confirm_key(connection: AsyncConnection, bin_id: str, keyid: str, *, overlap: timedelta) -> BinKeys:
    """The bin has signed with this secret: it counts from now on, and the key before it for `overlap` more. Again, it
    changes nothing. Raises KeyUnknown, KeyNotNewest where another one waits for it, or BinSuspended."""
    keys, now = await _lock_active_bin(connection, bin_id)
    key = _key_of(keys, keyid)
    if key is None or key.ended_at(now):
        raise KeyUnknown
    if not key.pending_at(now) and any(each.pending_at(now) for each in keys):
        # Or a bin that signs with the wrong one would take its change for done, and forget the good one.
        raise KeyNotNewest
    if key.pending_at(now):
        await _make_way(connection, bin_id, [each for each in keys if each != key], now, overlap)
        await queries.update_key(connection, keyid, valid_from=now)
        await record(connection, bin_id, "key_added", by=BY_BIN, effective_at=now, subject=keyid)
        await raise_revision(connection)
        keys = await queries.read_keys(connection, bin_id)
    return _living(keys, now)


async def end_own_key(connection: AsyncConnection, bin_id: str, signed_by: str, keyid: str) -> None:
    """A key before the newest ends now; one that has ended stays so.

    Raises KeyUnknown, KeyNotNewest, BinKeyUnknown, NewestKeyStays or BinSuspended.
    """
    keys, now = await _lock_active_bin(connection, bin_id)
    signer, key = _key_of(keys, signed_by), _key_of(keys, keyid)
    if signer is None or not signer.valid_at(now):
        raise KeyUnknown
    if newest_key(keys, now) != signer:
        raise KeyNotNewest
    if key is None:
        raise BinKeyUnknown
    if key == signer:
        raise NewestKeyStays
    if not key.ended_at(now):
        await _end(connection, bin_id, key, now, BY_BIN)
        await raise_revision(connection)


# -- by an operator -------------------------------------------------------------------------------------------------


async def read_bin_keys(connection: AsyncConnection, bin_id: str) -> BinKeys:
    """All that the bin has ever had. Raises BinUnknown."""
    if await queries.find_bin(connection, bin_id) is None:
        raise BinUnknown(f"There is no bin {bin_id}.")
    now: datetime = await database_now(connection)
    keys = await queries.read_keys(connection, bin_id)
    return BinKeys(keys=_shown(keys, newest_key(keys, now)))


async def end_key(connection: AsyncConnection, bin_id: str, keyid: str, by: By) -> BinKeys:
    """A key that was stolen ends now; one that has ended stays so. Raises BinUnknown, BinRetired or BinKeyUnknown."""
    await lock_living_bin(connection, bin_id)
    now: datetime = await database_now(connection)
    key = _key_of(await queries.read_keys(connection, bin_id), keyid)
    if key is None:
        raise BinKeyUnknown(f"The bin {bin_id} has no key {keyid}.")
    if not key.ended_at(now):
        await _end(connection, bin_id, key, now, by)
        await raise_revision(connection)
    return await read_bin_keys(connection, bin_id)


async def replace_keys(
    connection: AsyncConnection, bin_id: str, by: By, *, lifetime: timedelta, demo: bool
) -> ClaimCode:
    """All keys of a bin end now, and a claim code is made by which it gets another: for one whose newest key is not its
    own any more. Raises BinUnknown or BinRetired."""
    await lock_living_bin(connection, bin_id)
    await end_all_keys(connection, bin_id, await database_now(connection), by)
    await raise_revision(connection)
    return await make_claim_code(connection, bin_id, by, lifetime=lifetime, demo=demo)


async def end_all_keys(connection: AsyncConnection, bin_id: str, now: datetime, by: By) -> None:
    """What is not over ends now. The bin is locked; the caller raises the revision."""
    for key in await queries.read_keys(connection, bin_id):
        if not key.ended_at(now):
            await _end(connection, bin_id, key, now, by)


# -- rows -----------------------------------------------------------------------------------------------------------


async def insert_public_key(
    connection: AsyncConnection, bin_id: str, keyid: str, public_key: bytes, *, valid_from: datetime, demo: bool
) -> None:
    """Raises KeyTaken; the caller rolls back."""
    try:
        await queries.insert_key(
            connection,
            id=keyid,
            bin_id=bin_id,
            algorithm=Algorithm.ED25519.value,
            key=public_key,
            valid_from=valid_from,
            demo=demo,
        )
    except IntegrityError as error:
        if violated_constraint(error) == "uq_bin_key_public_key":
            raise KeyTaken from None
        raise


async def insert_secret(
    connection: AsyncConnection,
    keyring: Keyring,
    bin_id: str,
    keyid: str,
    secret: bytes,
    *,
    valid_from: datetime | None,
    demo: bool,
) -> None:
    """`valid_from` None: it does not count yet."""
    key = SigningKey(keyid, Algorithm.HMAC_SHA256, secret)
    await queries.insert_key(
        connection,
        id=keyid,
        bin_id=bin_id,
        algorithm=Algorithm.HMAC_SHA256.value,
        key=keyring.stored_key("bin", key),
        valid_from=valid_from,
        demo=demo,
    )


async def _issue_secret(
    connection: AsyncConnection,
    keyring: Keyring,
    bin_id: str,
    keyid: str,
    keys: Sequence[KeyState],
    now: datetime,
    *,
    demo: bool,
) -> IssuedKey:
    """The one that waits to be confirmed, or a new one: of two answers on their way both are right."""
    waiting = [each for each in keys if each.pending_at(now)]
    if waiting:
        try:
            secret = keyring.decrypt_signing_secret("bin", waiting[0].keyid, waiting[0].key)
        except InvalidTag:
            raise KeyUnreadable from None
        return _issued(waiting[0], secret, keys, now)
    secret = os.urandom(HMAC_SECRET_BYTES_MIN)
    await insert_secret(connection, keyring, bin_id, keyid, secret, valid_from=None, demo=demo)
    issued = KeyState(keyid, Algorithm.HMAC_SHA256, b"", None, None)
    return _issued(issued, secret, [*keys, issued], now)


async def _make_way(
    connection: AsyncConnection, bin_id: str, keys: Sequence[KeyState], now: datetime, overlap: timedelta
) -> None:
    """The newest of these keys stays good for the overlap, at most as long as it was; every other ends now."""
    newest = newest_key(keys, now)
    for key in keys:
        if key.ended_at(now):
            continue
        ends_at = now + overlap if key == newest else now
        if key.valid_until is None or ends_at < key.valid_until:
            await _end(connection, bin_id, key, ends_at, BY_BIN)


async def _end(connection: AsyncConnection, bin_id: str, key: KeyState, ends_at: datetime, by: By) -> None:
    await queries.update_key(connection, key.keyid, valid_until=ends_at)
    await record(connection, bin_id, "key_ended", by=by, effective_at=ends_at, subject=key.keyid)


async def _lock_active_bin(connection: AsyncConnection, bin_id: str) -> tuple[list[KeyState], datetime]:
    """Its keys, and the moment after it was locked. Raises BinSuspended."""
    row = await queries.lock_bin(connection, bin_id)
    if row is None or row.state != "active":
        raise BinSuspended
    now: datetime = await database_now(connection)
    return await queries.read_keys(connection, bin_id), now


def _key_of(keys: Sequence[KeyState], keyid: str) -> KeyState | None:
    return next((each for each in keys if each.keyid == keyid), None)


def _issued(key: KeyState, secret: bytes | None, keys: Sequence[KeyState], now: datetime) -> IssuedKey:
    return IssuedKey(
        keyid=key.keyid,
        algorithm=key.algorithm,
        secret=None if secret is None else base64.b64encode(secret).decode(),
        keys=_living(keys, now).keys,
    )


def _living(keys: Sequence[KeyState], now: datetime) -> BinKeys:
    living = [each for each in keys if not each.ended_at(now)]
    return BinKeys(keys=_shown(living, newest_key(keys, now)))


def _shown(keys: Sequence[KeyState], newest: KeyState | None) -> list[BinKey]:
    return [
        BinKey(
            keyid=each.keyid,
            algorithm=each.algorithm,
            valid_from=each.valid_from,
            valid_until=each.valid_until,
            newest=each == newest,
        )
        for each in keys
    ]
