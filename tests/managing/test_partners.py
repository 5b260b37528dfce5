"""The commands for merchants and machines, as an operator types them."""

import base64
import json
from typing import Any

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
        ("W1", "ed25519", "W1:2"),
    ]
    assert {len(base64.b64decode(each["private_key"])) for each in keys} == {32}
    assert tanbi("machine", "revoke-key", "W1") == "Key W1 is revoked."
    listed = tanbi("machine", "list")
    assert "W1:2" in listed
    assert listed.count("+00:00") == 1
    assert not any(each["private_key"] in listed for each in keys)


def test_a_merchants_terms_are_set_when_it_is_added_and_changed_one_by_one(tanbi: Tanbi) -> None:
    terms = ("--site", "s1", "--hold-seconds", "180", "--grace-seconds", "3600")
    added = shown(tanbi("merchant", "add", "M2", "--name", "净水", "--name-en", "Water", *terms))
    assert added["api_key"].startswith("tbk_")
    assert tanbi("merchant", "set", "M2", "--grace-seconds", "7200") == "Merchant M2 is changed."
    listed = tanbi("merchant", "list")
    assert "M1 │ 小店 Shop │ │ 120 │ 0" in listed
    assert "M2 │ 净水 Water │ s1 │ 180 │ 7200" in listed
