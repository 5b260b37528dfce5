"""Bins as they come into the world: added with a key, or registered and claimed later."""

import os
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.fleet import BinRecord, ClaimCode, NewBin
from schemas.patterns import BIN_ID, EXPECTED
from schemas.signatures import ED25519_KEY_BYTES, Algorithm, SigningKey
from service.db import database_now, violated_constraint
from service.errors import BinExists, BinRetired, BinUnknown, SiteUnknown, ValidationFailed
from service.fleet import queries
from service.fleet.changes import BY_COMMAND, By, record
from service.fleet.pictures import claim_code_svg
from service.fleet.rules import CODE_ENTROPY_BYTES, claim_code_of, typed_claim_code
from service.reference import raise_revision
from service.secrets import Keyring, token_hash
from service.tables.bins import bin_, bin_key, bin_placement
from service.tables.weighing import bin_memory

# Words of paths where a bin's id may stand.
RESERVED_IDS: Final = ("me", "claim")


@dataclass(frozen=True, slots=True)
class Scale:
    """`verification_interval_grams` is e of OIML R76; a drop below 20 e is not a trade weighing."""

    verification_interval_grams: int = 10
    capacity_grams: int = 60_000
    box_capacity_grams: int = 30_000
    certificate_expires_on: date | None = None


async def add_bin(
    connection: AsyncConnection,
    keyring: Keyring,
    *,
    bin_id: str,
    site_id: str,
    algorithm: Algorithm,
    scale: Scale,
    secret: bytes | None = None,
    demo: bool = False,
) -> SigningKey:
    """A new active bin with its first key, which is stored as the public key or encrypted, and given back this once.

    For bins that are in the same hands as the database: others are registered, and claimed where they stand. Raises
    ValidationFailed for an id that cannot stand in `/bins/<id>`, BinExists, or SiteUnknown.
    """
    now = await _insert_bin(connection, bin_id=bin_id, site_id=site_id, scale=scale, state="active")
    key = SigningKey(bin_id, algorithm, os.urandom(ED25519_KEY_BYTES) if secret is None else secret)
    await connection.execute(
        sa.insert(bin_key).values(
            id=key.keyid,
            bin_id=bin_id,
            algorithm=algorithm.value,
            key=keyring.stored_key("bin", key),
            demo=demo,
        )
    )
    await record(connection, bin_id, "key_added", by=BY_COMMAND, effective_at=now, subject=key.keyid)
    await raise_revision(connection)
    return key


async def register_bin(connection: AsyncConnection, wanted: NewBin, by: By) -> BinRecord:
    """A bin that nobody has claimed yet. Raises ValidationFailed, BinExists or SiteUnknown; the caller rolls back."""
    scale = Scale(
        wanted.verification_interval_grams,
        wanted.capacity_grams,
        wanted.box_capacity_grams,
        wanted.certificate_expires_on,
    )
    await _insert_bin(
        connection,
        bin_id=wanted.id,
        site_id=wanted.site_id,
        scale=scale,
        state="registered",
        model=wanted.model,
        by=by,
    )
    return bin_record(await queries.find_bin(connection, wanted.id))


async def make_claim_code(
    connection: AsyncConnection, bin_id: str, by: By, *, lifetime: timedelta, demo: bool
) -> ClaimCode:
    """A code by which the bin is claimed once, given back this once: the database keeps its hash. The one before is
    good no longer. Of a bin that is active its keys stay good until it is claimed again.

    Raises BinUnknown or BinRetired.
    """
    await lock_living_bin(connection, bin_id)
    now: datetime = await database_now(connection)
    await queries.withdraw_claims(connection, bin_id, now)
    code = claim_code_of(os.urandom(CODE_ENTROPY_BYTES))
    expires_at = now + lifetime
    await queries.insert_claim(
        connection, code_hash=token_hash(typed_claim_code(code)), bin_id=bin_id, expires_at=expires_at, demo=demo
    )
    await record(connection, bin_id, "claim_code", by=by, effective_at=now)
    return ClaimCode(bin_id=bin_id, claim_code=code, expires_at=expires_at, qr_svg=claim_code_svg(code))


async def lock_living_bin(connection: AsyncConnection, bin_id: str) -> sa.Row[Any]:
    """The bin's row, locked. Raises BinUnknown or BinRetired."""
    row = await queries.lock_bin(connection, bin_id)
    if row is None:
        raise BinUnknown(f"There is no bin {bin_id}.")
    if row.state == "retired":
        raise BinRetired(f"The bin {bin_id} is retired, and stays so. Register a bin with another id.")
    return row


def bin_record(row: Any) -> BinRecord:
    return BinRecord.model_validate(row, from_attributes=True)


async def _insert_bin(
    connection: AsyncConnection,
    *,
    bin_id: str,
    site_id: str,
    scale: Scale,
    state: str,
    model: str | None = None,
    by: By = BY_COMMAND,
) -> datetime:
    """The moment of its registration."""
    if not re.fullmatch(BIN_ID, bin_id) or bin_id in RESERVED_IDS:
        detail = f"A bin's id is {EXPECTED[BIN_ID]}; and not {' or '.join(RESERVED_IDS)}."
        raise ValidationFailed(detail, errors=[{"pointer": "/id", "code": "bin_id", "detail": detail}])
    now: datetime = await database_now(connection)
    try:
        await connection.execute(
            sa.insert(bin_).values(
                id=bin_id,
                site_id=site_id,
                placed_at=now,
                state=state,
                model=model,
                verification_interval_grams=scale.verification_interval_grams,
                capacity_grams=scale.capacity_grams,
                box_capacity_grams=scale.box_capacity_grams,
                certificate_expires_on=scale.certificate_expires_on,
            )
        )
    except IntegrityError as error:
        if violated_constraint(error) == "pk_bin":
            raise BinExists(f"There is a bin {bin_id} already.") from None
        if violated_constraint(error) == "fk_bin_site_id_site":
            raise SiteUnknown(f"There is no site {site_id}.") from None
        raise
    await connection.execute(sa.insert(bin_placement).values(bin_id=bin_id, effective_from=now, site_id=site_id))
    await connection.execute(sa.insert(bin_memory).values(bin_id=bin_id))
    await record(connection, bin_id, "registered", by=by, effective_at=now)
    return now
