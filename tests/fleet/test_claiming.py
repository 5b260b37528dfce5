"""Bins are registered and claimed, over HTTP."""

import asyncio
import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.signatures import Algorithm, SigningKey
from service.db import transaction
from service.tables.bins import bin_, bin_claim, bin_key
from service.tables.redemption import idempotency_key
from tests.fleet.field import BIN, Yard, done, named, new_pair, public, told, until
from tests.world import post, weigh_event

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = (401, "claim_code_refused")


async def test_a_bin_is_registered_claimed_with_its_own_key_and_weighs(field: Yard) -> None:
    registered = await field.register(model="HB-2", certificate_expires_on="2027-12-31")
    assert (registered["state"], registered["serviced_at"], registered["model"]) == ("registered", None, "HB-2")
    made = await done(await field.act("claim-code"), 201)
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}", made["claim_code"])
    assert made["qr_svg"].startswith("<svg ")

    pair = new_pair()
    response = await field.claim(made["claim_code"], pair)
    claimed = await done(response, 201)
    assert response.headers["Cache-Control"] == "no-store"
    assert claimed == {"bin_id": BIN, "keyid": BIN, "algorithm": "ed25519", "secret": None}
    key = named(pair, BIN)
    outcomes = await done(await post(field.client, key, weigh_event(BIN)), 200)
    assert outcomes["outcomes"][0]["outcome"] == "credited"
    assert await field.changes() == [("registered", None), ("claim_code", None), ("claimed", BIN)]


async def test_a_claim_makes_the_bin_active_and_counts_as_a_visit(field: Yard) -> None:
    before = datetime.now(UTC)
    await field.install()
    async with field.engine.connect() as connection:
        row = (await connection.execute(sa.select(bin_).where(bin_.c.id == BIN))).one()
    assert row.state == "active"
    assert before - timedelta(seconds=1) < row.serviced_at < datetime.now(UTC) + timedelta(seconds=1)


async def test_a_weak_controller_gets_a_secret_once_that_is_stored_encrypted(field: Yard) -> None:
    await field.register()
    code = await field.claim_code()
    claimed = await done(await field.claim(code), 201)
    secret = base64.b64decode(claimed["secret"])
    assert (len(secret), claimed["keyid"], claimed["algorithm"]) == (32, BIN, "hmac-sha256")
    key = SigningKey(BIN, Algorithm.HMAC_SHA256, secret)
    assert (await post(field.client, key, weigh_event(BIN))).status == 200
    async with field.engine.connect() as connection:
        stored = (await connection.execute(sa.select(bin_key.c.key).where(bin_key.c.id == BIN))).scalar_one()
    assert secret not in stored
    assert await told(await field.claim(code)) == REFUSED


async def test_a_code_is_stored_as_a_hash_only_also_with_the_answers_to_keys(field: Yard) -> None:
    await field.register()
    code = await field.claim_code()
    async with field.engine.connect() as connection:
        [claim] = (await connection.execute(sa.select(bin_claim))).all()
        answers = (await connection.execute(sa.select(idempotency_key.c.answer))).scalars().all()
    assert len(claim.code_hash) == 32
    assert not any(code in answer or code.replace("-", "") in answer for answer in answers)


async def test_a_code_is_read_as_people_type_it(field: Yard) -> None:
    await field.register()
    code = await field.claim_code()
    typed = code.replace("-", " ").replace("1", "l").replace("0", "o").lower()
    assert (await field.claim(typed)).status == 201


# -- codes that are not good ----------------------------------------------------------------------------------------


async def test_a_code_that_was_used_is_over_was_replaced_or_never_was_hears_the_same(field: Yard) -> None:
    codes = {}
    for state in ("used", "over", "replaced", "withdrawn"):
        await field.register(state)
        codes[state] = await field.claim_code(state)
    assert (await field.claim(codes["used"], new_pair())).status == 201
    async with transaction(field.owner) as connection:
        await connection.execute(
            sa.update(bin_claim).where(bin_claim.c.bin_id == "over").values(expires_at=sa.func.now())
        )
    newest = await field.claim_code("replaced")
    assert (await field.act("retire", "withdrawn")).status == 200
    codes["never was"] = "7K3QX-9M2TB-4DWHZ-N8VJE-1RG6P"
    answers = set()
    for code in codes.values():
        response = await field.claim(code, new_pair())
        answers.add((response.status, json.dumps(await response.json(), sort_keys=True)))
        assert await told(response) == REFUSED
    assert len(answers) == 1
    assert (await field.claim(newest, new_pair())).status == 201


