"""Several residents with coins, who spend them at several instances of the service."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.residents.residents import register_resident
from service.secrets import Keyring
from service.tables.people import credential
from tests.redemption.calls import Caller
from tests.world import EPOCH, World, open_session, post, weigh_event


@dataclass(frozen=True)
class Person:
    id: int
    token: str

    def at(self, client: TestClient[Any, Any]) -> Caller:
        """This resident, as a caller of one instance."""
        return Caller(client, self.token)


async def crowd(
    engine: AsyncEngine, keyring: Keyring, client: TestClient[Any, Any], world: World, coins: Sequence[int]
) -> list[Person]:
    """A new resident for each of `coins`, who has earned so many."""
    people: list[Person] = []
    events: list[dict[str, Any]] = []
    for number, earned in enumerate(coins):
        card = f"{number:08X}"
        async with transaction(engine) as connection:
            resident_id = await register_resident(connection)
            digest = keyring.credential_digest("card", card)
            await connection.execute(
                sa.insert(credential).values(digest=digest, kind="card", resident_id=resident_id, counts_from=EPOCH)
            )
        people.append(Person(resident_id, await open_session(engine, resident_id)))
        events.append(
            weigh_event(
                "NK-0002", weight_grams=earned * 10, credential={"kind": "card", "value": card}, sequence=number + 1
            )
        )
    outcomes = (await (await post(client, world.hmac, events)).json())["outcomes"]
    assert [(each["outcome"], each.get("coins")) for each in outcomes] == [("credited", earned) for earned in coins], (
        outcomes
    )
    return people
