"""The commands for merchants and machines, as an operator types them."""

import base64
import json
import re
from typing import Any

import pytest

from service.errors import ValidationFailed
from tests.managing.conftest import Tanbi


def shown(output: str) -> Any:
    """The JSON that a command prints before it says that it is not shown again."""
    assert "not shown again" in output
    return json.loads(output.partition("}")[0] + "}")


def test_a_machine_gets_another_key_before_its_first_is_revoked(tanbi: Tanbi) -> None:
    where = ("--merchant", "M1", "--site", "s1", "--kind", "water", "--algorithm", "hmac-sha256")
    keys = [shown(tanbi("machine", "add", "W1", *where)), shown(tanbi("machine", "add-key", "W1"))]
    assert [(each["id"], each["alg"], each["keyid"]) for each in keys] == [
        ("W1", "hmac-sha256", "W1"),
        # As its first one's: a controller that computes HMAC may not know Ed25519.
        ("W1", "hmac-sha256", "W1:2"),
    ]
    assert shown(tanbi("machine", "add-key", "W1", "--algorithm", "ed25519"))["alg"] == "ed25519"
    assert {len(base64.b64decode(each["private_key"])) for each in keys} == {32}
    assert tanbi("machine", "revoke-key", "W1") == "Key W1 is revoked."
    assert "was revoked before, at 20" in tanbi("machine", "revoke-key", "W1")
    listed = tanbi("machine", "list")
    assert "W1:2" in listed
    assert listed.count("+08:00") == 1
    assert not any(each["private_key"] in listed for each in keys)


def test_a_merchants_terms_are_set_when_it_is_added_and_changed_one_by_one(tanbi: Tanbi) -> None:
    terms = ("--site", "s1", "--hold-seconds", "180", "--grace-seconds", "3600")
    added = shown(tanbi("merchant", "add", "M2", "--name", "净水", "--name-en", "Water", *terms))
    assert added["api_key"].startswith("tbk_")
    assert tanbi("merchant", "set", "M2", "--grace-seconds", "7200") == (
        "Merchant M2: coins are held for 180 s, late captures taken for 7200 s more; site: s1."
    )
    listed = tanbi("merchant", "list")
    assert "M1 │ 小店 Shop │ │ 120 │ 0" in listed
    assert "M2 │ 净水 Water │ s1 │ 180 │ 7200" in listed


def test_a_key_has_a_name_and_is_revoked_once(tanbi: Tanbi) -> None:
    for name in ("", " "):
        with pytest.raises(ValidationFailed, match="A key has a name"):
            tanbi("key", "create", "--role", "operator", "--name", name)
    tanbi("key", "create", "--role", "operator", "--name", "李工")
    [key_id] = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", tanbi("key", "list"))
    assert tanbi("key", "revoke", key_id) == f"Key {key_id} is revoked."
    assert "was revoked before" in tanbi("key", "revoke", key_id)
