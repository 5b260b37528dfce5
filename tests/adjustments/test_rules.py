"""Whose key is whose."""

import uuid

from service.adjustments.rules import is_same_operator

ONE, OTHER = uuid.uuid4(), uuid.uuid4()


def test_keys_of_one_name_are_one_operators_and_a_key_is_its_own() -> None:
    assert is_same_operator(ONE, "li", OTHER, "li")
    assert is_same_operator(ONE, "li", ONE, "wang")
    assert not is_same_operator(ONE, "li", OTHER, "wang")
