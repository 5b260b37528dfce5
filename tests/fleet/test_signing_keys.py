"""Bins change their keys, over HTTP: overlaps, stolen keys, lost answers."""

import asyncio
import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from schemas.signatures import Algorithm, SigningKey
from service.db import transaction
from service.fleet.signing_keys import KEYS_AN_HOUR_MAX
from service.secrets import Keyring
from service.tables.bins import bin_key
from tests.fleet.field import BIN, Field, Yard, done, named, new_pair, public, told, until
from tests.world import post, weigh_event

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = "/v1/bins/me/keys"
UNKNOWN = (401, "key_unknown")
NOT_NEWEST = (403, "key_not_newest")


def secret_of(answer: dict[str, Any]) -> SigningKey:
    return SigningKey(answer["keyid"], Algorithm.HMAC_SHA256, base64.b64decode(answer["secret"]))


async def weighs(field: Field, key: SigningKey) -> bool:
    """Whether what this key signs is taken."""
    response = await post(field.client, key, weigh_event(BIN))
    assert response.status == 200 or await told(response) == UNKNOWN
    return response.status == 200


async def until_refused(field: Field, key: SigningKey) -> None:
    async def refused() -> bool:
        return not await weighs(field, key)

    await until(refused)


async def rotated(field: Field, old: SigningKey) -> SigningKey:
    pair = new_pair()
    brought = await done(await field.bring(old, pair), 201)
    return named(pair, brought["keyid"])


async def test_a_bin_brings_another_key_and_both_are_good_for_the_overlap(field: Yard) -> None:
    old = await field.install()
    pair = new_pair()
    response = await field.bring(old, pair)
    brought = await done(response, 201)
    assert response.headers["Cache-Control"] == "no-store"
    assert (brought["keyid"], brought["algorithm"], brought["secret"]) == (f"{BIN}:2", "ed25519", None)
    [before, after] = brought["keys"]
    assert (before["newest"], after["newest"], after["valid_until"]) == (False, True, None)
    ends_at = datetime.fromisoformat(before["valid_until"])
    assert abs(ends_at - datetime.now(UTC) - timedelta(days=field.settings.key_overlap_days)) < timedelta(minutes=1)
    new = named(pair, f"{BIN}:2")
    assert await weighs(field, new)
    assert await weighs(field, old)
    assert (await field.changes())[-2:] == [("key_ended", BIN), ("key_added", f"{BIN}:2")]


async def test_a_key_that_was_stolen_before_it_was_changed_makes_and_ends_no_keys(field: Yard) -> None:
    stolen = await field.install()
    new = await rotated(field, stolen)
    assert await told(await field.bring(stolen, new_pair())) == NOT_NEWEST
    assert await told(await field.ask_for_secret(stolen)) == NOT_NEWEST
    for keyid in (new.keyid, stolen.keyid, "nothing"):
        assert await told(await field.send(stolen, "DELETE", f"{KEYS}/{keyid}")) == NOT_NEWEST
    assert await weighs(field, new)


async def test_after_the_overlap_the_old_key_is_nobody(field: Yard) -> None:
    old = await field.install()
    new = await rotated(field, old)
    async with transaction(field.owner) as connection:
        ended = sa.update(bin_key).where(bin_key.c.id == old.keyid).values(valid_until=sa.func.now())
        await connection.execute(ended)
    # This one has remembered nothing yet.
    async with field.elsewhere() as later:
        assert not await weighs(later, old)
        assert await told(await later.bring(old, new_pair())) == UNKNOWN
        assert await weighs(later, new)


async def test_the_new_key_ends_the_old_one_early(field: Yard) -> None:
    old = await field.install()
    new = await rotated(field, old)
    for _ in range(2):
        assert (await field.send(new, "DELETE", f"{KEYS}/{old.keyid}")).status == 204
    await until_refused(field, old)
    assert await weighs(field, new)
    assert await told(await field.send(new, "DELETE", f"{KEYS}/{new.keyid}")) == (409, "newest_key_stays")
    for keyid in ("nothing", f"{BIN}:3", "NK-0001", "a%00b"):
        assert await told(await field.send(new, "DELETE", f"{KEYS}/{keyid}")) == (404, "bin_key_unknown")
    assert (await field.changes())[-1] == ("key_ended", old.keyid)


