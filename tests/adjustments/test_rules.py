"""Whose key is whose."""

import uuid

import pytest

from service.adjustments.rules import is_same_operator

ONE, OTHER = uuid.uuid4(), uuid.uuid4()


@pytest.mark.parametrize("name", ["Li Gong", "li gong", " LI  GONG ", "Ｌｉ　Gong"])
def test_keys_of_one_name_are_one_operators_however_it_is_written(name: str) -> None:
    assert is_same_operator(ONE, "Li Gong", OTHER, name)


def test_another_name_is_another_operator_unless_the_key_is_the_same() -> None:
    assert not is_same_operator(ONE, "Li Gong", OTHER, "Li Gongx")
    assert is_same_operator(ONE, "Li Gong", ONE, "Wang")