async def test_of_two_claims_with_one_code_at_once_one_wins(field: Yard) -> None:
    await field.register()
    code = await field.claim_code()
    responses = await asyncio.gather(*(field.claim(code, new_pair()) for _ in range(6)), field.claim(code))
    assert sorted(response.status for response in responses) == [201] + [401] * 6
    async with field.engine.connect() as connection:
        keys = sa.select(sa.func.count()).where(bin_key.c.bin_id == BIN)
        assert (await connection.execute(keys)).scalar_one() == 1


async def test_a_claim_whose_answer_was_lost_is_sent_again_with_the_same_key(field: Yard) -> None:
    await field.register()
    code, pair = await field.claim_code(), new_pair()
    answers = [await done(each, 201) for each in await asyncio.gather(*(field.claim(code, pair) for _ in range(4)))]
    assert answers == [answers[0]] * 4
    assert await field.changes() == [("registered", None), ("claim_code", None), ("claimed", BIN)]
    assert (await field.act("end-key", keyid=BIN)).status == 200
    assert await told(await field.claim(code, pair)) == REFUSED


async def test_wrong_codes_of_one_address_are_limited_and_right_ones_do_not_count(field: Yard) -> None:
    async with field.elsewhere(claim_failures_per_minute_max=3) as hasty:
        for number in range(5):
            assert (await hasty.install(f"b{number}")).keyid == f"b{number}"
        await field.register()
        code = await field.claim_code()
        guess = "0" * 25
        assert [(await hasty.claim(guess)).status for _ in range(4)] == [401, 401, 401, 429]
        # Nor is a right one looked at, or a guesser would learn which it was.
        response = await hasty.claim(code)
        assert await told(response) == (429, "claims_rate_limited")
        assert 1 <= int(response.headers["Retry-After"]) <= 20
        # Others are not held up: here, another process.
        assert (await field.claim(code)).status == 201


# -- keys that are none ---------------------------------------------------------------------------------------------


BAD_KEYS: dict[str, str] = {
    "too short": base64.b64encode(bytes(31)).decode(),
    "too long": base64.b64encode(bytes(33)).decode(),
    "nothing": "",
    "not base64": "ä" * 44,
    "of another alphabet": "_" * 43 + "=",
    "without its padding": base64.b64encode(b"k" * 32).decode().rstrip("="),
    "with stray bits": base64.b64encode(b"k" * 32).decode()[:-2] + "x=",
    "all zeros, of small order": base64.b64encode(bytes(32)).decode(),
    "the identity, of small order": base64.b64encode(b"\x01" + bytes(31)).decode(),
}


async def test_a_key_that_is_no_key_is_told_so_and_leaves_the_code_good(field: Yard) -> None:
    await field.register()
    code = await field.claim_code()
    for name, bad in BAD_KEYS.items():
        document = {"claim_code": code, "algorithm": "ed25519", "public_key": bad}
        response = await field.send(new_pair(), "POST", "/v1/bins/claim", document)
        problem = await response.json()
        assert response.status == 422, name
        assert problem["code"] == ("key_invalid" if bad else "validation_failed"), name
        assert problem["errors"][0]["pointer"] == "/public_key"
    assert (await field.claim(code, new_pair())).status == 201


async def test_who_does_not_have_the_private_key_cannot_bring_the_public_one(field: Yard) -> None:
    await field.register()
    code, pair, other = await field.claim_code(), new_pair(), new_pair()
    document = {"claim_code": code, "algorithm": "ed25519", "public_key": public(pair)}
    assert await told(await field.client.post("/v1/bins/claim", json=document)) == (401, "signature_missing")
    signed_by_other = await field.send(other, "POST", "/v1/bins/claim", document)
    assert await told(signed_by_other) == (401, "signature_wrong")
    under_another_name = await field.send(named(pair, BIN), "POST", "/v1/bins/claim", document)
    assert await told(under_another_name) == (401, "signature_wrong")
    assert await told(await field.claim(code, pair, created=1)) == (401, "signature_stale")
    assert (await field.claim(code, pair)).status == 201


async def test_one_private_key_in_two_bins_is_refused(field: Yard) -> None:
    pair = new_pair()
    for bin_id, status in (("first", 201), ("copy", 409)):
        await field.register(bin_id)
        response = await field.claim(await field.claim_code(bin_id), pair)
        assert response.status == status
    assert await told(response) == (409, "key_taken")
    history = await field.changes("copy")
    assert history == [("registered", None), ("claim_code", None)]