async def test_of_three_keys_the_oldest_ends_at_once(field: Yard) -> None:
    first = await field.install()
    second = await rotated(field, first)
    third = await rotated(field, second)
    keys = (await done(await field.read(f"/v1/bins/{BIN}/keys"), 200))["keys"]
    now = datetime.now(UTC)
    living = [
        key["keyid"] for key in keys if not key["valid_until"] or datetime.fromisoformat(key["valid_until"]) > now
    ]
    assert living == [second.keyid, third.keyid]
    assert [key["keyid"] for key in keys if key["newest"]] == [third.keyid]
    await until_refused(field, first)
    assert await weighs(field, second)


async def test_an_overlap_of_no_days_ends_the_old_key_at_once(field: Yard) -> None:
    async with field.elsewhere(key_overlap_days=0) as hasty:
        old = await hasty.install()
        new = await rotated(hasty, old)
        await until_refused(hasty, old)
        assert await weighs(hasty, new)


# -- lost answers ---------------------------------------------------------------------------------------------------


async def test_the_same_public_key_again_changes_nothing_whoever_signs(field: Yard) -> None:
    old = await field.install()
    pair = new_pair()
    first = await done(await field.bring(old, pair), 201)
    again = [old, old, named(pair, first["keyid"])]
    assert [await done(await field.bring(signer, pair), 201) for signer in again] == [first] * 3
    assert [kind for kind, _ in await field.changes()].count("key_added") == 1


async def test_two_keys_brought_at_once_follow_one_another(field: Yard) -> None:
    old = await field.install()
    pairs = [new_pair() for _ in range(4)]
    responses = await asyncio.gather(*(field.bring(old, pair) for pair in pairs))
    assert sorted(response.status for response in responses) == [201, 403, 403, 403]
    same = await asyncio.gather(*(field.bring(old, pair) for pair in pairs for _ in range(2)))
    assert sorted(response.status for response in same) == [201, 201] + [403] * 6


async def test_a_key_that_is_over_does_not_come_back(field: Yard) -> None:
    first = await field.install()
    second = await rotated(field, first)
    assert (await field.send(second, "DELETE", f"{KEYS}/{first.keyid}")).status == 204
    assert await told(await field.bring(second, first)) == (409, "key_taken")
    stranger = await field.install("other")
    assert await told(await field.bring(second, stranger)) == (409, "key_taken")
    assert await weighs(field, second)


async def test_a_secret_counts_when_the_bin_has_shown_that_it_has_it(field: Yard) -> None:
    old = await field.install(algorithm=Algorithm.HMAC_SHA256)
    issued = await done(await field.ask_for_secret(old), 201)
    secret = secret_of(issued)
    assert [(key["keyid"], key["valid_from"] is None, key["newest"]) for key in issued["keys"]] == [
        (BIN, False, True),
        (f"{BIN}:2", True, False),
    ]
    assert not await weighs(field, secret)
    # However long the answer was lost, and however often: the old one stays what it was, and hears the same.
    assert await done(await field.ask_for_secret(old), 201) == issued
    assert await weighs(field, old)

    confirmed = await done(await field.confirm(secret), 200)
    assert [(key["newest"], key["valid_until"] is None) for key in confirmed["keys"]] == [(False, False), (True, True)]
    assert await weighs(field, secret)
    assert await done(await field.confirm(secret), 200) == confirmed
    assert await told(await field.ask_for_secret(old)) == NOT_NEWEST
    another = secret_of(await done(await field.ask_for_secret(secret), 201))
    assert another.secret != secret.secret


