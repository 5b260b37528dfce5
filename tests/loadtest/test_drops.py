import json
import uuid
from collections import Counter
from datetime import datetime
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.drops import (
    SHARE_BY_MATERIAL,
    WEIGHT_GRAMS_MAX,
    WEIGHT_GRAMS_MIN,
    Drop,
    Drops,
    EventWriter,
    uuid7,
)

NOW = 1_790_000_000
CARDS = [f"card-{rank}" for rank in range(100)]


def drawn(count: int, seed: int = 7) -> list[Drop]:
    return Drops(["NK-0001", "NK-0002"], CARDS, seed=seed).take(0, count, NOW)


def test_one_seed_draws_the_same_drops() -> None:
    assert drawn(500) == drawn(500)
    assert drawn(500) != drawn(500, seed=8)


def test_cards_are_drawn_by_zipfs_law() -> None:
    counts = Counter(drop.card for drop in drawn(20_000))
    first, second, tenth = counts["card-0"], counts["card-1"], counts["card-9"]
    assert first / second == pytest.approx(2, rel=0.15)
    assert first / tenth == pytest.approx(10, rel=0.25)


def test_drops_weigh_about_two_kilograms_and_stay_in_the_scale() -> None:
    weights = [drop.weight_grams for drop in drawn(20_000)]
    assert mean(weights) == pytest.approx(2100, rel=0.05)
    assert min(weights) >= WEIGHT_GRAMS_MIN
    assert max(weights) <= WEIGHT_GRAMS_MAX


def test_all_six_materials_come() -> None:
    assert {drop.material for drop in drawn(2000)} == set(SHARE_BY_MATERIAL)
    assert sum(SHARE_BY_MATERIAL.values()) == pytest.approx(1)


def test_a_box_grows_by_each_drop() -> None:
    boxes = dict.fromkeys(SHARE_BY_MATERIAL, 0)
    for drop in drawn(2000):
        boxes[drop.material] += drop.weight_grams
        assert drop.box_weight_grams == boxes[drop.material]


def test_each_bin_has_its_own_rising_sequence() -> None:
    drops = Drops(["NK-0001", "NK-0002"], CARDS, seed=1, first_sequence=10)
    taken = [*drops.take(0, 3, NOW), *drops.take(1, 2, NOW), *drops.take(0, 1, NOW)]
    assert [(drop.bin_id, drop.sequence) for drop in taken] == [
        ("NK-0001", 10),
        ("NK-0001", 11),
        ("NK-0001", 12),
        ("NK-0002", 10),
        ("NK-0002", 11),
        ("NK-0001", 13),
    ]


def test_ids_are_unique_and_another_moment_has_others() -> None:
    ids = {drop.event_id for drop in drawn(20_000)}
    later = {drop.event_id for drop in Drops(["NK-0001"], CARDS, seed=7).take(0, 20_000, NOW + 3600)}
    assert len(ids) == len(later) == 20_000
    assert not ids & later


def test_drops_happen_in_the_order_of_their_sequence() -> None:
    drops = Drops(["NK-0001"], CARDS, seed=7)
    taken = [*drops.take(0, 3, NOW), *drops.take(0, 2, NOW + 9)]
    assert [drop.occurred_at - NOW for drop in taken] == [0, 0, 0, 9, 9]


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**74 - 1))
def test_an_id_is_a_uuid_of_version_7(milliseconds: int, bits: int) -> None:
    parsed = uuid.UUID(uuid7(milliseconds, bits))
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == milliseconds
    assert (parsed.int >> 64 & 0xFFF) << 62 | parsed.int & (1 << 62) - 1 == bits
    assert str(parsed) == uuid7(milliseconds, bits)


def test_a_written_event_is_what_was_drawn() -> None:
    drop = Drop('B"1', "id", NOW, 3, "glass", 1250, "字\\", 4000)
    event = json.loads(EventWriter().write(drop))
    assert datetime.fromisoformat(event.pop("time")).timestamp() == NOW
    assert event == {
        "specversion": "1.0",
        "type": "tanbi.weigh-event.v1",
        "source": '/bins/B"1',
        "id": "id",
        "data": {
            "sequence": 3,
            "material": "glass",
            "weight_grams": 1250,
            "credential": {"kind": "card", "value": "字\\"},
            "box_weight_grams": 4000,
        },
    }


def test_no_bins_or_no_cards_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one bin"):
        Drops([], CARDS, seed=1)
    with pytest.raises(ValueError, match="one card"):
        Drops(["NK-0001"], [], seed=1)