async def test_bad_claims_are_pointed_at(field: Yard) -> None:
    code = "7K3QX-9M2TB-4DWHZ-N8VJE-1RG6P"
    good: dict[str, Any] = {"claim_code": code, "algorithm": "hmac-sha256"}
    bad: list[tuple[dict[str, Any], str]] = [
        ({"claim_code": code[:-1]}, "/claim_code"),
        ({"claim_code": code.replace("K", "U")}, "/claim_code"),
        ({"claim_code": 1}, "/claim_code"),
        ({"claim_code": None}, "/claim_code"),
        ({"algorithm": "rsa"}, "/algorithm"),
        ({"algorithm": "ed25519"}, ""),
        ({"public_key": "k" * 44}, ""),
        ({"bin_id": BIN}, "/bin_id"),
    ]
    for change, pointer in bad:
        response = await field.client.post("/v1/bins/claim", json=good | change)
        problem = await response.json()
        assert (response.status, problem["errors"][0]["pointer"]) == (422, pointer), change
    assert await told(await field.client.post("/v1/bins/claim", data=b"{")) == (415, "unsupported_media_type")


# -- bins that are not new ------------------------------------------------------------------------------------------


async def test_a_bin_that_is_claimed_again_has_its_new_key_only(field: Yard) -> None:
    old = await field.install()
    code = await field.claim_code()
    assert (await field.config(old)).status == 200
    pair = new_pair()
    claimed = await done(await field.claim(code, pair), 201)
    assert claimed["keyid"] == f"{BIN}:2"
    assert (await field.config(named(pair, f"{BIN}:2"))).status == 200
    await until(lambda: field.is_told(old, 401, "key_unknown"))
    assert (await field.changes())[-2:] == [("key_ended", BIN), ("claimed", f"{BIN}:2")]


async def test_a_suspended_bin_is_not_claimed_and_its_code_stays_good(field: Yard) -> None:
    await field.install()
    code, pair = await field.claim_code(), new_pair()
    assert (await field.act("suspend")).status == 200
    assert await told(await field.claim(code, pair)) == (403, "bin_suspended")
    assert (await field.act("resume")).status == 200
    assert (await field.claim(code, pair)).status == 201


async def test_a_code_of_the_demo_is_good_in_the_demo_only(field: Yard) -> None:
    await field.register()
    code = await field.claim_code()
    async with transaction(field.owner) as connection:
        await connection.execute(sa.update(bin_claim).values(demo=True))
    assert await told(await field.claim(code)) == REFUSED
    async with field.elsewhere(demo=True) as demo:
        key = await done(await demo.claim(code), 201)
    signer = SigningKey(BIN, Algorithm.HMAC_SHA256, base64.b64decode(key["secret"]))
    assert await told(await field.config(signer)) == (401, "key_unknown")


# -- registration ---------------------------------------------------------------------------------------------------


async def test_a_registration_is_answered_once_and_a_bin_is_registered_once(field: Yard) -> None:
    wanted = {"id": BIN, "site_id": "site-1"}
    first = await done(await field.operate("", wanted, key="k"), 201)
    assert await done(await field.operate("", wanted, key="k"), 201) == first
    assert await told(await field.operate("", wanted)) == (409, "bin_exists")
    assert await told(await field.operate("", wanted, who="viewer")) == (403, "forbidden")
    assert await told(await field.operate("", wanted | {"id": "b", "site_id": "nowhere"})) == (404, "site_unknown")


async def test_bad_registrations_are_pointed_at(field: Yard) -> None:
    bad: dict[str, list[Any]] = {
        "id": ["", "a b", "-a", "a/b", "x" * 64, "me", "claim", None, 1],
        "site_id": ["", "a\u0000b", None],
        "model": ["", "a\nb", "x" * 61],
        "verification_interval_grams": [0, -1, 1.5, "10", 10_001],
        "capacity_grams": [0, 10**8],
        "box_capacity_grams": [0],
        "certificate_expires_on": ["2027", "2027-02-30", 1, "2027-01-01T00:00:00Z"],
        "state": ["active"],
    }
    for name, values in bad.items():
        for value in values:
            response = await field.operate("", {"id": BIN, "site_id": "site-1", name: value})
            problem = await response.json()
            assert (response.status, problem["code"]) == (422, "validation_failed"), (name, value)
            assert [error["pointer"] for error in problem["errors"]] == [f"/{name}"], (name, value)
    assert await told(await field.read(f"/v1/bins/{BIN}/history")) == (404, "bin_unknown")


async def test_a_bin_that_is_not_there_has_nothing(field: Yard) -> None:
    for bin_id in ("nobody", "a%00b", "x" * 100):
        for what in ("claim-code", "rotate", "suspend", "resume", "service", "retire"):
            assert await told(await field.act(what, bin_id)) == (404, "bin_unknown"), (what, bin_id)
        for what in ("keys", "history"):
            assert await told(await field.read(f"/v1/bins/{bin_id}/{what}")) == (404, "bin_unknown")
