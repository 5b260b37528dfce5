"""What a bin reads about itself, over HTTP."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.signatures import SigningKey
from service.db import transaction
from service.reference import raise_revision
from service.tables.reference import plausibility_rule, tariff
from service.tables.weighing import bin_memory
from tests.fleet.field import BIN, NEWER_SITE, Yard, done, new_pair, told, until
from tests.world import post, weigh_event

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = "/v1/bins/me/config"


async def read(field: Yard, key: SigningKey) -> tuple[dict[str, Any], str]:
    """The configuration and its ETag."""
    response = await field.config(key)
    config = await done(response, 200)
    assert response.headers["Cache-Control"] == "private, no-cache"
    return config, response.headers["ETag"]


async def add_tariff(field: Yard, material_id: str, coins_per_kg: int, effective_from: datetime) -> None:
    async with transaction(field.engine) as connection:
        values = {"material_id": material_id, "coins_per_kg": coins_per_kg, "effective_from": effective_from}
        await connection.execute(sa.insert(tariff).values(values))


async def test_a_bin_reads_what_it_shows_and_keeps_to(field: Yard) -> None:
    key = await field.install(verification_interval_grams=5, certificate_expires_on="2027-12-31", model="HB-2")
    next_year = datetime(2099, 1, 1, tzinfo=UTC)
    await add_tariff(field, "paper", 130, next_year)
    await add_tariff(field, "paper", 140, next_year + timedelta(days=1))
    config, _ = await read(field, key)
    assert abs(config["server_unix_seconds"] - time.time()) < 60
    assert datetime.fromisoformat(config["server_time"]).timestamp() == config["server_unix_seconds"]
    assert (config["bin_id"], config["model"]) == (BIN, "HB-2")
    assert config["site"] == {"id": "site-1", "name": "一号点", "name_en": "Site 1"}
    assert config["key"] == {"keyid": BIN, "newest": True, "valid_until": None}
    coming = {"coins_per_kg": 130, "effective_from": "2099-01-01T00:00:00Z"}
    assert {each["id"]: (each["coins_per_kg"], each["next"]) for each in config["materials"]} == {
        "metal": (150, None),
        "paper": (100, coming),
        "plastic": (120, None),
    }
    assert config["scale"] == {
        "verification_interval_grams": 5,
        "capacity_grams": 60_000,
        "smallest_load_grams": 100,
        "certificate_expires_on": "2027-12-31",
    }
    assert config["box_capacity_grams"] == 30_000
    assert config["thresholds"] == {
        "full_percent": 80,
        "heat_celsius": 60,
        "scale_zero_grams": 5,
        "battery_percent": 20,
        "offline_seconds": 900,
    }
    assert (config["telemetry_interval_seconds"], config["signature_tolerance_seconds"]) == (30, 300)
    assert (config["batch_events_max"], config["body_bytes_max"]) == (500, 1_048_576)
    assert config["firmware"] is None
    assert config["sequence"] == {"epoch": 0, "next": 0}


async def test_nothing_is_sent_where_nothing_has_changed(field: Yard) -> None:
    key = await field.install()
    _, etag = await read(field, key)
    assert etag.startswith('W/"')
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        response = await field.config(key, known)
        assert (response.status, await response.read(), response.headers["ETag"]) == (304, b"", etag)
        assert "Date" in response.headers
    for other in ('W/"other"', "nonsense", ""):
        assert (await field.config(key, other)).status == 200


async def test_drops_alone_change_the_count_and_not_the_etag(field: Yard) -> None:
    key = await field.install()
    _, etag = await read(field, key)
    assert (await post(field.client, key, weigh_event(BIN, sequence=41))).status == 200
    config, after = await read(field, key)
    assert config["sequence"] == {"epoch": 0, "next": 42}
    assert after == etag


async def test_a_bin_that_has_lost_its_count_reads_where_it_stands(field: Yard) -> None:
    key = await field.install()
    async with transaction(field.engine) as connection:
        await connection.execute(
            sa.update(bin_memory).where(bin_memory.c.bin_id == BIN).values(epoch=2, sequence=2**53 - 2)
        )
    assert (await read(field, key))[0]["sequence"] == {"epoch": 2, "next": 2**53 - 1}


async def test_whatever_a_bin_has_to_know_changes_the_etag(field: Yard) -> None:
    key = await field.install(model="HB-2")
    seen = [(await read(field, key))[1]]

    async def changed() -> None:
        seen.append((await read(field, key))[1])

    await add_tariff(field, "paper", 130, datetime(2099, 1, 1, tzinfo=UTC))
    await changed()
    async with transaction(field.owner) as connection:
        await connection.execute(
            sa.update(tariff).where(tariff.c.coins_per_kg == 130).values(effective_from=sa.func.now())
        )
    await changed()
    assert (await field.act("move", site_id=NEWER_SITE)).status == 200
    await changed()
    assert (await field.operate(f"/{BIN}/scale", {"capacity_grams": 1, "reason": "x"}, method="PATCH")).status == 200
    await changed()
    await announce(field, "HB-2", "2.4.1")
    await changed()
    assert (await field.bring(key, new_pair())).status == 201
    await changed()
    assert len(set(seen)) == len(seen)


async def announce(field: Yard, model: str | None, version: str, **changes: Any) -> Any:
    document = {"model": model, "version": version, "notice": "升级", "notice_en": "Update", **changes}
    headers = {"Authorization": f"Bearer {field._operators['operator']}", "Idempotency-Key": f"{model} {version}"[-9:]}
    headers["Idempotency-Key"] = headers["Idempotency-Key"].replace(" ", "-")
    return await done(await field.client.post("/v1/firmware-notices", json=document, headers=headers), 201)


async def test_a_bin_hears_of_the_newest_firmware_in_force_for_its_model(field: Yard) -> None:
    mine, other = await field.install(model="HB-2"), await field.install("other", model="HB-3")
    plain = await field.install("plain")
    hours_ago = [(datetime.now(UTC) - timedelta(hours=hours)).isoformat() for hours in (3, 2, 1)]
    await announce(field, None, "1.0", effective_from=hours_ago[0])
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    where = {"url": "https://firmware.example/hb-2.bin", "sha256": digest.upper()}
    await announce(field, "HB-2", "2.0", effective_from=hours_ago[1], **where)
    await announce(field, "HB-2", "3.0", effective_from="2099-01-01T00:00:00Z")
    versions = [(await read(field, key))[0]["firmware"]["version"] for key in (mine, other, plain)]
    assert versions == ["2.0", "1.0", "1.0"]
    firmware = (await read(field, mine))[0]["firmware"]
    assert (firmware["url"], firmware["sha256"]) == (where["url"], digest)
    assert (firmware["notice"], firmware["notice_en"]) == ("升级", "Update")
    await announce(field, None, "4.0", effective_from=hours_ago[2])
    assert (await read(field, mine))[0]["firmware"]["version"] == "4.0"
    listed = await done(await field.read("/v1/firmware-notices?limit=3"), 200)
    assert [each["version"] for each in listed["notices"]] == ["4.0", "3.0", "2.0"]
    rest = await done(await field.read(f"/v1/firmware-notices?cursor={listed['next_cursor']}"), 200)
    assert ([each["version"] for each in rest["notices"]], rest["next_cursor"]) == (["1.0"], None)


async def test_firmware_that_cannot_be_checked_is_not_announced(field: Yard) -> None:
    url, digest = "https://firmware.example/x", "0" * 64
    bad: list[dict[str, Any]] = [
        {"url": url},
        {"sha256": digest},
        {"url": url.replace("https", "http"), "sha256": digest},
        {"url": url, "sha256": digest[:-1]},
        {"version": ""},
        {"notice": ""},
        {"effective_from": "tomorrow"},
    ]
    for change in bad:
        document = {"version": "1", "notice": "升级", "notice_en": "Update", **change}
        headers = {"Authorization": f"Bearer {field._operators['operator']}", "Idempotency-Key": "k"}
        response = await field.client.post("/v1/firmware-notices", json=document, headers=headers)
        assert await told(response) == (422, "validation_failed"), change


async def test_the_smallest_load_is_what_the_rule_in_force_says(field: Yard) -> None:
    key = await field.install()
    values = {"code": "below_smallest_load", "effective_from": datetime.now(UTC), "action": "reject"}
    async with transaction(field.engine) as connection:
        await connection.execute(sa.insert(plausibility_rule).values(**values, parameters={"intervals_min": 50}))
        await raise_revision(connection)

    async def noticed() -> bool:
        return bool((await read(field, key))[0]["scale"]["smallest_load_grams"] == 500)

    await until(noticed)


async def test_the_key_before_the_newest_is_told_how_long_it_is_good(field: Yard) -> None:
    old = await field.install()
    pair = new_pair()
    brought = await done(await field.bring(old, pair), 201)
    key = (await read(field, old))[0]["key"]
    assert key == {"keyid": BIN, "newest": False, "valid_until": brought["keys"][0]["valid_until"]}


async def test_nobody_reads_anothers_configuration(field: Yard) -> None:
    config, _ = await read(field, field.world.hmac)
    assert config["bin_id"] == "NK-0002"
    assert await told(await field.client.get(CONFIG)) == (401, "signature_missing")
    stranger = new_pair("NK-0001")
    assert await told(await field.config(stranger)) == (401, "signature_wrong")
    await field.register()
    assert await told(await field.config(new_pair(BIN))) == (401, "key_unknown")
    key = await field.install("another")
    assert (await field.act("suspend", "another")).status == 200
    await until(lambda: field.is_told(key, 403, "bin_suspended"))
