"""What is planted, and who accepts it. `demo_client` runs as a demo, `client` on the same data as any other service."""

import base64
import time
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.carbon import SetInForce
from schemas.signatures import Algorithm, SigningKey
from service.app import build_app
from service.business_days import day_begins_at
from service.carbon.factor_sets import list_sets
from service.db import transaction
from service.demo import nankai
from service.demo.demo_file import Credentials, DemoBin, DemoMachine
from service.demo.planting import CannotRun, Planted, Size, plant
from service.fleet.bins import Scale, add_bin
from service.plausibility.rule_book import RuleBook, RuleRow
from service.plausibility.rules import RULES
from service.secrets import Keyring
from service.settings import Settings
from service.tables.bins import bin_, bin_key
from service.tables.indicator import indicator_input
from service.tables.people import api_key, credential, machine, machine_key, merchant, resident, session
from service.tables.places import area
from service.tables.redemption import offer
from service.tables.reference import plausibility_rule, tariff
from tests.demo.conftest import SIZE, TODAY
from tests.fleet.field import BIN as FIELD_BIN
from tests.fleet.field import Field
from tests.machine import MachineCaller
from tests.redemption.calls import Caller
from tests.world import post, weigh_event

ZONE = "Asia/Shanghai"
Client = TestClient[Any, Any]


def key_of(device: DemoBin | DemoMachine) -> SigningKey:
    return SigningKey(device.keyid, device.alg, base64.b64decode(device.private_key))


def machine_caller(client: Client, demo_machine: DemoMachine) -> MachineCaller:
    return MachineCaller(client, key_of(demo_machine))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def plant_again(
    engine: AsyncEngine,
    settings: Settings,
    known: Credentials | None,
    size: Size = SIZE,
    today: date = TODAY,
) -> Planted:
    async with transaction(engine) as connection:
        return await plant(connection, Keyring.of(settings), size, known, today=today, zone=settings.business_timezone)


