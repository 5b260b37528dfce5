"""Whether the database says the same of redemptions as their callers were told: each answer is kept, once, and what
became of each redemption is what the answers said, phase by phase."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from loadtest.findings import Finding
from loadtest.journal import Call, Journal, Phase
from loadtest.stored import Stored


@dataclass(slots=True)
class Life:
    """One redemption, as its callers were told: who was granted it, what was done with it since, and the captures that
    came too late."""

    grant: Call
    captures: list[Call] = field(default_factory=list)
    voids: list[Call] = field(default_factory=list)
    refunds: list[Call] = field(default_factory=list)
    too_late: list[Call] = field(default_factory=list)

    @property
    def captured(self) -> list[int]:
        """The coins of each capture."""
        if self.grant.phase is Phase.REDEEM:
            return [self.coins]
        return self._coins_of(self.captures)

    @property
    def refunded(self) -> list[int]:
        """The coins of each refund, the smallest first."""
        return sorted(self._coins_of(self.refunds))

    @property
    def uncovered(self) -> list[int]:
        """The coins of each capture that its merchant bears."""
        return self._coins_of(self.too_late)

    @property
    def coins(self) -> int:
        """As granted."""
        return self.grant.coins or 0

    def _coins_of(self, calls: Sequence[Call]) -> list[int]:
        return [self.coins if call.coins is None else call.coins for call in calls]


def lives_of(journal: Journal) -> dict[str, Life]:
    """Each redemption that somebody was granted, by its id."""
    lives: dict[str, Life] = {}
    for call in journal.calls.values():
        if call.granted_id is not None:
            lives.setdefault(call.granted_id, Life(call))
    for call in journal.calls.values():
        life = lives.get(call.redemption_id or "")
        if life is None:
            continue
        if call.phase is Phase.CAPTURE and call.declined_as == "hold_expired":
            life.too_late.append(call)
        elif call.done:
            {Phase.CAPTURE: life.captures, Phase.VOID: life.voids, Phase.REFUND: life.refunds}[call.phase].append(call)
    return lives


def redemption_findings(journal: Journal, before: Stored, after: Stored) -> Iterator[Finding]:
    """Everything about redemptions in which the database differs from what callers were told."""
    lives = lives_of(journal)
    yield from answer_findings(journal, before, after)
    yield from grant_findings(journal, lives, before, after)
    yield from decline_findings(journal, lives, after)
    for redemption_id, life in lives.items():
        yield from phase_findings(redemption_id, life, after)
        yield from hold_findings(redemption_id, life, after)
        yield from cover_findings(redemption_id, life, after)


def answer_findings(journal: Journal, before: Stored, after: Stored) -> Iterator[Finding]:
    """Each call has its answer, which is kept as it was told; and none is kept that nobody asked for."""
    for key, call in journal.calls.items():
        if call.status is None:
            yield Finding("unanswered", f"{call.phase} with key {key} was sent until the end and never answered")
            continue
        kept = after.answers.get((call.actor, key))
        if kept is None:
            yield Finding("lost", f"{call.phase} with key {key} was answered with {call.status}, and no answer is kept")
        elif (kept[0], json.loads(kept[1])) != (call.status, call.answer):
            yield Finding("wrong", f"{call.phase} with key {key} was answered with {call.answer}, and {kept} is kept")
    for actor, key in after.answers.keys() - before.answers.keys():
        call_sent = journal.calls.get(key)
        if call_sent is None or call_sent.actor != actor:
            yield Finding("invented", f"an answer to {actor} is kept under key {key}, which they did not send")


def grant_findings(journal: Journal, lives: Mapping[str, Life], before: Stored, after: Stored) -> Iterator[Finding]:
    """Each redemption that was granted is there, once, as it was asked for, and each pay-code paid once; none is there
    of which nobody was told."""
    granted = [call for call in journal.calls.values() if call.granted_id is not None]
    for redemption_id, times in Counter(call.granted_id for call in granted).items():
        if times > 1:
            yield Finding("doubled", f"redemption {redemption_id} was the answer to {times} keys")
    for times in Counter(call.pay_code for call in granted if call.pay_code is not None).values():
        if times > 1:
            yield Finding("doubled", f"one pay-code paid {times} times")
    for redemption_id, life in lives.items():
        row, grant = after.redemptions.get(redemption_id), life.grant
        if row is None:
            yield Finding("lost", f"redemption {redemption_id} was granted and is not there")
            continue
        expires_at = None if row["expires_at"] is None else row["expires_at"].timestamp()
        found = (row["owner_id"], row["merchant_id"], row["machine_id"], row["coins"], expires_at)
        wanted = (grant.resident_id, grant.merchant_id, grant.machine_id, grant.coins, grant.expires_at)
        if found != wanted:
            yield Finding("wrong", f"redemption {redemption_id} must be {wanted} and is {found}")
    for redemption_id in after.redemptions.keys() - before.redemptions.keys() - lives.keys():
        yield Finding("doubled", f"coins were taken or held by redemption {redemption_id}, of which nobody was told")
    for redemption_id in after.moves.keys() - after.redemptions.keys():
        yield Finding("invented", f"transfers name redemption {redemption_id}, which is not there")


def phase_findings(redemption_id: str, life: Life, after: Stored) -> Iterator[Finding]:
    """Of one redemption, the coins that were captured, refunded, and given out too late, as they were told."""
    uncovered = after.uncovered.get(redemption_id)
    for what, told, found in (
        ("captured", life.captured, after.coins_moved(redemption_id, "redemption")),
        ("refunded", life.refunded, after.coins_moved(redemption_id, "refund")),
        ("given out too late", life.uncovered, [] if uncovered is None else [uncovered["coins"]]),
    ):
        if found != told:
            code = "lost" if len(found) < len(told) else "doubled" if len(found) > len(told) else "wrong"
            yield Finding(code, f"of redemption {redemption_id}, {told} coins were said to be {what}, and {found} are")
    owners = {(row["owner_id"], row["merchant_id"]) for row in after.moves.get(redemption_id, []) if row["merchant_id"]}
    if owners - {(life.grant.resident_id, life.grant.merchant_id)}:
        yield Finding("wrong", f"of redemption {redemption_id}, coins moved between {owners}")


def hold_findings(redemption_id: str, life: Life, after: Stored) -> Iterator[Finding]:
    """Of one redemption, what became of its hold: captured, voided, or, when nobody said a word in time, expired."""
    row, hold = after.resolutions.get(redemption_id), after.holds.get(redemption_id)
    found = None if row is None else (row["outcome"], row["captured_coins"])
    if len(life.captures) + len(life.voids) > 1:
        counts = f"captured {len(life.captures)} times and voided {len(life.voids)} times"
        yield Finding("doubled", f"redemption {redemption_id} was said to be {counts}")
    if hold is not None:
        yield Finding("wrong", f"redemption {redemption_id} is still held: {hold}")
    elif found not in resolutions_told(life):
        yield Finding("wrong", f"the hold of redemption {redemption_id} must be {resolutions_told(life)}, is {found}")


def resolutions_told(life: Life) -> list[tuple[str, int] | None]:
    """What may have become of the hold, by what was told; None for what was never held."""
    if life.grant.phase is Phase.REDEEM:
        return [None]
    if life.voids:
        return [("voided", 0)]
    if not life.captures:
        return [("expired", 0)]
    [coins, *_], capture = life.captured, life.captures[0]
    # Late within the grace, only where it was late.
    late = (capture.answered_at or 0) >= (life.grant.expires_at or 0)
    return [("captured", coins), ("expired", 0)] if late else [("captured", coins)]


def cover_findings(redemption_id: str, life: Life, after: Stored) -> Iterator[Finding]:
    """Of one redemption, what the scheme paid: only of a late capture, no more than it, and back when refunded."""
    covered, given_back = (sum(after.coins_moved(redemption_id, kind)) for kind in ("cover", "cover_refund"))
    captured, refunded = sum(life.captured), sum(life.refunded)
    outcome = after.resolutions.get(redemption_id, {}).get("outcome")
    if covered and (outcome != "expired" or covered > captured):
        yield Finding("wrong", f"of redemption {redemption_id}, {outcome}, the scheme paid {covered} of {captured}")
    # The resident has back first what they paid themselves.
    if given_back != max(0, refunded - (captured - covered)):
        yield Finding(
            "wrong",
            f"of redemption {redemption_id}, {captured} captured, {covered} of it the scheme's, {refunded} refunded: "
            f"the scheme has back {given_back}",
        )


def decline_findings(journal: Journal, lives: Mapping[str, Life], after: Stored) -> Iterator[Finding]:
    """Each decline that another answer or the time does not account for."""
    paid_codes = {call.pay_code for call in journal.calls.values() if call.granted_id is not None}
    for key, call in journal.calls.items():
        code, life = call.declined_as, lives.get(call.redemption_id or "")
        too_late = (call.answered_at or 0) >= (call.too_late_from or 0)
        match code, life:
            case "pay_code_used", _:
                deserved = call.pay_code in paid_codes
            case "pay_code_expired", _:
                deserved = too_late
            case "hold_expired", Life():
                resolution = after.resolutions.get(call.redemption_id or "", {})
                deserved = too_late and resolution.get("outcome") == "expired"
            case "hold_voided", Life():
                deserved = bool(life.voids)
            case "already_captured", Life():
                deserved = bool(life.captures)
            case "above_captured", Life():
                deserved = sum(life.refunded) + (call.coins or 0) > sum(life.captured)
            case _:
                # `insufficient_coins` is proved by balances; what no one should hear is a contradiction.
                deserved = True
        if not deserved:
            yield Finding("undeserved", f"{call.phase} with key {key} was declined as {code}, and it was not so")
