"""The registry of kinds: every way of counting takes each stream of recyclables at exactly one point."""

from typing import get_args

import pytest

from service.indicator.kinds import KINDS, STREAMS, WAYS_OF_COUNTING, CountedAt, Stream

POINTS_ALONG_THE_WAY = ("bin", "door", "station", "yard", "plant")


def test_the_registry_is_keyed_by_id_and_names_every_stream() -> None:
    assert all(kind.id == name for name, kind in KINDS.items())
    assert set(get_args(Stream)) == set(STREAMS)
    assert set(get_args(CountedAt)) == set(WAYS_OF_COUNTING)


@pytest.mark.parametrize("way", WAYS_OF_COUNTING)
def test_a_way_of_counting_takes_each_stream_once(way: CountedAt) -> None:
    counted = [stream for kind_id in WAYS_OF_COUNTING[way] for stream in KINDS[kind_id].streams]
    assert sorted(counted) == sorted(STREAMS)


def test_each_kind_of_recyclables_is_counted_in_some_way_and_nothing_else_is() -> None:
    counted = {kind_id for kinds in WAYS_OF_COUNTING.values() for kind_id in kinds}
    assert counted == {kind.id for kind in KINDS.values() if kind.streams}


def test_a_mass_has_a_point_and_a_share_has_none() -> None:
    for kind in KINDS.values():
        assert (kind.point is None) == (kind.unit == "ppm")
        assert kind.point is None or kind.point in POINTS_ALONG_THE_WAY


def test_names_are_told_apart_in_both_languages() -> None:
    for names in ([kind.name_zh for kind in KINDS.values()], [kind.name_en for kind in KINDS.values()]):
        assert len(set(names)) == len(KINDS)
        assert all(names)