async def test_a_secret_is_used_the_moment_it_is_confirmed_whenever_processes_look(field: Yard) -> None:
    async with field.elsewhere(reference_poll_seconds=30) as there:
        old = await there.install(algorithm=Algorithm.HMAC_SHA256)
        secret = secret_of(await done(await there.ask_for_secret(old), 201))
        assert not await weighs(there, secret)
        assert (await there.confirm(secret)).status == 200
        assert await weighs(there, secret)


async def test_secrets_asked_for_at_once_are_one(field: Yard) -> None:
    old = await field.install(algorithm=Algorithm.HMAC_SHA256)
    answers = [await done(each, 201) for each in await asyncio.gather(*(field.ask_for_secret(old) for _ in range(4)))]
    assert answers == [answers[0]] * 4
    confirmations = await asyncio.gather(*(field.confirm(secret_of(answers[0])) for _ in range(4)))
    assert [response.status for response in confirmations] == [200] * 4
    assert [kind for kind, _ in await field.changes()].count("key_added") == 1


async def test_a_secret_that_waits_is_over_when_a_public_key_is_brought(field: Yard) -> None:
    old = await field.install(algorithm=Algorithm.HMAC_SHA256)
    secret = secret_of(await done(await field.ask_for_secret(old), 201))
    new = await rotated(field, old)
    assert await told(await field.confirm(secret)) == UNKNOWN
    assert await weighs(field, new)


async def test_a_secret_is_stored_encrypted_and_told_again_by_its_own_service_only(field: Yard) -> None:
    old = await field.install()
    secret = secret_of(await done(await field.ask_for_secret(old), 201))
    async with field.engine.connect() as connection:
        stored = (await connection.execute(sa.select(bin_key.c.key).where(bin_key.c.id == secret.keyid))).scalar_one()
    assert secret.secret not in stored
    assert Keyring.of(field.settings).decrypt_signing_secret("bin", secret.keyid, stored) == secret.secret
    async with field.elsewhere(secret_key=SecretStr(base64.b64encode(bytes(32)).decode())) as other:
        assert await told(await other.ask_for_secret(old)) == (503, "key_unreadable")


async def test_only_the_secret_itself_confirms_it(field: Yard) -> None:
    old = await field.install()
    secret = secret_of(await done(await field.ask_for_secret(old), 201))
    forged = SigningKey(secret.keyid, Algorithm.HMAC_SHA256, b"f" * 32)
    assert await told(await field.confirm(forged)) == (401, "signature_wrong")
    assert await told(await field.confirm(named(secret, f"{BIN}:9"))) == UNKNOWN
    assert await told(await field.confirm(old)) == (403, "key_not_newest")
    assert not await weighs(field, secret)
    assert (await field.confirm(secret)).status == 200


# -- keys that are none ---------------------------------------------------------------------------------------------


async def test_a_key_without_its_proof_is_refused(field: Yard) -> None:
    old = await field.install()
    pair, other = new_pair(), new_pair()
    good = {"algorithm": "ed25519", "public_key": public(pair)}
    proofs = {
        "of another key": other.sign(f"tanbi-key:{BIN}:{public(pair)}".encode()),
        "for another bin": pair.sign(f"tanbi-key:NK-0001:{public(pair)}".encode()),
        "of nothing": pair.sign(b""),
        "too short": b"short",
    }
    for name, proof in proofs.items():
        document = good | {"proof": base64.b64encode(proof).decode()}
        assert await told(await field.send(old, "POST", KEYS, document)) == (422, "key_proof_wrong"), name
    assert await told(await field.send(old, "POST", KEYS, good | {"proof": "ä"})) == (422, "key_proof_wrong")
    bad_key = {"algorithm": "ed25519", "public_key": base64.b64encode(bytes(32)).decode(), "proof": "AAAA"}
    assert await told(await field.send(old, "POST", KEYS, bad_key)) == (422, "key_invalid")
    for document in ({}, good, {"algorithm": "hmac-sha256", "public_key": public(pair)}, {"algorithm": "none"}):
        assert await told(await field.send(old, "POST", KEYS, document)) == (422, "validation_failed"), document
    assert await told(await field.client.post(KEYS, json=good)) == (422, "validation_failed")
    assert (await field.bring(old, pair)).status == 201