async def counts(engine: AsyncEngine, *tables: sa.Table) -> list[int]:
    async with engine.connect() as connection:
        return [
            (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one() for table in tables
        ]


async def outcome(client: Client, demo_bin: DemoBin, **changes: Any) -> Any:
    response = await post(client, key_of(demo_bin), weigh_event(demo_bin.id, **changes))
    assert response.status == 200, await response.text()
    return (await response.json())["outcomes"][0]


async def problem_code(response: Any) -> tuple[int, str]:
    return response.status, (await response.json())["code"]


async def test_a_demo_takes_its_bins_events_and_credits_its_cards(demo_client: Client, planted: Credentials) -> None:
    assert {each.alg for each in planted.bins} == {Algorithm.ED25519, Algorithm.HMAC_SHA256}
    owner = planted.residents[3]
    for each in planted.bins:
        card = {"kind": "card", "value": owner.card}
        assert (await outcome(demo_client, each, credential=card))["outcome"] == "credited"
    me = await (await demo_client.get("/v1/me", headers=bearer(owner.token))).json()
    assert (me["resident_id"], me["balance_coins"]) == (owner.id, 125 * len(planted.bins))


async def test_a_demo_takes_coins_by_its_merchants_and_machines_keys(demo_client: Client, planted: Credentials) -> None:
    assert {each.alg for each in planted.machines} == {Algorithm.ED25519, Algorithm.HMAC_SHA256}
    assert len(planted.machines) == 18
    owner = planted.residents[0]
    card = {"kind": "card", "value": owner.card}
    await outcome(demo_client, planted.bins[0], credential=card, weight_grams=10_000)
    resident = Caller(demo_client, owner.token)
    tills: list[Caller | MachineCaller] = [machine_caller(demo_client, each) for each in planted.machines]
    tills.append(Caller(demo_client, planted.merchants[0].api_key))
    for till in tills:
        response = await till.take(await resident.new_pay_code(), 50)
        assert response.status == 201, await response.text()


async def test_a_bin_that_was_claimed_in_a_demo_keeps_its_key(
    demo_client: Client, planted: Credentials, admin_engine: AsyncEngine, settings: Settings
) -> None:
    field = Field(demo_client, {"operator": planted.operator_key})
    site_id = (await (await field.config(key_of(planted.bins[0]))).json())["site"]["id"]
    mine = await field.install(algorithm=Algorithm.HMAC_SHA256, site_id=site_id)
    again = await plant_again(admin_engine, settings, planted)
    assert again == Planted(planted, found=True, reissued=False)
    # What the sample's own lost, others have not.
    reissued = await plant_again(admin_engine, settings, None)
    assert {each.id for each in reissued.credentials.bins} == {each.id for each in planted.bins}
    assert (await post(demo_client, mine, weigh_event(FIELD_BIN))).status == 200


async def test_the_rate_has_a_value_and_a_target(demo_client: Client, planted: Credentials) -> None:
    response = await demo_client.get(
        "/v1/indicator/recycling-rate?area=nankai&period=2025", headers=bearer(planted.operator_key)
    )
    rate = await response.json()
    assert 0.2 < float(rate["rate"]) < 0.4
    assert rate["target"]["rate_percent"] == "35.00"
    assert "sample data" in rate["quantities"][2]["inputs"][0]["document"]["name"]


async def test_another_service_refuses_a_demo_bins_signature(client: Client, planted: Credentials) -> None:
    for each in planted.bins:
        response = await post(client, key_of(each), weigh_event(each.id))
        assert await problem_code(response) == (401, "key_unknown")


async def test_another_service_refuses_a_demo_residents_token(client: Client, planted: Credentials) -> None:
    response = await client.get("/v1/me", headers=bearer(planted.residents[0].token))
    assert await problem_code(response) == (401, "token_invalid")


async def test_another_service_refuses_all_api_keys_of_the_demo(client: Client, planted: Credentials) -> None:
    rate = "/v1/indicator/recycling-rate?area=nankai&period=2025"
    redemption = "/v1/redemptions/00000000-0000-4000-8000-000000000000"
    for path, key in (
        (rate, planted.operator_key),
        (redemption, planted.merchants[0].api_key),
    ):
        assert await problem_code(await client.get(path, headers=bearer(key))) == (401, "token_invalid")
    assert await problem_code(await machine_caller(client, planted.machines[0]).get(redemption)) == (401, "key_unknown")


async def test_another_service_does_not_know_a_demo_card_at_a_real_bin(
    planted: Credentials, client: Client, engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(engine) as connection:
        key = await add_bin(
            connection,
            Keyring.of(settings),
            bin_id="REAL-1",
            site_id="gulou-tianlin",
            algorithm=Algorithm.ED25519,
            scale=Scale(),
        )
    card = {"kind": "card", "value": planted.residents[0].card}
    response = await post(client, key, weigh_event("REAL-1", credential=card))
    assert (await response.json())["outcomes"][0]["outcome"] == "unclaimed"


async def test_all_that_the_demo_made_is_marked(planted: Credentials, engine: AsyncEngine) -> None:
    assert planted
    async with engine.connect() as connection:
        for table in (bin_key, machine_key, session, api_key, resident, credential):
            demo = sa.select(sa.func.count(), sa.func.count().filter(table.c.demo))
            every, marked = (await connection.execute(demo)).one()
            assert every == marked > 0, table.name


async def test_a_second_run_finds_the_sample_and_keeps_its_credentials(
    planted: Credentials, admin_engine: AsyncEngine, settings: Settings
) -> None:
    tables = (
        area,
        bin_,
        bin_key,
        merchant,
        machine,
        machine_key,
        resident,
        session,
        credential,
        api_key,
        tariff,
        offer,
        indicator_input,
    )
    before = await counts(admin_engine, *tables)
    assert all(before)
    again = await plant_again(admin_engine, settings, planted, Size.of(2, bins=20, residents=20))
    assert again == Planted(planted, found=True, reissued=False)
    assert await counts(admin_engine, *tables) == before


async def test_a_lost_demo_json_gives_everyone_new_keys_and_ends_the_old(
    demo_client: Client, planted: Credentials, admin_engine: AsyncEngine, settings: Settings
) -> None:
    again = await plant_again(admin_engine, settings, None)
    assert again.found
    assert again.reissued
    renewed = again.credentials
    assert [each.id for each in renewed.bins] == [each.id for each in planted.bins]
    assert [(each.id, each.card) for each in renewed.residents] == [(each.id, each.card) for each in planted.residents]
    for old, new in zip(planted.bins, renewed.bins, strict=True):
        assert (await outcome(demo_client, new))["outcome"] == "unclaimed"
        response = await post(demo_client, key_of(old), weigh_event(old.id))
        assert await problem_code(response) == (401, "signature_wrong")
    assert (await demo_client.get("/v1/me", headers=bearer(renewed.residents[0].token))).status == 200
    assert (await demo_client.get("/v1/me", headers=bearer(planted.residents[0].token))).status == 401
    path = "/v1/redemptions/00000000-0000-4000-8000-000000000000"
    tills = [Caller(demo_client, each.merchants[0].api_key) for each in (planted, renewed)]
    assert [(await till.get(path)).status for till in tills] == [401, 404]
    assert [(each.id, each.merchant_id, each.kind) for each in renewed.machines] == sorted(
        (each.id, each.merchant_id, each.kind) for each in planted.machines
    )
    assert {each.private_key for each in renewed.machines}.isdisjoint(each.private_key for each in planted.machines)
    assert (await machine_caller(demo_client, planted.machines[0]).get(path)).status == 401
    assert {(await machine_caller(demo_client, each).get(path)).status for each in renewed.machines} == {404}


async def test_a_demo_json_of_another_database_is_replaced(
    planted: Credentials, admin_engine: AsyncEngine, settings: Settings
) -> None:
    foreign = planted.model_copy(update={"operator_key": "tbk_of_another_database"})
    again = await plant_again(admin_engine, settings, foreign)
    assert again.reissued
    assert again.credentials.operator_key not in (foreign.operator_key, planted.operator_key)


async def test_under_another_secret_key_everyone_gets_new_keys_and_the_same_cards(
    planted: Credentials, admin_engine: AsyncEngine, settings: Settings
) -> None:
    other = settings.model_copy(update={"secret_key": SecretStr(base64.b64encode(bytes(32)).decode()), "demo": True})
    again = await plant_again(admin_engine, other, planted)
    assert again.reissued
    async with TestClient(TestServer(build_app(other))) as client:
        for each in again.credentials.bins:
            card = {"kind": "card", "value": again.credentials.residents[0].card}
            assert (await outcome(client, each, credential=card))["outcome"] == "credited"


async def test_months_that_have_begun_since_are_recorded_too(
    planted: Credentials, admin_engine: AsyncEngine, settings: Settings
) -> None:
    [before] = await counts(admin_engine, indicator_input)
    await plant_again(admin_engine, settings, planted, today=date(2027, 2, 1))
    [after] = await counts(admin_engine, indicator_input)
    # One of them was corrected.
    assert before == 4 * (12 + 12 + 11) + 1
    assert after == 4 * (12 + 12 + 12 + 2) + 1


async def test_a_database_that_someone_else_filled_is_left_alone(admin_engine: AsyncEngine, settings: Settings) -> None:
    async with transaction(admin_engine) as connection:
        await connection.execute(sa.insert(area).values(id="beijing", kind="city", name="北京市", name_en="Beijing"))
    with pytest.raises(CannotRun, match="did not make"):
        await plant_again(admin_engine, settings, None)
    assert await counts(admin_engine, area, merchant) == [1, 0]


async def test_one_tariff_is_superseded_and_one_of_both_factor_sets_counts_since_ever(
    planted: Credentials, engine: AsyncEngine
) -> None:
    assert planted
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(tariff).order_by(tariff.c.effective_from))).all()
        sets = (await list_sets(connection)).sets
    paper = [row.coins_per_kg for row in rows if row.material_id == "paper"]
    assert paper == [80, 100]
    assert len(rows) == 7
    assert [(each.id, each.in_force) for each in sets] == [
        ("uk.desnz.2025", [SetInForce(first_day=None, last_day=None)]),
        ("us.epa.warm.v16", []),
    ]


