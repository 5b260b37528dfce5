"""Merchants and their machines, as operators manage them."""

import re
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from schemas.common import MERCHANT_ID_PATTERN
from service.db import violated_constraint
from service.errors import MachineExists, MerchantExists, MerchantUnknown, SiteUnknown, ValidationFailed
from service.ledger.queries import open_merchant_account
from service.tables import machine, merchant

ID = re.compile(MERCHANT_ID_PATTERN)
MachineKind = Literal["water", "detergent"]


async def add_merchant(connection: AsyncConnection, *, merchant_id: str, name: str, name_en: str) -> None:
    """A new merchant with an account of its own.

    Raises ValidationFailed for an id that cannot stand in a request, or MerchantExists; the caller rolls back.
    """
    _check_id("merchant", merchant_id)
    account_id = await open_merchant_account(connection)
    try:
        await connection.execute(
            sa.insert(merchant).values(id=merchant_id, account_id=account_id, name=name, name_en=name_en)
        )
    except IntegrityError as error:
        if violated_constraint(error) == "pk_merchant":
            raise MerchantExists(f"There is a merchant {merchant_id} already.") from None
        raise


async def add_machine(
    connection: AsyncConnection, *, machine_id: str, merchant_id: str, site_id: str, kind: MachineKind
) -> None:
    """A merchant's device at a site.

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


def _check_id(noun: str, value: str) -> None:
    if not ID.fullmatch(value):
        raise ValidationFailed(
            f"A {noun}'s id is 1 to 63 characters of A-Z a-z 0-9 . _ - and begins with a letter or digit."
        )
