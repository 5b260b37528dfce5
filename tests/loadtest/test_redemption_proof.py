"""What callers were told of redemptions against what is stored, without a database: each difference has its name."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from loadtest.journal import Call, Journal, Phase
from loadtest.redemption_proof import redemption_findings
from loadtest.stored import Stored

OWNER, MERCHANT, MACHINE = 7, "m-1", "w-1"
EXPIRES_AT = 1_000.0
GRACE = 60


@dataclass
class Tale:
    """What was told, and what is stored; both grow together."""

    journal: Journal = field(default_factory=Journal)
    stored: dict[str, Any] = field(
        default_factory=lambda: {
            name: {} for name in ("redemptions", "moves", "holds", "resolutions", "uncovered", "answers")
        }
    )

    def told(self, call: Call, status: int, answer: dict[str, Any], at: float) -> None:
        key = f"k-{len(self.journal.calls)}"
        self.journal.calls[key] = call
        self.journal.heard(key, status, answer, at)
        self.stored["answers"][call.actor, key] = (status, json.dumps(answer))

    def grant(self, redemption_id: str, phase: Phase, coins: int) -> None:
        held = phase is Phase.AUTHORISE
        machine_id = MACHINE if held else None
        expires_at = datetime.fromtimestamp(EXPIRES_AT, UTC) if held else None
        code = f"code of {redemption_id}" if held else None
        call = Call(phase, f"actor {phase}", OWNER, MERCHANT, machine_id, coins, pay_code=code)
        answer = {"id": redemption_id, "expires_at": expires_at and expires_at.isoformat()}
        self.told(call, 201, answer, EXPIRES_AT - 120)
        row = {"owner_id": OWNER, "merchant_id": MERCHANT, "machine_id": machine_id, "coins": coins}
        self.stored["redemptions"][redemption_id] = {**row, "expires_at": expires_at}
        if not held:
            self.move(redemption_id, "redemption", coins)

    def call(
        self, redemption_id: str, phase: Phase, coins: int | None, at: float, *, declined: str | None = None
    ) -> None:
        too_late_from = EXPIRES_AT + (GRACE if phase is Phase.CAPTURE else 0)
        call = Call(phase, f"actor {phase}", OWNER, MERCHANT, None, coins, redemption_id, too_late_from=too_late_from)
        self.told(call, 409 if declined else 200, {"id": redemption_id, "code": declined}, at)

    def move(self, redemption_id: str, kind: str, coins: int) -> None:
        merchant_id = MERCHANT if kind in ("redemption", "refund") else None
        row = {"owner_id": OWNER, "kind": kind, "coins": coins, "merchant_id": merchant_id}
        self.stored["moves"].setdefault(redemption_id, []).append(row)

    def resolve(self, redemption_id: str, outcome: str, captured_coins: int = 0) -> None:
        self.stored["resolutions"][redemption_id] = {"outcome": outcome, "captured_coins": captured_coins}

    def findings(self) -> list[str]:
        return [finding.code for finding in redemption_findings(self.journal, Stored(), Stored(**self.stored))]


def tale() -> Tale:
    """One redemption of each kind of life."""
    made = Tale()
    made.grant("at once", Phase.REDEEM, 30)
    made.grant("captured", Phase.AUTHORISE, 20)
    made.call("captured", Phase.CAPTURE, 12, EXPIRES_AT - 10)
    made.move("captured", "redemption", 12)
    made.resolve("captured", "captured", 12)
    made.call("captured", Phase.VOID, None, EXPIRES_AT - 10, declined="already_captured")
    for coins in (7, 5):
        made.call("captured", Phase.REFUND, coins, EXPIRES_AT)
        made.move("captured", "refund", coins)
    made.call("captured", Phase.REFUND, 1, EXPIRES_AT, declined="above_captured")
    made.grant("voided", Phase.AUTHORISE, 20)
    made.call("voided", Phase.VOID, None, EXPIRES_AT - 10)
    made.resolve("voided", "voided")
    made.call("voided", Phase.CAPTURE, 20, EXPIRES_AT - 10, declined="hold_voided")
    made.grant("silent", Phase.AUTHORISE, 20)
    made.resolve("silent", "expired")
    made.call("silent", Phase.VOID, None, EXPIRES_AT + 1, declined="hold_expired")
    made.grant("late", Phase.AUTHORISE, 20)
    made.resolve("late", "expired")
    made.call("late", Phase.CAPTURE, None, EXPIRES_AT + GRACE - 1)
    made.move("late", "cover", 8)
    made.move("late", "redemption", 20)
    made.call("late", Phase.REFUND, 15, EXPIRES_AT + GRACE)
    made.move("late", "refund", 15)
    made.move("late", "cover_refund", 3)
    made.grant("too late", Phase.AUTHORISE, 20)
    made.resolve("too late", "expired")
    made.call("too late", Phase.CAPTURE, 9, EXPIRES_AT + GRACE, declined="hold_expired")
    made.stored["uncovered"]["too late"] = {"coins": 9}
    return made


def test_every_life_that_ends_as_it_was_told_leaves_nothing_to_find() -> None:
    assert tale().findings() == []


def drop(*path: str) -> Callable[[Tale], None]:
    def change(made: Tale) -> None:
        del made.stored[path[0]][path[1]]

    return change


def put(table: str, key: Any, row: Any) -> Callable[[Tale], None]:
    def change(made: Tale) -> None:
        made.stored[table][key] = row

    return change


def move(redemption_id: str, kind: str, coins: int) -> Callable[[Tale], None]:
    return lambda made: made.move(redemption_id, kind, coins)


def told(redemption_id: str, phase: Phase, coins: int | None, at: float, declined: str) -> Callable[[Tale], None]:
    return lambda made: made.call(redemption_id, phase, coins, at, declined=declined)


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (drop("redemptions", "voided"), {"lost"}),
        (drop("moves", "at once"), {"lost"}),
        (drop("moves", "captured"), {"lost"}),
        (move("captured", "redemption", 12), {"doubled"}),
        (move("captured", "refund", 5), {"doubled"}),
        (move("voided", "redemption", 20), {"doubled"}),
        (move("silent", "redemption", 20), {"doubled"}),
        (move("nobody's", "redemption", 20), {"invented"}),
        (move("captured", "cover", 1), {"wrong"}),
        (move("late", "cover_refund", 1), {"wrong"}),
        (drop("uncovered", "too late"), {"lost"}),
        (put("uncovered", "silent", {"coins": 20}), {"doubled"}),
        (drop("resolutions", "voided"), {"wrong"}),
        (put("holds", "silent", {"coins": 20}), {"wrong"}),
        (put("resolutions", "voided", {"outcome": "expired", "captured_coins": 0}), {"wrong"}),
        (put("resolutions", "captured", {"outcome": "expired", "captured_coins": 0}), {"wrong"}),
        (put("resolutions", "silent", {"outcome": "voided", "captured_coins": 0}), {"wrong", "undeserved"}),
        (put("answers", ("actor redeem", "k-0"), (201, "{}")), {"wrong"}),
        (put("answers", ("actor void", "k-99"), (200, "{}")), {"invented"}),
        (lambda made: made.grant("voided", Phase.AUTHORISE, 20), {"doubled"}),
        (told("captured", Phase.CAPTURE, 5, EXPIRES_AT, "hold_voided"), {"undeserved"}),
        (told("voided", Phase.VOID, None, EXPIRES_AT, "already_captured"), {"undeserved"}),
        (told("silent", Phase.VOID, None, EXPIRES_AT - 1, "hold_expired"), {"undeserved"}),
        (told("voided", Phase.VOID, None, EXPIRES_AT + 1, "hold_expired"), {"undeserved"}),
        (told("at once", Phase.REFUND, 30, EXPIRES_AT, "above_captured"), {"undeserved"}),
    ],
)
def test_each_difference_is_found_and_named(change: Callable[[Tale], None], codes: set[str]) -> None:
    made = tale()
    change(made)
    assert set(made.findings()) == codes


def test_a_redemption_is_captured_or_voided() -> None:
    made = tale()
    made.call("captured", Phase.VOID, None, EXPIRES_AT - 10)
    assert "doubled" in made.findings()


def test_a_pay_code_is_used_only_where_it_paid() -> None:
    made = tale()
    for code in ("code of voided", "another"):
        call = Call(Phase.AUTHORISE, "actor", OWNER, MERCHANT, MACHINE, 20, pay_code=code, too_late_from=EXPIRES_AT)
        made.told(call, 409, {"code": "pay_code_used"}, EXPIRES_AT)
    assert made.findings() == ["undeserved"]
    made.journal.calls["k-0"].pay_code = made.journal.calls["k-1"].pay_code
    assert "doubled" in made.findings()


def test_a_call_without_an_answer_is_named() -> None:
    made = tale()
    made.journal.calls["silence"] = Call(Phase.REDEEM, "resident:7", OWNER, MERCHANT, coins=1)
    assert made.findings() == ["unanswered"]
