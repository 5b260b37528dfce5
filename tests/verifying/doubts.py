"""Held drops of a city, in every state that one can be in; whoever shows their card is doubted, and nobody else."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from schemas.residents import KindRequest
from schemas.reviews import AppealRequest, RejectRequest, ReleaseRequest
from service.api_keys import create_api_key
from service.auth import Operator, authenticate_operator
from service.db import transaction
from service.residents.kinds import mark
from service.residents.residents import register_resident
from service.review.appealing import appeal
from service.review.deciding import reject, release
from service.secrets import Keyring
from service.tables.people import credential
from tests.review.held import Held, hold

ZONE = "Asia/Shanghai"
CARD = "0DDBA11"
LATE = "0DDBA12"
# Before any tariff.
LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
# What is done with a drop, by its name.
STEPS: dict[str, tuple[str, ...]] = {
    "open": (),
    "appealed": ("appeal",),
    "released": ("release",),
    "priced": ("price",),
    "nobodys": ("release",),
    "rejected": ("reject",),
    "again": ("reject", "appeal"),
    "upheld": ("reject", "appeal", "reject by another"),
    "heard": ("appeal", "reject"),
    "righted": ("reject", "appeal", "release by another"),
    "coins-open": (),
    "coins-released": ("release",),
    "coins-rejected": ("reject",),
}


@dataclass(frozen=True)
class Doubts:
    """Whose drops are held, and who decides."""

    resident_id: int
    digest: bytes
    late_digest: bytes
    li: Operator
    wang: Operator


async def hold_and_decide(engine: AsyncEngine, keyring: Keyring) -> None:
    async with transaction(engine) as connection:
        doubts = await begin(connection, keyring)
    for name in STEPS:
        await let(engine, doubts, name)


async def begin(connection: AsyncConnection, keyring: Keyring) -> Doubts:
    """A trader with a card, and two operators."""
    resident_id = await register_resident(connection)
    digest, late_digest = (keyring.credential_digest("card", card) for card in (CARD, LATE))
    card = {"digest": digest, "kind": "card", "resident_id": resident_id, "counts_from": LONG_AGO}
    await connection.execute(sa.insert(credential).values(card))
    keys = [await create_api_key(connection, role="operator", name=name) for name in ("质检李工", "质检王工")]
    li, wang = [await authenticate_operator(connection, key, demo=False) for key in keys]
    trader = KindRequest(resident_id=resident_id, kind="trader", reason="scrap dealer")
    await mark(connection, li, trader, demo=False)
    return Doubts(resident_id, digest, late_digest, li, wang)


async def let(engine: AsyncEngine, doubts: Doubts, name: str) -> None:
    """Hold a drop of metal of this name, or only its coins, and do with it what the name says."""
    changes: dict[str, Any] = {"coins_per_kg": 150}
    if name.startswith("coins"):
        changes |= {"verdict": "credit", "outcome": "unclaimed"}
    if name == "priced":
        changes |= {"coins_per_kg": None, "occurred_at": LONG_AGO}
    digest = doubts.late_digest if name == "nobodys" else doubts.digest
    owner_id = None if name == "nobodys" else doubts.resident_id
    async with transaction(engine) as connection:
        held = await hold(
            connection,
            held_for=owner_id,
            event_id=f"doubt-{name}",
            material_id="metal",
            credential_digest=digest,
            **changes,
        )
    for step in STEPS[name]:
        async with transaction(engine) as connection:
            await take(connection, doubts, held, step)


async def take(connection: AsyncConnection, doubts: Doubts, held: Held, step: str) -> None:
    operator = doubts.wang if step.endswith("by another") else doubts.li
    match step.split()[0]:
        case "appeal":
            await appeal(connection, doubts.resident_id, held.review_id, AppealRequest(text="it was dry"))
        case "reject":
            await reject(connection, operator, held.review_id, RejectRequest(reason="wet"))
        case "price":
            wanted = ReleaseRequest.model_validate(
                {"reason": "no clock", "coins_per_kg": 7, "placed_at": "2019-01-04T00:00:00Z"}
            )
            await release(connection, operator, held.review_id, wanted, zone=ZONE, demo=False)
        case _:
            await release(connection, operator, held.review_id, ReleaseRequest(reason="dry"), zone=ZONE, demo=False)
