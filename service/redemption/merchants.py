"""Merchants and their machines, as operators manage them."""

import os
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.patterns import PARTNER_ID
from schemas.signatures import ED25519_KEY_BYTES, Algorithm, SigningKey
from service.db import violated_constraint
from service.errors import (
    Conflict,
    MachineExists,
    MachineKeyUnknown,
    MachineUnknown,
    MerchantExists,
    MerchantUnknown,
    SiteUnknown,
    TanbiError,
    ValidationFailed,
)
from service.ledger.queries import open_merchant_account
from service.reference import raise_revision
from service.secrets import Keyring
from service.tables.people import machine, machine_key, merchant

ID = re.compile(PARTNER_ID)
MachineKind = Literal["water", "detergent"]
HOLD_SECONDS: Final = 120
HOLD_SECONDS_MAX: Final = 86_400
GRACE_SECONDS_MAX: Final = 30 * 86_400


async def add_merchant(
    connection: AsyncConnection,
    *,
    merchant_id: str,
    name: str,
    name_en: str,
    site_id: str | None = None,
    hold_seconds: int = HOLD_SECONDS,
    capture_grace_seconds: int = 0,
) -> None:
    """A new merchant with an account of its own; `site_id` is where its shop is, if it has one.

    `hold_seconds` is how long coins stay held for it, `capture_grace_seconds` how long after that its machines may
    still tell what they gave out. Raises ValidationFailed for an id that cannot stand in a request or for seconds out
    of bounds, MerchantExists, or SiteUnknown; the caller rolls back.
    """
    _check_id("merchant", merchant_id)
    account_id = await open_merchant_account(connection)
    insert = sa.insert(merchant).values(
        id=merchant_id,
        account_id=account_id,
        name=name,
        name_en=name_en,
        site_id=site_id,
        hold_seconds=hold_seconds,
        capture_grace_seconds=capture_grace_seconds,
    )
    try:
        await connection.execute(insert)
    except IntegrityError as error:
        raise _merchant_refused(error, merchant_id, site_id) from None


async def set_merchant(
    connection: AsyncConnection,
    merchant_id: str,
    *,
    site_id: str | None = None,
    hold_seconds: int | None = None,
    capture_grace_seconds: int | None = None,
) -> sa.Row[Any]:
    """Change what is not None; the merchant as it is then. Holds keep the time they were granted for; the grace counts
    from the next capture on.

    Raises MerchantUnknown, SiteUnknown, or ValidationFailed for seconds out of bounds and where nothing is to change;
    the caller rolls back.
    """
    wanted = {"site_id": site_id, "hold_seconds": hold_seconds, "capture_grace_seconds": capture_grace_seconds}
    changes = {name: value for name, value in wanted.items() if value is not None}
    if not changes:
        raise ValidationFailed("Say what to change: the seconds of a hold, the seconds of grace, or the site.")
    update = sa.update(merchant).where(merchant.c.id == merchant_id).values(changes).returning(merchant)
    try:
        found: sa.Row[Any] | None = (await connection.execute(update)).one_or_none()
    except IntegrityError as error:
        raise _merchant_refused(error, merchant_id, site_id) from None
    if found is None:
        raise MerchantUnknown(f"There is no merchant {merchant_id}.")
    return found


async def require_merchant(connection: AsyncConnection, merchant_id: str) -> None:
    """Raises MerchantUnknown."""
    if (await connection.execute(sa.select(merchant.c.id).where(merchant.c.id == merchant_id))).one_or_none() is None:
        raise MerchantUnknown(f"There is no merchant {merchant_id}.")


def _merchant_refused(error: IntegrityError, merchant_id: str, site_id: str | None) -> TanbiError | IntegrityError:
    match violated_constraint(error):
        case "pk_merchant":
            return MerchantExists(f"There is a merchant {merchant_id} already.")
        case "fk_merchant_site_id_site":
            return SiteUnknown(f"There is no site {site_id}.")
        case "ck_merchant_hold_seconds":
            return ValidationFailed(f"Coins are held for 1 to {HOLD_SECONDS_MAX} seconds.")
        case "ck_merchant_capture_grace_seconds":
            return ValidationFailed(f"The grace for late captures is 0 to {GRACE_SECONDS_MAX} seconds.")
    return error


async def list_merchants(connection: AsyncConnection) -> Sequence[Any]:
    """id, name, site_id, hold_seconds and capture_grace_seconds of each, by id."""
    return (await connection.execute(sa.select(merchant).order_by(merchant.c.id))).all()


