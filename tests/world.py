"""A small piece of a city for tests, made with the service's own use cases."""

import itertools
import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.signatures import Algorithm, SigningKey, sign_request
from service.api_keys import create_api_key
from service.db import DriverConnection, transaction
from service.fleet.bins import Scale, add_bin
from service.ledger.adjusting import post_adjustment
from service.ledger.book import Wallet
from service.ledger.queries import insert_transfer, lock_wallets, move_posted, open_wallet
from service.ledger.queries import post as post_book
from service.plausibility.rule_book import RuleBook
from service.redemption.merchants import add_merchant
from service.residents import sessions
from service.secrets import Keyring
from service.tables.columns import ISSUER_ACCOUNT_ID
from service.tables.ledger import hold, wallet
from service.tables.people import credential, resident
from service.tables.places import area, site
from service.tables.redemption import redemption
from service.tables.reference import material, tariff
from service.weighing.crediting import Crediting

PATH = "/v1/weigh-events"
CARD = "04A224B15C6180"
COINS_PER_KG = {"paper": 100, "plastic": 120, "metal": 150}
# As a city that has adopted no rules.
NO_RULES = Crediting(lambda: RuleBook([]), "Asia/Shanghai", demo=False)
# Bins count their events; those of the tests share one count.
SEQUENCE = itertools.count(1)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """One community with one site, an Ed25519 and an HMAC bin, three materials, one resident with one card."""

    ed25519: SigningKey
    hmac: SigningKey
    resident_id: int


async def build_world(engine: AsyncEngine, keyring: Keyring) -> World:
    async with transaction(engine) as connection:
        await connection.execute(
            sa.insert(area),
            [
                {"id": "tianjin", "parent_id": None, "kind": "city", "name": "天津市", "name_en": "Tianjin"},
                {"id": "nankai", "parent_id": "tianjin", "kind": "district", "name": "南开区", "name_en": "Nankai"},
                {"id": "xuefu", "parent_id": "nankai", "kind": "subdistrict", "name": "学府街道", "name_en": "Xuefu"},
                {"id": "xuefu-1", "parent_id": "xuefu", "kind": "community", "name": "一社区", "name_en": "First"},
            ],
        )
        await connection.execute(
            sa.insert(site).values(id="site-1", area_id="xuefu-1", kind="community", name="一号点", name_en="Site 1")
        )
        for name, coins_per_kg in COINS_PER_KG.items():
            await connection.execute(sa.insert(material).values(id=name, name=name, name_en=name))
            await connection.execute(
                sa.insert(tariff).values(material_id=name, effective_from=EPOCH, coins_per_kg=coins_per_kg)
            )
        ed25519 = await add_bin(
            connection, keyring, bin_id="NK-0001", site_id="site-1", algorithm=Algorithm.ED25519, scale=Scale()
        )
        hmac = await add_bin(
            connection, keyring, bin_id="NK-0002", site_id="site-1", algorithm=Algorithm.HMAC_SHA256, scale=Scale()
        )
        resident_id = await open_wallet(connection)
        await connection.execute(sa.insert(resident).values(id=resident_id))
        await connection.execute(
            sa.insert(credential).values(
                digest=keyring.credential_digest("card", CARD), kind="card", resident_id=resident_id, counts_from=EPOCH
            )
        )
    return World(ed25519, hmac, resident_id)


async def open_session(engine: AsyncEngine, resident_id: int) -> str:
    """The token of a new session of this resident, good for a day."""
    async with transaction(engine) as connection:
        return (await sessions.open_session(connection, resident_id, timedelta(days=1), demo=False)).token


async def add_shop(engine: AsyncEngine, merchant_id: str = "NK-M-01") -> str:
    """The API key of a new merchant's till."""
    async with transaction(engine) as connection:
        await add_merchant(connection, merchant_id=merchant_id, name="学府便利店", name_en="Xuefu Store")
        return await create_api_key(connection, role="merchant", name="till", merchant_id=merchant_id)


async def driver_connection(connection: AsyncConnection) -> DriverConnection:
    """The driver's connection beneath one of the engine's, in the same transaction."""
    # SQLAlchemy begins at its first statement, not before.
    await connection.execute(sa.text("SELECT 1"))
    raw: Any = await connection.get_raw_connection()
    return cast("DriverConnection", raw.driver_connection)


