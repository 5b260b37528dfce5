"""POST /v1/me/cards."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from service.app import build_app
from service.db import transaction
from service.residents.cards import bind_card
from service.secrets import Keyring
from service.settings import Settings
from service.tables.people import credential
from tests.blocking import until_blocked
from tests.residents.conftest import Client, bearer_of, count, register
from tests.world import CARD, World, post, weigh_event

MONTH = timedelta(days=30)

PATH = "/v1/me/cards"
NEW_CARD = "04C0FFEE5C6180"
CARDS = "SELECT count(*) FROM credential"


def drop(days_ago: float = 0, card: str = NEW_CARD, **changes: Any) -> dict[str, Any]:
    """1 250 g of paper, 125 coins, by a card that nobody has bound yet."""
    time = datetime.now(UTC) - timedelta(days=days_ago)
    return weigh_event("NK-0001", time=time.isoformat(), credential={"kind": "card", "value": card}, **changes)


async def bind(client: Client, bearer: dict[str, str], value: str = NEW_CARD) -> tuple[int, dict[str, Any]]:
    response = await client.post(PATH, json={"value": value}, headers=bearer)
    return response.status, await response.json()


async def test_a_card_without_a_past_is_bound(
    client: Client, engine: AsyncEngine, keyring: Keyring, world: World, bearer: dict[str, str]
) -> None:
    before = datetime.now(UTC)
    response = await client.post(PATH, json={"value": NEW_CARD}, headers=bearer)
    assert response.status == 201, await response.text()
    assert response.headers["Cache-Control"] == "no-store"
    answer = await response.json()
    bound_at = datetime.fromisoformat(answer.pop("bound_at"))
    assert abs(bound_at - before) < timedelta(hours=1)
    assert answer == {"credited_events": 0, "credited_coins": 0, "balance_coins": 0}
    async with engine.connect() as connection:
        row = (
            await connection.execute(
                sa.select(credential).where(credential.c.digest == keyring.credential_digest("card", NEW_CARD))
            )
        ).one()
        assert (row.resident_id, row.kind, row.demo) == (world.resident_id, "card", False)
    answered = await post(client, world.ed25519, drop())
    [outcome] = (await answered.json())["outcomes"]
    assert (outcome["outcome"], outcome["balance_coins"]) == ("credited", 125)


async def test_drops_of_the_last_30_days_are_credited_and_shown(
    client: Client, world: World, bearer: dict[str, str]
) -> None:
    past = [drop(0), drop(29.9, weight_grams=2000), drop(30.1), drop(200), drop(1, card="04DEADBEEF0000")]
    assert (await post(client, world.ed25519, past)).status == 200
    status, answer = await bind(client, bearer)
    assert (status, answer["credited_events"], answer["credited_coins"]) == (201, 2, 325)
    assert answer["balance_coins"] == 325
    statement = await (await client.get("/v1/me/transfers", headers=bearer)).json()
    assert sorted(transfer["coins"] for transfer in statement["transfers"]) == [125, 200]


async def test_the_number_may_be_typed_in_either_case(client: Client, world: World, bearer: dict[str, str]) -> None:
    await post(client, world.ed25519, drop(card=NEW_CARD.upper()))
    assert (await bind(client, bearer, NEW_CARD.lower()))[1]["credited_events"] == 1


async def test_the_same_card_again_gives_the_same_answer_and_no_more_coins(
    client: Client, engine: AsyncEngine, world: World, bearer: dict[str, str]
) -> None:
    await post(client, world.ed25519, [drop(), drop()])
    first = await bind(client, bearer)
    assert first[0] == 201
    assert await bind(client, bearer) == (200, first[1])
    assert await count(engine, "SELECT count(*) FROM transfer") == 2


async def test_drops_after_the_binding_are_no_part_of_its_answer(
    client: Client, world: World, bearer: dict[str, str]
) -> None:
    await post(client, world.ed25519, drop())
    first = await bind(client, bearer)
    await post(client, world.ed25519, drop())
    assert await bind(client, bearer) == (200, {**first[1], "balance_coins": 250})


async def test_a_retry_of_a_drop_that_waited_is_a_duplicate_with_its_coins(
    client: Client, world: World, bearer: dict[str, str]
) -> None:
    event = drop()
    [outcome] = (await (await post(client, world.ed25519, event)).json())["outcomes"]
    assert (outcome["outcome"], outcome["coins"]) == ("unclaimed", 0)
    await bind(client, bearer)
    [outcome] = (await (await post(client, world.ed25519, event)).json())["outcomes"]
    assert (outcome["outcome"], outcome["coins"], outcome["balance_coins"]) == ("duplicate", 125, 125)


async def test_a_card_of_someone_else_is_taken(
    client: Client, engine: AsyncEngine, world: World, bearer: dict[str, str]
) -> None:
    stranger = await bearer_of(engine, await register(engine))
    status, problem = await bind(client, stranger, CARD)
    assert (status, problem["code"]) == (409, "card_taken")
    assert await count(engine, CARDS) == 1
    assert (await bind(client, bearer, CARD))[0] == 200


async def test_a_card_bound_in_the_demo_is_nobodys_elsewhere(
    client: Client, engine: AsyncEngine, keyring: Keyring, world: World, bearer: dict[str, str]
) -> None:
    async with transaction(engine) as connection:
        digest = keyring.credential_digest("card", NEW_CARD)
        await bind_card(connection, world.resident_id, digest, cards_max=10, waiting_max=MONTH, demo=True)
    await post(client, world.ed25519, drop())
    status, problem = await bind(client, bearer)
    assert (status, problem["code"]) == (409, "card_taken")
    assert await count(engine, "SELECT count(*) FROM transfer") == 0


async def test_a_demo_binds_cards_of_the_demo(
    engine: AsyncEngine, settings: Settings, world: World, bearer: dict[str, str]
) -> None:
    app = build_app(settings.model_copy(update={"demo": True}))
    async with TestClient(TestServer(app)) as demo:
        await post(demo, world.ed25519, drop())
        status, answer = await bind(demo, bearer)
    assert (status, answer["credited_events"]) == (201, 1)
    assert await count(engine, "SELECT count(*) FROM credential WHERE demo") == 1


async def test_two_residents_who_bind_one_card_at_once_do_not_both_get_it(
    client: Client, engine: AsyncEngine, world: World, bearer: dict[str, str]
) -> None:
    await post(client, world.ed25519, drop())
    stranger = await bearer_of(engine, await register(engine))
    answers = await asyncio.gather(*(bind(client, headers) for headers in (bearer, stranger) * 4))
    assert sorted({status for status, _ in answers}) == [200, 201, 409]
    assert [status for status, _ in answers].count(201) == 1
    assert [status for status, _ in answers].count(409) == 4
    assert await count(engine, "SELECT sum(posted) FROM wallet") == 125


async def test_a_resident_has_a_bounded_number_of_cards(
    client: Client, engine: AsyncEngine, settings: Settings, world: World, bearer: dict[str, str]
) -> None:
    cards = [f"CARD{n:04}" for n in range(1, settings.cards_per_resident_max)]
    for value in cards:
        assert (await bind(client, bearer, value))[0] == 201
    status, problem = await bind(client, bearer)
    assert (status, problem["code"]) == (409, "card_limit_reached")
    assert await count(engine, CARDS) == settings.cards_per_resident_max
    assert (await bind(client, bearer, cards[0]))[0] == 200


async def test_two_cards_bound_at_once_are_not_both_the_last(
    engine: AsyncEngine, admin_engine: AsyncEngine, world: World
) -> None:
    async def one(digest: bytes) -> None:
        async with transaction(engine) as connection:
            await bind_card(
                connection, world.resident_id, digest, cards_max=2, waiting_max=timedelta(days=30), demo=False
            )

    async with engine.connect() as first:
        await bind_card(first, world.resident_id, b"first", cards_max=2, waiting_max=MONTH, demo=False)
        second = asyncio.create_task(one(b"second"))
        await until_blocked(admin_engine)
        await first.commit()
        with pytest.raises(Exception, match="at most 2 cards"):
            await second
    assert await count(engine, CARDS) == 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/value"),
        ({"value": 12345678}, "/value"),
        ({"value": None}, "/value"),
        ({"value": "123"}, "/value"),
        ({"value": "1" * 65}, "/value"),
        ({"value": "04A2 24B1"}, "/value"),
        ({"value": "04A224B1\n"}, "/value"),
        ({"value": "碳币碳币碳币"}, "/value"),
        ({"value": NEW_CARD, "kind": "card"}, "/kind"),
        ({"value": NEW_CARD, "resident_id": 1001}, "/resident_id"),
    ],
)
async def test_a_bad_body_is_refused_and_the_number_not_repeated(
    client: Client, engine: AsyncEngine, bearer: dict[str, str], body: dict[str, Any], pointer: str
) -> None:
    response = await client.post(PATH, json=body, headers=bearer)
    problem = await response.json()
    assert (response.status, problem["code"]) == (422, "validation_failed")
    assert [item["pointer"] for item in problem["errors"]] == [pointer]
    assert NEW_CARD not in str(problem)
    assert await count(engine, CARDS) == 1


async def test_what_is_not_json_is_refused(client: Client, bearer: dict[str, str]) -> None:
    headers = {**bearer, "Content-Type": "application/json"}
    for body in (b"", b'{"value": "04A2', b'{"value": "\xff\xfe\xfd\xfc"}'):
        response = await client.post(PATH, data=body, headers=headers)
        assert (response.status, (await response.json())["code"]) == (400, "malformed_json")
    response = await client.post(PATH, data=b"value=04A224B1", headers={**bearer, "Content-Type": "text/plain"})
    assert (response.status, (await response.json())["code"]) == (415, "unsupported_media_type")
