"""Who spends coins does so with a credential that is good now: commands look it up themselves, in their transaction."""

from typing import Any

import sqlalchemy as sa
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from service.tables.ledger import wallet
from service.tables.people import api_key, session
from tests.redemption.calls import BY_PAY_CODE, OWN, Caller, code_of
from tests.world import World, earn

Client = TestClient[Any, Any]

AN_HOUR_AGO, IN_AN_HOUR = (sa.func.now() + sa.text(f"interval '{hours} hour'") for hours in (-1, 1))
# Of which table, what makes one worthless, and what mends it.
WORTHLESS: dict[str, tuple[sa.Table, dict[str, Any], dict[str, Any]]] = {
    "revoked key": (api_key, {"revoked_at": AN_HOUR_AGO}, {"revoked_at": None}),
    "demo key": (api_key, {"demo": True}, {"demo": False}),
    "expired session": (session, {"expires_at": AN_HOUR_AGO}, {"expires_at": IN_AN_HOUR}),
    "demo session": (session, {"demo": True}, {"demo": False}),
}


async def test_nothing_is_spent_or_given_back_with_a_credential_that_is_not_good_now(
    world: World, client: Client, admin_engine: AsyncEngine, resident: Caller, shop: Caller
) -> None:
    await earn(client, world, 500)
    taken = await (await shop.take(await resident.new_pay_code(), 100)).json()
    wanted = {"pay_code": await resident.new_pay_code(), "coins": 50, "capture": False}
    held = await (await shop.post(BY_PAY_CODE, wanted)).json()
    wanted = {"pay_code": await resident.new_pay_code(), "coins": 10, "capture": True}
    calls: dict[str, list[tuple[Caller, str, Any]]] = {
        "api_key": [
            (shop, BY_PAY_CODE, wanted),
            (shop, f"{BY_PAY_CODE}/{held['id']}/capture", {}),
            (shop, f"{BY_PAY_CODE}/{held['id']}/void", {}),
            (shop, f"{BY_PAY_CODE}/{taken['id']}/refund", {"coins": 10}),
        ],
        "session": [(resident, OWN, {"merchant_id": "NK-M-01", "coins": 10})],
    }
    for credential, (table, spoilt, mended) in WORTHLESS.items():
        async with admin_engine.begin() as connection:
            await connection.execute(sa.update(table).values(spoilt))
        for number, (caller, path, document) in enumerate(calls[table.name]):
            refused = await caller.post(path, document, key=f"key-{number}")
            assert (refused.status, await code_of(refused)) == (401, "token_invalid"), (credential, path)
        async with admin_engine.begin() as connection:
            await connection.execute(sa.update(table).values(mended))
            assert tuple((await connection.execute(sa.select(wallet.c.posted, wallet.c.held))).one()) == (400, 50)
    # What was refused was the credential, and it left no trace: the same calls are good with one that is.
    for of_table, expected in (("api_key", [201, 200, 409, 200]), ("session", [201])):
        answers = [
            await caller.post(path, doc, key=f"key-{n}") for n, (caller, path, doc) in enumerate(calls[of_table])
        ]
        assert [each.status for each in answers] == expected