async def test_a_suspended_bin_changes_no_keys(field: Yard) -> None:
    old = await field.install()
    secret = secret_of(await done(await field.ask_for_secret(old), 201))
    assert (await field.act("suspend")).status == 200
    suspended = (403, "bin_suspended")
    assert await told(await field.bring(old, new_pair())) == suspended
    assert await told(await field.confirm(secret)) == suspended
    assert await told(await field.send(old, "DELETE", f"{KEYS}/x")) == suspended


# -- operators ------------------------------------------------------------------------------------------------------


async def test_an_operator_ends_a_stolen_key(field: Yard) -> None:
    old = await field.install()
    new = await rotated(field, old)
    ended = await done(await field.act("end-key", keyid=old.keyid), 200)
    assert [key["newest"] for key in ended["keys"]] == [False, True]
    await until_refused(field, old)
    assert await weighs(field, new)
    assert await told(await field.act("end-key", keyid=f"{BIN}:7")) == (404, "bin_key_unknown")
    assert await told(await field.act("end-key", keyid="")) == (422, "validation_failed")
    assert await told(await field.operate(f"/{BIN}/end-key", {"keyid": BIN, "reason": "x"}, who="viewer")) == (
        403,
        "forbidden",
    )


async def test_all_keys_are_replaced_by_a_claim(field: Yard) -> None:
    stolen = await field.install()
    made = await done(await field.act("rotate"), 201)
    await until_refused(field, stolen)
    assert await told(await field.bring(stolen, new_pair())) == UNKNOWN
    pair = new_pair()
    claimed = await done(await field.claim(made["claim_code"], pair), 201)
    assert await weighs(field, named(pair, claimed["keyid"]))
    assert await weighs(field, stolen) is False


async def test_a_suspended_bin_is_refused_from_the_commit_on_whichever_of_its_keys_signs(field: Yard) -> None:
    old = await field.install()
    new = await rotated(field, old)
    assert await weighs(field, old)
    assert await weighs(field, new)
    assert (await field.act("suspend")).status == 200
    for key in (old, new):
        assert await told(await post(field.client, key, weigh_event(BIN))) == (403, "bin_suspended")


async def test_a_bin_without_a_clock_is_told_the_time(field: Yard) -> None:
    key = await field.install()
    for method, path, document in (("GET", "/v1/bins/me/config", None), ("POST", KEYS, {"algorithm": "hmac-sha256"})):
        response = await field.send(key, method, path, document, created=42)
        problem = await response.json()
        assert (response.status, problem["code"]) == (401, "signature_stale")
        assert abs(problem["server_unix_seconds"] - time.time()) < 60
        date = datetime.strptime(response.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
        assert abs(date.timestamp() - time.time()) < 60
        assert (await field.send(key, method, path, document, created=problem["server_unix_seconds"])).status < 300


async def test_a_bin_of_either_kind_changes_to_the_other_and_back(field: Yard) -> None:
    key = await field.install(algorithm=Algorithm.HMAC_SHA256)
    key = await rotated(field, key)
    assert await weighs(field, key)
    key = secret_of(await done(await field.ask_for_secret(key), 201))
    assert (await field.confirm(key)).status == 200
    assert await weighs(field, key)


async def test_a_bin_that_changes_its_key_again_and_again_is_told_to_wait(field: Yard) -> None:
    key = await field.install()
    for _ in range(KEYS_AN_HOUR_MAX - 1):
        key = await rotated(field, key)
    response = await field.bring(key, new_pair())
    assert await told(response) == (429, "keys_rate_limited")
    assert 3000 < int(response.headers["Retry-After"]) <= 3600
    assert await told(await field.ask_for_secret(key)) == (429, "keys_rate_limited")
    # It keeps the key that it has.
    assert await weighs(field, key)
