from typing import Any

from loadtest.journal import Call, Journal, Phase

KEY = ("NK-0001", "e-1")
OTHER = ("NK-0001", "e-2")


def journal() -> Journal:
    made = Journal()
    made.will_send(KEY, resident_id=7)
    made.will_send(OTHER, resident_id=8)
    return made


def said(outcome: str, coins: int = 125, event_id: str = "e-1") -> dict[str, Any]:
    return {"id": event_id, "outcome": outcome, "coins": coins}


def test_a_credit_and_its_duplicates_agree() -> None:
    kept = journal()
    kept.answered([KEY, OTHER], [said("credited"), said("credited", 50, "e-2")])
    kept.answered([KEY], [said("duplicate")])
    event = kept.events[KEY]
    assert (event.answers, event.credited, event.coins) == (2, 1, 125)
    assert kept.contradictions == []


def test_an_event_whose_first_answer_was_lost_is_known_by_its_duplicate() -> None:
    kept = journal()
    kept.answered([KEY], [said("duplicate")])
    assert (kept.events[KEY].credited, kept.events[KEY].coins, kept.contradictions) == (0, 125, [])


def test_sending_an_event_again_forgets_nothing() -> None:
    kept = journal()
    kept.answered([KEY], [said("credited")])
    kept.will_send(KEY, resident_id=7)
    assert kept.events[KEY].coins == 125


def test_an_event_that_is_credited_twice_is_a_contradiction() -> None:
    kept = journal()
    kept.answered([KEY, KEY], [said("credited"), said("credited")])
    assert "credited 2 times" in kept.contradictions[0]


def test_two_answers_with_other_coins_are_a_contradiction() -> None:
    kept = journal()
    kept.answered([KEY], [said("credited")])
    kept.answered([KEY], [said("duplicate", 124)])
    assert "worth 125 coins, then 124" in kept.contradictions[0]


def test_what_no_bin_should_hear_is_a_contradiction() -> None:
    kept = journal()
    for outcome in ("unclaimed", "conflict", "held", "rejected"):
        kept.answered([KEY], [said(outcome)])
    kept.answered([KEY], [said("credited", event_id="e-2")])
    kept.answered([KEY, OTHER], [said("credited")])
    assert len(kept.contradictions) == 6
    assert kept.events[KEY].answers == 0


def test_a_call_has_one_answer_for_ever() -> None:
    kept = journal()
    call = kept.calls["k"] = Call(Phase.REDEEM, "resident:7", 7, "m-1", coins=30)
    kept.heard("k", 201, {"id": "r-1"}, at=1.0)
    kept.heard("k", 201, {"id": "r-1"}, at=2.0)
    assert (kept.replays[Phase.REDEEM], kept.contradictions) == (1, [])
    kept.heard("k", 201, {"id": "r-2"}, at=3.0)
    kept.heard("k", 409, {"code": "insufficient_coins"}, at=4.0)
    assert len(kept.contradictions) == 2
    assert (call.status, call.granted_id, call.declined_as, call.answered_at) == (201, "r-1", None, 1.0)


def test_a_decline_grants_nothing() -> None:
    kept = journal()
    call = kept.calls["k"] = Call(Phase.AUTHORISE, "machine:w-1", 7, "m-1", "w-1", 30)
    assert (call.done, call.granted_id, call.declined_as, call.expires_at) == (False, None, None, None)
    kept.heard("k", 409, {"code": "pay_code_used"}, at=1.0)
    assert (call.done, call.granted_id, call.declined_as) == (False, None, "pay_code_used")
