"""API keys of merchants, scrap stations and operators: made, shown once, revoked."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.db import violated_constraint
from service.errors import (
    ApiKeyUnknown,
    MerchantUnknown,
    RequesterRevoked,
    StationUnknown,
    TanbiError,
    ValidationFailed,
)
from service.operator_names import NAME_CHARACTERS_MAX, is_readable, is_same_operator, plain_name
from service.secrets import new_token, token_hash
from service.tables.people import api_key

Role = Literal["merchant", "viewer", "operator", "auditor", "admin", "station"]
PREFIX = "tbk"


async def create_api_key(
    connection: AsyncConnection,
    *,
    role: Role,
    name: str,
    merchant_id: str | None = None,
    station_id: str | None = None,
    demo: bool = False,
) -> str:
    """A new key, given back this once: the database keeps its hash. `name` tells people whose it is.

    Raises ValidationFailed where role and merchant or station do not fit or the name is empty, MerchantUnknown or
    StationUnknown; the caller rolls back.
    """
    if not name.strip():
        raise ValidationFailed(
            "A key has a name, which tells people whose it is.", zh="没有填写密钥名称。请写明密钥由谁使用。"
        )
    if (role == "merchant") != (merchant_id is not None):
        raise ValidationFailed(
            "A key with the role merchant names its merchant; a key with another role names none.",
            zh="角色为 merchant 的密钥须指明商户（--merchant），其他角色的密钥不能指明商户。",
        )
    if (role == "station") != (station_id is not None):
        raise ValidationFailed(
            "A key with the role station names its station; a key with another role names none.",
            zh="角色为 station 的密钥须指明回收站（--station），其他角色的密钥不能指明回收站。",
        )
    if not is_readable(name):
        raise ValidationFailed(
            f"A key's name has a letter or a digit, at most {NAME_CHARACTERS_MAX} characters, and none that does not"
            " show.",
            zh=f"密钥名称须含文字或数字，至多 {NAME_CHARACTERS_MAX} 个字符，不含看不见的字符。请重新填写。",
        )
    secret = new_token(PREFIX)
    try:
        await connection.execute(
            sa.insert(api_key).values(
                key_hash=token_hash(secret),
                role=role,
                name=name,
                plain_name=plain_name(name),
                merchant_id=merchant_id,
                station_id=station_id,
                demo=demo,
            )
        )
    except IntegrityError as error:
        if violated_constraint(error) == "fk_api_key_merchant_id_merchant":
            raise MerchantUnknown(f"There is no merchant {merchant_id}.", zh=f"没有商户“{merchant_id}”。") from None
        if violated_constraint(error) == "fk_api_key_station_id_scrap_station":
            raise StationUnknown(f"There is no station {station_id}.", zh=f"没有回收站“{station_id}”。") from None
        raise
    return secret


async def list_api_keys(connection: AsyncConnection) -> Sequence[Any]:
    """All keys, also revoked ones, oldest first; without their hashes."""
    query = sa.select(
        api_key.c.id,
        api_key.c.role,
        api_key.c.name,
        api_key.c.merchant_id,
        api_key.c.station_id,
        api_key.c.created_at,
        api_key.c.revoked_at,
    ).order_by(api_key.c.created_at)
    return (await connection.execute(query)).all()


async def revoke_api_key(connection: AsyncConnection, key_id: UUID) -> datetime | None:
    """From its commit on, the key is refused. When it was revoked, where it was before: it keeps that time.

    Raises ApiKeyUnknown.
    """
    row = (
        await connection.execute(sa.select(api_key.c.revoked_at).where(api_key.c.id == key_id).with_for_update())
    ).one_or_none()
    if row is None:
        raise ApiKeyUnknown(f"There is no API key {key_id}.")
    if row.revoked_at is None:
        await connection.execute(sa.update(api_key).where(api_key.c.id == key_id).values(revoked_at=sa.func.now()))
    return cast("datetime | None", row.revoked_at)


async def require_second_operator(
    connection: AsyncConnection, key_id: UUID, first_key_id: UUID, *, own: type[TanbiError]
) -> None:
    """Two keys, two people: whoever decides is another one than who asked, and that one's key still counts.

    Neither is revoked until the transaction ends. Raises `own`, or RequesterRevoked.
    """
    keys = await _lock_operator_keys(connection, [key_id, first_key_id])
    first = keys[first_key_id]
    if is_same_operator(key_id, keys[key_id].plain_name, first.id, first.plain_name):
        raise own
    if first.revoked_at is not None:
        raise RequesterRevoked


async def _lock_operator_keys(connection: AsyncConnection, key_ids: Sequence[UUID]) -> dict[UUID, sa.Row[Any]]:
    """Their plain_name and revoked_at; nobody revokes one until the transaction ends."""
    rows: Sequence[Any] = (
        await connection.execute(
            sa.select(api_key.c.id, api_key.c.plain_name, api_key.c.revoked_at)
            .where(api_key.c.id.in_(key_ids))
            .order_by(api_key.c.id)
            .with_for_update(read=True)
        )
    ).all()
    return {row.id: row for row in rows}
