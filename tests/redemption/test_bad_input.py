"""Whatever is wrong with what is sent: a problem with a code that stays and a pointer, and nothing has changed."""

import json
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.examples import EXAMPLES
from service.problem_kinds import problem_kinds
from service.redemption.routes import routes
from service.secrets import Keyring
from service.tables.columns import metadata
from tests.machine import MachineCaller, install_machine
from tests.redemption.calls import BY_PAY_CODE, OWN, Caller
from tests.world import World, add_shop, earn

Client = TestClient[Any, Any]

# Written by workers of their own accord.
IN_THE_BACKGROUND = {"volume", "volume_month", "resident_volume", "coin_volume", "fold_position"}
PROBLEMS = {(each.method, each.path): {kind.code for kind in problem_kinds(each.problems)} for each in routes.endpoints}
INVALID = "validation_failed"

NOT_COINS: list[Any] = [0, -1, -(2**63), 10**9 + 1, 2**63, 10**30, 1.0, 1.5, 1e300, float("nan"), float("inf")]
NOT_COINS += ["1", "", True, False, [1], {"coins": 1}]
NOT_PAY_CODES = [
    "",
    "1" * 17,
    "1" * 19,
    "1" * 17 + "a",
    "１" * 18,
    "1" * 17 + "\n",
    "1" * 18 + "\n",
    10**17,
    None,
    ["1"],
]
NOT_NAMES = ["", "a b", "../x", "店", "\0", "a" * 65, 1, None]
NOT_REASONS: list[Any] = [None, "", " ", "x" * 201, "a\nb", "\0", 1, []]
NOT_OBJECTS = [b"null", b"[]", b"1", b'"x"', b"true"]
NOT_JSON = [b"", b" ", b"{", b"{'coins': 1}", b'{"coins": 1,}', b'"\xff"', b"\xef\xbb\xbf{}", b"[" * 100_000]
NOT_IDS = [
    str(uuid.UUID(int=0)),
    "1",
    "none",
    "x" * 300,
    "%00",
    "%F0%9F%AA%99",
]


@dataclass(frozen=True)
class Call:
    """A request that would be granted, as long as `document` is whole."""

    caller: Caller | MachineCaller
    path: str
    document: dict[str, Any]

    @property
    def codes(self) -> set[str]:
        """What the API's document says it can be answered with."""
        found = [codes for (method, path), codes in PROBLEMS.items() if method == "POST" and _is_of(self.path, path)]
        return found[0]


def _is_of(path: str, pattern: str) -> bool:
    parts, of = path.split("/"), pattern.split("/")
    return len(parts) == len(of) and all(part == each or each == "{id}" for part, each in zip(parts, of, strict=True))