async def add_machine(
    connection: AsyncConnection, *, machine_id: str, merchant_id: str, site_id: str, kind: MachineKind
) -> None:
    """A merchant's device at a site; it cannot call before it has a key (`add_machine_key`).

    Raises ValidationFailed for an id of another form, MachineExists, MerchantUnknown or SiteUnknown; the caller rolls
    back.
    """
    _check_id("machine", machine_id)
    try:
        await connection.execute(
            sa.insert(machine).values(id=machine_id, merchant_id=merchant_id, site_id=site_id, kind=kind)
        )
    except IntegrityError as error:
        match violated_constraint(error):
            case "pk_machine":
                raise MachineExists(f"There is a machine {machine_id} already.") from None
            case "fk_machine_merchant_id_merchant":
                raise MerchantUnknown(f"There is no merchant {merchant_id}.") from None
            case "fk_machine_site_id_site":
                raise SiteUnknown(f"There is no site {site_id}.") from None
        raise


async def add_machine_key(
    connection: AsyncConnection,
    keyring: Keyring,
    *,
    machine_id: str,
    algorithm: Algorithm | None,
    secret: bytes | None = None,
    demo: bool = False,
) -> SigningKey:
    """A machine's first key, or one more, good beside the others until they are revoked; given back this once.

    `algorithm` None: that of its newest key, as the machine may have no other; Ed25519 for its first key. The first
    one's keyid is the machine's id; a later one's has its number after a colon, which no id has. Raises
    MachineUnknown, or Conflict where another key of this machine is made at the same moment; the caller rolls back.
    """
    own = sa.select(machine_key).where(machine_key.c.machine_id == machine.c.id)
    count = own.with_only_columns(sa.func.count()).scalar_subquery()
    newest = own.with_only_columns(machine_key.c.algorithm).order_by(machine_key.c.valid_from.desc()).limit(1)
    before = (
        await connection.execute(
            sa.select(count.label("keys"), newest.scalar_subquery().label("algorithm")).where(
                machine.c.id == machine_id
            )
        )
    ).one_or_none()
    if before is None:
        raise MachineUnknown(f"There is no machine {machine_id}.")
    keyid = machine_id if before.keys == 0 else f"{machine_id}:{before.keys + 1}"
    if algorithm is None:
        algorithm = Algorithm(before.algorithm or Algorithm.ED25519)
    key = SigningKey(keyid, algorithm, os.urandom(ED25519_KEY_BYTES) if secret is None else secret)
    try:
        await connection.execute(
            sa.insert(machine_key).values(
                id=keyid,
                machine_id=machine_id,
                algorithm=algorithm.value,
                key=keyring.stored_key("machine", key),
                demo=demo,
            )
        )
    except IntegrityError as error:
        if violated_constraint(error) == "pk_machine_key":
            raise Conflict(f"Another key of {machine_id} is being made at this moment. Try again.") from None
        raise
    await raise_revision(connection)
    return key


async def revoke_machine_key(connection: AsyncConnection, keyid: str) -> datetime | None:
    """Each process refuses the key when it next looks at its reference data. When it ended, where it had ended before:
    it keeps that.

    Raises MachineKeyUnknown.
    """
    row = (
        await connection.execute(
            sa.select(machine_key.c.valid_until, sa.func.now().label("now"))
            .where(machine_key.c.id == keyid)
            .with_for_update()
        )
    ).one_or_none()
    if row is None:
        raise MachineKeyUnknown(f"There is no machine's key {keyid}.")
    if row.valid_until is not None and row.valid_until <= row.now:
        return cast("datetime", row.valid_until)
    await connection.execute(sa.update(machine_key).where(machine_key.c.id == keyid).values(valid_until=row.now))
    await raise_revision(connection)
    return None


async def list_machines(connection: AsyncConnection) -> Sequence[Any]:
    """id, merchant_id, site_id and kind of each machine with keyid, algorithm and valid_until of each of its keys.

    A machine without a key has one row, without them. By id and the keys' beginning.
    """
    columns = (machine, machine_key.c.id.label("keyid"), machine_key.c.algorithm, machine_key.c.valid_until)
    return (
        await connection.execute(
            sa.select(*columns)
            .outerjoin(machine_key, machine_key.c.machine_id == machine.c.id)
            .order_by(machine.c.id, machine_key.c.valid_from, machine_key.c.id)
        )
    ).all()


def _check_id(noun: str, value: str) -> None:
    if not ID.fullmatch(value):
        raise ValidationFailed(
            f"A {noun}'s id is 1 to 63 characters of A-Z a-z 0-9 . _ - and begins with a letter or digit."
        )
