from pathlib import Path

import pytest

from service.demo.lock import RunningLock
from service.demo.planting import CannotRun

ADDRESS = "http://127.0.0.1:8080"


def test_who_comes_second_is_told_the_address_and_has_the_lock_when_the_first_is_gone(tmp_path: Path) -> None:
    with RunningLock(tmp_path) as first, RunningLock(tmp_path) as second:
        first.take(create=True)
        # Until there is an address, and after it.
        with pytest.raises(CannotRun, match="has only begun to start"):
            second.take(create=True)
        first.announce(ADDRESS)
        for create in (False, True):
            with pytest.raises(CannotRun, match=f"already, at {ADDRESS}"):
                second.take(create=create)
    with RunningLock(tmp_path) as third, RunningLock(tmp_path) as fourth:
        third.take(create=False)
        # The address was the first one's.
        with pytest.raises(CannotRun, match="has only begun to start"):
            fourth.take(create=False)


def test_a_directory_where_no_demo_ever_was_gets_no_file_before_there_is_something_to_lock(tmp_path: Path) -> None:
    with RunningLock(tmp_path) as lock:
        lock.take(create=False)
        lock.announce(ADDRESS)
        assert list(tmp_path.iterdir()) == []
        lock.take(create=True)
        lock.announce(ADDRESS)
        lock.take(create=True)
        with RunningLock(tmp_path) as other, pytest.raises(CannotRun, match=ADDRESS):
            other.take(create=False)


def test_a_file_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "demo.lock").mkdir()
    with RunningLock(tmp_path) as lock, pytest.raises(CannotRun, match=r"demo\.lock cannot be used: Is a directory\."):
        lock.take(create=False)
