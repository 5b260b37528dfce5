"""Bins and their keys, as operators manage them."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.signatures import ED25519_KEY_BYTES, Algorithm, SigningKey
from service.db import violated_constraint
from service.errors import BinExists, BinUnknown, SiteUnknown, ValidationFailed
from service.reference import raise_revision
from service.secrets import Keyring
from service.tables import bin_, bin_key, bin_memory, bin_placement

BIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,62}")


@dataclass(frozen=True, slots=True)
class Scale:
    """`verification_interval_grams` is e of OIML R76; a drop below 20 e is not a trade weighing."""

    verification_interval_grams: int = 10
    capacity_grams: int = 60_000
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

    Raises ValidationFailed for an id that cannot stand in `/bins/<id>`, BinExists, or SiteUnknown.
    """
    if not BIN_ID.fullmatch(bin_id):
        raise ValidationFailed(
            "A bin's id is 1 to 63 characters of A-Z a-z 0-9 . _ - and begins with a letter or digit."
        )
    key = SigningKey(bin_id, algorithm, os.urandom(ED25519_KEY_BYTES) if secret is None else secret)
    try:
        await connection.execute(
            sa.insert(bin_).values(
                id=bin_id,
                site_id=site_id,
                verification_interval_grams=scale.verification_interval_grams,
                capacity_grams=scale.capacity_grams,
                certificate_expires_on=scale.certificate_expires_on,
            )
        )
    except IntegrityError as error:
        if violated_constraint(error) == "pk_bin":
            raise BinExists(f"There is a bin {bin_id} already.") from None
        if violated_constraint(error) == "fk_bin_site_id_site":
            raise SiteUnknown(f"There is no site {site_id}.") from None
        raise
    await connection.execute(
        sa.insert(bin_placement).values(bin_id=bin_id, effective_from=sa.func.now(), site_id=site_id)
    )
    await connection.execute(sa.insert(bin_memory).values(bin_id=bin_id))
    await connection.execute(
        sa.insert(bin_key).values(
            id=key.keyid,
            bin_id=bin_id,
            algorithm=algorithm.value,
            key=keyring.stored_key("bin", key),
            demo=demo,
        )
    )
    await raise_revision(connection)
    return key


async def list_bins(connection: AsyncConnection) -> Sequence[Any]:
    """Every bin with the columns of its table, by id."""
    return (await connection.execute(sa.select(bin_).order_by(bin_.c.id))).all()


async def resume_bin(connection: AsyncConnection, bin_id: str) -> None:
    """A suspended bin is active again. Raises BinUnknown."""
    await _set_state(connection, bin_id, "active")


async def suspend_bin(connection: AsyncConnection, bin_id: str) -> None:
    """Nothing of this bin is stored by any batch that begins after this is committed. Raises BinUnknown."""
    await _set_state(connection, bin_id, "suspended")


async def _set_state(connection: AsyncConnection, bin_id: str, state: str) -> None:
    found = await connection.execute(
        sa.update(bin_).where(bin_.c.id == bin_id).values(state=state).returning(bin_.c.id)
    )
    if found.one_or_none() is None:
        raise BinUnknown(f"There is no bin {bin_id}.")
    await raise_revision(connection)