@dataclass
class Scene:
    """A resident with coins; a shop that holds some of them and has taken some; another that has done the same."""

    admin_engine: AsyncEngine
    resident: Caller
    shop: Caller
    machine: MachineCaller
    held_id: str
    taken_id: str
    others: list[str]
    used_code: str
    good_code: str
    declines: int = 0

    def calls(self) -> dict[str, Call]:
        return {
            "own": Call(self.resident, OWN, {"merchant_id": "NK-M-01", "coins": 1}),
            "by code": Call(self.shop, BY_PAY_CODE, {"pay_code": self.good_code, "coins": 1, "capture": True}),
            "capture": Call(self.shop, f"{BY_PAY_CODE}/{self.held_id}/capture", {}),
            "void": Call(self.shop, f"{BY_PAY_CODE}/{self.held_id}/void", {}),
            "refund": Call(self.shop, f"{BY_PAY_CODE}/{self.taken_id}/refund", {}),
        }

    async def contents(self) -> dict[str, tuple[int, str]]:
        """How many rows each table has, and a digest of them."""
        one = "SELECT '{0}', count(*), coalesce(md5(string_agg(of::text, '|' ORDER BY of::text)), '') FROM {0} AS of"
        names = [name for name in metadata.tables if name not in IN_THE_BACKGROUND]
        async with self.admin_engine.connect() as connection:
            rows = await connection.execute(sa.text(" UNION ALL ".join(one.format(name) for name in names)))
            return {name: (count, digest) for name, count, digest in rows}

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """Whatever is refused within changes nothing; of what is declined the answer is kept, and only that."""
        before, declines = await self.contents(), self.declines
        yield
        after = await self.contents()
        kept = self.declines - declines
        assert {name for name in after if after[name] != before[name]} == ({"idempotency_key"} if kept else set())
        assert after["idempotency_key"][0] - before["idempotency_key"][0] == kept

    async def refuses(
        self,
        call: Call,
        document: Any,
        status: int,
        code: str,
        pointers: Iterable[str] = (),
        *,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> None:
        """All that is refused is sent under one key a path, as if each had been mended and sent again."""
        if status in (404, 409):
            self.declines += 1
            key = str(uuid.uuid4())
        response = await call.caller.post(call.path, document, key=key or key_of(call), headers=headers)
        shown = (call.path[-60:], str(document)[:80], headers)
        await self.is_problem(response, status, code, pointers, shown)
        assert code in call.codes, shown

    async def is_problem(
        self, response: ClientResponse, status: int, code: str, pointers: Iterable[str], shown: Any
    ) -> None:
        text = await response.text()
        assert response.headers["Content-Type"] == "application/problem+json", (shown, text)
        problem = json.loads(text)
        assert (response.status, problem["status"], problem["code"]) == (status, status, code), (shown, text)
        assert problem["type"] == f"/problems#{code}"
        assert problem["title"]
        assert problem["detail"]
        assert [error["pointer"] for error in problem.get("errors", [])] == list(pointers), (shown, text)


def key_of(call: Call) -> str:
    return call.path.replace("/", ".")[-100:]


@pytest.fixture
async def scene(made: Scene) -> AsyncIterator[Scene]:
    async with made.unchanged():
        yield made


@pytest.fixture
async def made(
    world: World,
    client: Client,
    resident: Caller,
    shop: Caller,
    engine: AsyncEngine,
    admin_engine: AsyncEngine,
    keyring: Keyring,
) -> Scene:
    await earn(client, world, 1000)
    other = Caller(client, await add_shop(engine, "NK-M-02"))
    for merchant, offer_id in ((shop, "soap"), (other, "theirs")):
        offer = {**EXAMPLES["NewOffer"], "id": offer_id, "machine_kind": None}
        assert (await merchant.post("/v1/merchants/me/offers", offer)).status == 201

    async def take(merchant: Caller, *, capture: bool) -> tuple[str, str]:
        code = await resident.new_pay_code()
        response = await merchant.post(BY_PAY_CODE, {"pay_code": code, "coins": 100, "capture": capture})
        assert response.status == 201
        return (await response.json())["id"], code

    held_id, _ = await take(shop, capture=False)
    taken_id, used_code = await take(shop, capture=True)
    others = [(await take(other, capture=capture))[0] for capture in (False, True)]
    machine = MachineCaller(client, await install_machine(engine, keyring))
    good_code = await resident.new_pay_code()
    return Scene(admin_engine, resident, shop, machine, held_id, taken_id, others, used_code, good_code)


async def test_coins_that_are_no_whole_number_of_coins_are_refused_with_a_pointer(scene: Scene) -> None:
    calls = scene.calls()
    for name in ("own", "by code", "capture", "refund"):
        call = calls[name]
        for coins in NOT_COINS:
            await scene.refuses(call, {**call.document, "coins": coins}, 422, INVALID, ["/coins"])
        # Absent is all that is held, or captured; a sensor that has no reading has not said so.
        await scene.refuses(call, {**call.document, "coins": None}, 422, INVALID, ["/coins"])
    await scene.refuses(calls["void"], {"coins": 1}, 422, INVALID, ["/coins"])


async def test_members_of_another_form_are_refused_each_with_its_pointer(scene: Scene) -> None:
    calls = scene.calls()
    wrong: list[tuple[str, str, list[Any]]] = [
        ("own", "merchant_id", NOT_NAMES),
        ("by code", "pay_code", NOT_PAY_CODES),
        ("by code", "capture", [None, 0, 1, "true", []]),
        ("refund", "reason", NOT_REASONS),
    ]
    for name, member, values in wrong:
        for value in values:
            await scene.refuses(calls[name], {**calls[name].document, member: value}, 422, INVALID, [f"/{member}"])
    for call in calls.values():
        await scene.refuses(call, {**call.document, "more": 1}, 422, INVALID, ["/more"])
        for left_out in call.document:
            rest = {name: value for name, value in call.document.items() if name != left_out}
            # Without coins it is an offer that is missing, or coins: neither is the one.
            await scene.refuses(call, rest, 422, INVALID, ["" if left_out == "coins" else f"/{left_out}"])
    for name in ("own", "by code"):
        unpriced = {member: value for member, value in calls[name].document.items() if member != "coins"}
        for value in NOT_NAMES:
            await scene.refuses(calls[name], {**unpriced, "offer_id": value}, 422, INVALID, ["/offer_id"])
        await scene.refuses(calls[name], {**unpriced, "coins": 1, "offer_id": "soap"}, 422, INVALID, [""])
    several = {"pay_code": "", "coins": 0, "capture": 1}
    await scene.refuses(calls["by code"], several, 422, INVALID, ["/coins", "/pay_code", "/capture"])


async def refuse_heads_and_bodies(scene: Scene) -> None:
    for call in scene.calls().values():
        for body in NOT_JSON:
            await scene.refuses(call, body, 400, "malformed_json")
        for body in NOT_OBJECTS:
            await scene.refuses(call, body, 422, INVALID, [""])
        await scene.refuses(call, b" " * (1024 * 1024 + 1), 413, "body_too_large")
        plain = {"Content-Type": "text/plain"}
        await scene.refuses(call, call.document, 415, "unsupported_media_type", headers=plain)
        for key in ("", " ", "x" * 256, "键"):
            headers = {"Idempotency-Key": key}
            await scene.refuses(call, call.document, 400, "idempotency_key_missing", headers=headers)
        stranger = Call(Caller(scene.shop.client, "nobody"), call.path, call.document)
        await scene.refuses(stranger, call.document, 401, "token_invalid")


async def test_a_body_or_a_head_of_another_form_is_refused_and_the_same_key_is_good_afterwards(made: Scene) -> None:
    async with made.unchanged():
        await refuse_heads_and_bodies(made)
    for name, call in made.calls().items():
        # What was captured is not voided.
        if name != "void":
            assert (await call.caller.post(call.path, call.document, key=key_of(call))).status in (200, 201), name


async def test_what_cannot_be_granted_is_declined_and_only_the_answer_is_kept(scene: Scene) -> None:
    calls = scene.calls()
    declined: list[tuple[str, dict[str, Any], int, str]] = [
        ("own", {"coins": 601}, 409, "insufficient_coins"),
        ("own", {"coins": 10**9}, 409, "insufficient_coins"),
        ("own", {"merchant_id": "NK-M-99"}, 404, "merchant_unknown"),
        ("by code", {"coins": 601}, 409, "insufficient_coins"),
        ("by code", {"pay_code": "0" * 18}, 404, "pay_code_unknown"),
        ("by code", {"pay_code": scene.used_code}, 409, "pay_code_used"),
        ("capture", {"coins": 101}, 409, "above_held"),
        ("capture", {"coins": 10**9}, 409, "above_held"),
        ("refund", {"coins": 101}, 409, "above_captured"),
    ]
    for name, changes, status, code in declined:
        await scene.refuses(calls[name], {**calls[name].document, **changes}, status, code)
    for name in ("own", "by code"):
        unpriced = {member: value for member, value in calls[name].document.items() if member != "coins"}
        for offer_id in ("none", "theirs"):
            await scene.refuses(calls[name], {**unpriced, "offer_id": offer_id}, 404, "offer_unknown")
    taken, held = f"{BY_PAY_CODE}/{scene.taken_id}", f"{BY_PAY_CODE}/{scene.held_id}"
    for path, code in ((f"{taken}/capture", "already_captured"), (f"{taken}/void", "already_captured")):
        await scene.refuses(Call(scene.shop, path, {}), {}, 409, code)
    await scene.refuses(Call(scene.shop, f"{held}/refund", {}), {}, 409, "not_captured")


async def test_another_merchants_redemption_and_what_is_no_id_are_not_there(scene: Scene) -> None:
    # Ids have one form: others of their own are none either.
    own = [f"urn:uuid:{scene.held_id}", scene.held_id.replace("-", "")]
    for id_ in (*scene.others, str(uuid.uuid4()), *NOT_IDS, *own):
        for what in ("capture", "void", "refund"):
            path = f"{BY_PAY_CODE}/{id_}/{what}"
            await scene.refuses(Call(scene.shop, path, {}), {}, 404, "redemption_unknown")
        looked_up = await scene.shop.get(f"{BY_PAY_CODE}/{id_}")
        await scene.is_problem(looked_up, 404, "redemption_unknown", (), id_)
    # A machine has its own only, and gives nothing back.
    for what in ("capture", "void"):
        await scene.refuses(
            Call(scene.machine, f"{BY_PAY_CODE}/{scene.held_id}/{what}", {}), {}, 404, "redemption_unknown"
        )
    await scene.refuses(Call(scene.machine, f"{BY_PAY_CODE}/{scene.taken_id}/refund", {}), {}, 403, "forbidden")


async def test_a_key_that_was_used_for_one_call_is_refused_for_every_other(made: Scene) -> None:
    calls = made.calls()
    part = Call(made.shop, calls["refund"].path, {"coins": 1})
    assert (await made.shop.post(part.path, part.document, key="used")).status == 200
    assert (await made.resident.post(OWN, calls["own"].document, key="used")).status == 201
    reused: list[tuple[Call, Any]] = [(call, call.document) for name, call in calls.items() if name != "own"]
    # The same call for other coins, or in other bytes.
    reused += [(part, {"coins": 2}), (part, b'{"coins":  1}'), (calls["own"], {"merchant_id": "NK-M-01", "coins": 2})]
    async with made.unchanged():
        for call, document in reused:
            await made.refuses(call, document, 422, "idempotency_key_reused", key="used")
