"""What a bin's memory knows of boxes and hours."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.plausibility.bin_memory import HOURS_MAX, BinMemory
from service.plausibility.drop import BinFacts, Drop, Verdict
from service.plausibility.judging import Clearance, ClearanceVerdict, judge, judge_clearance
from service.plausibility.permissible import permissible_error
from service.plausibility.rule_book import RuleBook, RuleRow
from service.plausibility.sequences import Gap

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
FACTS = BinFacts(10, 60_000, 30_000, float("inf"), float("-inf"))
RULES = RuleBook(
    RuleRow(number, code, BEGIN, "hold", {})
    for number, code in enumerate(("box_mass_short", "box_mass_over", "emptied_mass_short", "emptied_mass_over"))
).at(NOW, came_at=NOW)


def at(sequence: int) -> float:
    return BEGIN.timestamp() + 600 * sequence


class Bin:
    """A bin whose memory goes through JSON between any two events."""

    def __init__(self) -> None:
        self.memory = BinMemory(0, None, None, None, {}, {})

    def drop(self, sequence: int, grams: int, box: int | None, material: str = "paper", **changes: Any) -> Verdict:
        drop = Drop(sequence, material, grams, box, at(sequence), 0, grams // 10, True)._replace(**changes)
        verdict = judge(drop, NOW, FACTS, self.memory, None, RULES)
        self._store()
        return verdict

    def empty(
        self, sequence: int, before: int, after: int = 0, material: str = "paper", **changes: Any
    ) -> ClearanceVerdict:
        clearance = Clearance(sequence, material, before, after, at(sequence), 0)._replace(**changes)
        verdict = judge_clearance(clearance, NOW, FACTS, self.memory, RULES)
        self._store()
        return verdict

    def _store(self) -> None:
        columns = self.memory.as_columns()
        gaps = [gap._replace(id=number) for number, gap in enumerate(self.memory.sequences.gaps)]
        boxes, hours, counts = json.loads(json.dumps([columns.boxes, columns.hours, columns.counts]))
        assert columns.gaps_open == len(gaps)
        self.memory = BinMemory(columns.epoch, columns.sequence, columns.sequence_at, gaps, boxes, hours, counts)


def test_a_drop_that_its_box_did_not_gain_is_held() -> None:
    """Leaning on the platform, or taking the drop out again."""
    of = Bin()
    assert of.drop(1, 1000, 1000).action == "credit"
    verdict = of.drop(2, 5000, 1000)
    assert (verdict.action, verdict.code) == ("hold", "box_mass_short")
    assert verdict.findings[0].figures["difference_grams"] == 5000
    # From then on by what the box weighs.
    assert of.drop(3, 500, 1500).action == "credit"
    assert of.drop(4, 500, 9000).code == "box_mass_over"


def test_boxes_are_judged_each_by_its_own_events() -> None:
    of = Bin()
    of.drop(1, 1000, 1000)
    assert of.drop(2, 700, 8000, "glass").action == "credit"
    assert of.drop(3, 1000, 2000).action == "credit"
    assert of.drop(4, 700, 8000, "glass").code == "box_mass_short"


def test_a_box_is_not_judged_where_an_event_between_is_missing_and_is_again_after_it() -> None:
    of = Bin()
    of.drop(1, 1000, 1000)
    assert of.drop(3, 1000, 9000).action == "credit"
    assert of.drop(4, 1000, 10_000).action == "credit"
    # The late one says nothing of what the box weighs now.
    assert of.drop(2, 7000, 8000).action == "credit"
    assert of.drop(5, 1000, 10_000).code == "box_mass_short"


def test_a_late_event_is_judged_where_nothing_is_missing_before_it() -> None:
    of = Bin()
    of.drop(1, 1000, 1000)
    of.drop(3, 700, 700, "glass")
    assert of.drop(2, 1000, 1000).code == "box_mass_short"
    assert of.drop(4, 1000, 2000).action == "credit"


def test_a_box_is_not_judged_after_a_drop_that_told_no_mass_and_after_a_reset() -> None:
    of = Bin()
    of.drop(10, 1000, 1000)
    of.drop(11, 1000, None)
    assert of.drop(12, 1000, 9000).action == "credit"
    assert of.drop(1, 1000, 3000, occurred_at=at(13)).action == "credit"
    assert of.drop(2, 1000, 3000, occurred_at=at(14)).code == "box_mass_short"


def test_a_box_is_not_judged_after_a_drop_of_which_nobody_knows_when_it_fell() -> None:
    of = Bin()
    of.drop(1, 1000, 1000)
    assert of.drop(1, 4000, 5000).code == "sequence_reused"
    assert of.drop(2, 1000, 6000).action == "credit"


def test_a_drop_with_a_wrong_clock_lies_in_its_box_all_the_same() -> None:
    of = Bin()
    of.drop(1, 1000, 1000)
    assert of.drop(2, 4000, 5000, occurred_at=NOW + 1e6).code == "time_in_future"
    assert of.drop(3, 1000, 6000).action == "credit"


def test_an_emptying_closes_the_boxs_account_and_begins_another() -> None:
    of = Bin()
    of.drop(1, 1000, 4000)
    # What was in the box when the service first heard of it, nobody knows.
    assert of.empty(2, 4000, 500) == ClearanceVerdict(Verdict("credit", (), 0), None, None)
    assert of.drop(3, 1000, 1500).action == "credit"
    of.drop(4, 6000, 7500)
    # 500 with 10 to err, 1 000 with 10 and 6 000 with 20.
    # And what it weighs now with 20.
    assert of.empty(5, 7500) == ClearanceVerdict(Verdict("credit", (), 0), 7500, 60)
    assert of.empty(6, 0) == ClearanceVerdict(Verdict("credit", (), 0), 0, 20)


@pytest.mark.parametrize(("mass", "code"), [(6940, None), (6939, "emptied_mass_short"), (7061, "emptied_mass_over")])
def test_what_is_emptied_is_held_against_the_drops(mass: int, code: str | None) -> None:
    """7 000 g in two drops of 20 and 10 g to err; the box at its emptyings 10 and 20."""
    of = Bin()
    of.empty(1, 0)
    of.drop(2, 6000, None)
    of.drop(3, 1000, None)
    judged = of.empty(4, mass)
    assert (judged.verdict.code, judged.expected_grams, judged.permissible_grams) == (code, 7000, 60)


def test_an_emptying_is_not_judged_where_a_drop_before_it_may_be_missing() -> None:
    of = Bin()
    of.empty(1, 0)
    of.drop(2, 1000, 1000)
    assert of.empty(4, 9000).expected_grams is None
    # The late one was of the account that is closed.
    of.drop(3, 8000, 9000)
    assert of.empty(5, 0).expected_grams == 0


def test_a_late_emptying_leaves_the_account_open_to_the_next() -> None:
    of = Bin()
    of.empty(1, 0)
    of.drop(2, 1000, 1000)
    of.drop(4, 500, 500)
    assert of.empty(3, 1000).expected_grams is None
    assert of.empty(5, 500).expected_grams is None
    of.drop(6, 700, 700)
    assert of.empty(7, 700).expected_grams == 700


def test_an_emptying_from_before_the_last_changes_nothing_of_what_came_after() -> None:
    of = Bin()
    of.empty(1, 0)
    of.empty(3, 0)
    of.drop(4, 500, 500)
    of.empty(2, 0)
    assert of.empty(5, 500).expected_grams == 500
    # Nor one of the count before, which comes after the reset.
    of.empty(1, 0, occurred_at=at(6))
    of.drop(2, 500, 500, occurred_at=at(7))
    assert of.empty(6, 0, occurred_at=at(5) + 60).verdict.epoch == 0
    assert of.empty(3, 500, occurred_at=at(8)).expected_grams == 500


def test_what_the_scale_cannot_have_weighed_leaves_the_account_open_to_the_next_emptying() -> None:
    of = Bin()
    of.empty(1, 0)
    of.drop(2, 60_001, 1000)
    of.drop(3, 500, 1500)
    assert of.empty(4, 1500).expected_grams is None
    assert of.drop(5, 60_000, 60_000).action == "credit"
    assert of.empty(6, 60_000).expected_grams == 60_000


def test_an_emptying_with_a_used_number_is_told_and_changes_no_account() -> None:
    of = Bin()
    of.empty(1, 0)
    of.drop(2, 1000, 1000)
    assert of.empty(2, 1000).verdict.code == "sequence_reused"
    assert of.empty(3, 1000).expected_grams is None


@given(
    st.lists(st.tuples(st.sampled_from(["paper", "glass"]), st.integers(200, 15_000) | st.none()), max_size=40),
    st.randoms(use_true_random=False),
)
def test_an_honest_bin_is_never_doubted(events: list[tuple[str, int | None]], random: Any) -> None:
    """Drops and emptyings (None), with readings that err as much as they may."""
    of = Bin()
    true = {"paper": 0, "glass": 0}

    def read(mass: int) -> int:
        # Masses just above a step may be read as below it, where less is permissible; honest scales round there.
        error = permissible_error(max(0, mass - 30), 10)
        off: int = random.randint(-error, error)
        return max(0, mass + off)

    for sequence, (material, grams) in enumerate(events, 1):
        if grams is None:
            assert of.empty(sequence, read(true[material]), 0, material).verdict.action == "credit"
            true[material] = 0
        else:
            true[material] += grams
            assert of.drop(sequence, read(grams), read(true[material]), material).action == "credit"


def test_only_the_newest_hours_are_kept() -> None:
    memory = BinMemory(0, None, None, None, {}, {})
    for hour in range(HOURS_MAX + 5):
        memory.hour(3600.0 * hour)[0] += 1
    assert (len(memory.hours), min(memory.hours, key=int), memory.hour(3600.0 * 5)) == (HOURS_MAX, "5", [1, 0])
    # One from before them is judged with the oldest.
    assert memory.hour(0.0) == [1, 0]
    assert len(memory.hours) == HOURS_MAX


def test_a_credited_drop_counts_for_its_hour() -> None:
    of = Bin()
    for sequence, box in ((1, 1000), (2, 2000), (3, 2000)):
        of.drop(sequence, 1000, box, occurred_at=7200.0 + sequence)
    assert of.memory.hours == {"2": [2, 2000]}


def test_the_database_hears_of_gaps_what_changed() -> None:
    memory = BinMemory(0, 9, at(9), [Gap(0, 2, 4, at(5), 7), Gap(0, 6, 6, at(7), 8)], {}, {}, {"first": [1, at(1)]})
    for sequence in (3, 6, 12):
        judge(Drop(sequence, "paper", 1000, None, at(sequence), 0, 100, True), NOW, FACTS, memory, None, RULES)
    assert memory.shortened == [(7, 4, 4)]
    assert memory.closed == [8]
    assert memory.opened == [(0, 2, 2, at(3)), (0, 10, 11, at(12))]
    assert memory.as_columns().gaps_open == 3


def test_what_lies_before_the_hours_that_are_remembered_counts_with_the_oldest() -> None:
    memory = BinMemory(0, None, None, (), {}, {str(hour): [1, 1000] for hour in range(100, 100 + HOURS_MAX)})
    for drops in range(1, 4):
        oldest = memory.hour(3600.0 * (50 + drops))
        assert oldest == [drops, 1000]
        oldest[0] += 1
    assert len(memory.hours) == HOURS_MAX
    assert memory.hour(3600.0 * 1000) == [0, 0]
    assert len(memory.hours) == HOURS_MAX
    assert "100" not in memory.hours
