import json
from pathlib import Path

import pytest

from loadtest.demo import UnreadableDemo, read_demo
from schemas.signatures import Algorithm
from tests.loadtest.demo_file import write_demo
from tests.loadtest.prepared import BINS, CARDS, MACHINES


def test_a_demo_gives_its_bins_keys_and_cards(tmp_path: Path) -> None:
    demo = read_demo(write_demo(tmp_path / "demo.json"))
    assert demo.base_url == "http://127.0.0.1:8080"
    assert list(demo.bins) == BINS
    assert list(demo.machines) == MACHINES
    assert list(demo.cards) == CARDS
    assert [item.bin_id for item in demo.bins_with(Algorithm.HMAC_SHA256)] == ["NK-0001", "NK-0003"]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDemo, match=r"demo\.json: No such file"):
        read_demo(tmp_path / "demo.json")


def test_what_is_wrong_is_named_and_no_key_is_quoted(tmp_path: Path) -> None:
    path = write_demo(tmp_path / "demo.json")
    demo = json.loads(path.read_text())
    key = demo["bins"][1]["private_key"]
    demo["bins"][1]["alg"] = "rsa"
    del demo["residents"]
    path.write_text(json.dumps(demo))
    with pytest.raises(UnreadableDemo, match=r"bins\.1\.alg, residents") as caught:
        read_demo(path)
    assert key not in str(caught.value)


@pytest.mark.parametrize("private_key", ["c2hvcnQ=", "not base64!"])
def test_a_key_that_is_none_is_refused(tmp_path: Path, private_key: str) -> None:
    path = write_demo(tmp_path / "demo.json")
    demo = json.loads(path.read_text())
    demo["bins"][0]["private_key"] = private_key
    path.write_text(json.dumps(demo))
    with pytest.raises(UnreadableDemo, match="private_key") as caught:
        read_demo(path)
    assert private_key not in str(caught.value)


def test_a_file_of_other_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    path.write_text("[")
    with pytest.raises(UnreadableDemo, match="the file"):
        read_demo(path)