async def test_the_shipped_rules_hold_and_those_of_a_real_days_pace_until_the_fleet_plays(
    planted: Credentials, engine: AsyncEngine
) -> None:
    assert planted
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(plausibility_rule))).all()
    book = RuleBook(RuleRow(*row[:5]) for row in rows)
    assert book.unreadable == []
    now, yesterday = time.time(), day_begins_at(TODAY, ZONE).timestamp() - 86_400
    before = {rule.code for rule in book.at(yesterday, came_at=yesterday).of_drops}
    assert before == {code for code, rule in RULES.items() if rule.of == "drop"}
    assert before - {rule.code for rule in book.at(now, came_at=now).of_drops} == nankai.RULES_OF_PACE
    assert len(book.at(now, came_at=now).of_clearances) == 2


async def test_a_bin_that_came_later_is_left_alone_and_a_scale_is_inspected_when_its_certificate_ends(
    planted: Credentials, admin_engine: AsyncEngine, settings: Settings
) -> None:
    async with transaction(admin_engine) as connection:
        await add_bin(
            connection,
            Keyring.of(settings),
            bin_id="SIM-1",
            site_id=(await connection.execute(sa.select(bin_.c.site_id).limit(1))).scalar_one(),
            algorithm=Algorithm.ED25519,
            scale=Scale(certificate_expires_on=TODAY),
            demo=True,
        )
    year_later = TODAY + timedelta(days=366)
    again = await plant_again(admin_engine, settings, planted, today=year_later)
    assert not again.reissued
    renewed = await plant_again(admin_engine, settings, None, today=year_later)
    assert [each.id for each in renewed.credentials.bins] == [each.id for each in planted.bins]
    async with admin_engine.connect() as connection:
        expired = sa.select(bin_.c.id).where(bin_.c.certificate_expires_on < year_later)
        assert (await connection.execute(expired)).scalars().all() == ["SIM-1"]