async def credit(connection: AsyncConnection, owner_id: int, coins: int, *, at: datetime | None = None) -> int:
    """Coins from the issuer for a drop of which there is no event, now or as if at that time; the transfer's id."""
    await move_posted(connection, owner_id, coins)
    return await insert_transfer(
        connection,
        owner_id=owner_id,
        kind="credit",
        debit_account_id=ISSUER_ACCOUNT_ID,
        credit_account_id=owner_id,
        coins=coins,
        bin_id="NK-0001",
        event_id=str(uuid.uuid4()),
        created_at=at or sa.func.now(),
    )


async def spend(
    connection: AsyncConnection, *, owner_id: int, merchant_account_id: int, coins: int, redemption_id: uuid.UUID
) -> Wallet:
    """Coins from a resident to a merchant as the ledger posts them, without a redemption; the wallet after it."""
    driver = await driver_connection(connection)
    book = await lock_wallets(driver, [owner_id])
    book.spend(owner_id, merchant_account_id, coins, redemption_id)
    await post_book(driver, book, "SELECT")
    return book.wallet(owner_id)


async def adjust(
    connection: AsyncConnection, owner_id: int, coins: int, *, reason: str = "test", corrects_id: int | None = None
) -> int:
    """Coins to a resident, or from them where less than 0, as the ledger posts what two operators have agreed on; the
    new transfer's id."""
    return await post_adjustment(
        connection,
        owner_id=owner_id,
        direction="credit" if coins > 0 else "debit",
        coins=abs(coins),
        adjustment_id=uuid.uuid4(),
        requested_by=uuid.uuid4(),
        approved_by=uuid.uuid4(),
        reason=reason,
        corrects_id=corrects_id,
    )


async def add_due_hold(owner_connection: AsyncConnection, resident_id: int, *, merchant_id: str, coins: int) -> None:
    """Coins held until a moment ago, as if nobody had looked since; `owner_connection` is the database owner's."""
    now = datetime.now(UTC)
    redemption_id, expires_at = uuid.uuid4(), now - timedelta(seconds=1)
    held_at = expires_at - timedelta(seconds=120)
    redeemed = {"owner_id": resident_id, "id": redemption_id, "merchant_id": merchant_id, "coins": coins}
    await owner_connection.execute(sa.insert(redemption).values(**redeemed, created_at=held_at, expires_at=expires_at))
    await owner_connection.execute(
        sa.insert(hold).values(
            owner_id=resident_id, redemption_id=redemption_id, coins=coins, held_at=held_at, expires_at=expires_at
        )
    )
    await owner_connection.execute(
        sa.update(wallet).where(wallet.c.owner_id == resident_id).values(held=wallet.c.held + coins)
    )


async def earn(client: TestClient[Any, Any], world: World, coins: int) -> None:
    """Give the world's resident coins, at most 15 000: they drop ten grams of paper for each."""
    response = await post(client, world.hmac, weigh_event("NK-0002", weight_grams=coins * 10))
    outcome = (await response.json())["outcomes"][0]
    assert (outcome["outcome"], outcome["coins"]) == ("credited", coins), outcome


def weigh_event(bin_id: str, **changes: Any) -> dict[str, Any]:
    """A good event of a bin: 1 250 g of paper by the known card. `changes` replace members of the event or its data."""
    data: dict[str, Any] = {
        "sequence": next(SEQUENCE),
        "material": "paper",
        "weight_grams": 1250,
        "credential": {"kind": "card", "value": CARD},
    }
    event: dict[str, Any] = {
        "specversion": "1.0",
        "type": "tanbi.weigh-event.v1",
        "source": f"/bins/{bin_id}",
        "id": str(uuid.uuid4()),
        "time": datetime.now(UTC).isoformat(),
    }
    for name, value in changes.items():
        (data if name in {*data, "box_weight_grams"} else event)[name] = value
    return {**event, "data": {name: value for name, value in data.items() if value is not None}}


async def post(
    client: TestClient[Any, Any],
    key: SigningKey,
    document: Any,
    *,
    content_type: str = "application/json",
    created: int | None = None,
    headers: dict[str, str] | None = None,
    path: str = PATH,
) -> ClientResponse:
    """Post events as the bin of `key` would; `document` is JSON, or bytes that go as they are."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    signed = sign_request(
        key, method="POST", target=path, body=body, created=int(time.time()) if created is None else created
    )
    return await client.post(path, data=body, headers={"Content-Type": content_type, **signed, **(headers or {})})
