import json
import os
from pathlib import Path

import pytest

from loadtest.demo import read_demo
from schemas.signatures import Algorithm
from service.demo.demo_file import (
    Credentials,
    DemoBin,
    DemoMachine,
    DemoMerchant,
    DemoResident,
    read_credentials,
    write_demo_file,
)

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
CREDENTIALS = Credentials(
    operator_key="tbk_operator",
    bins=(DemoBin(id="NK-0001", alg=Algorithm.ED25519, keyid="NK-0001", private_key=KEY),),
    residents=(DemoResident(id=7, card="04A224B15C6180", token="tbr_token"),),
    merchants=(DemoMerchant(id="NK-M-01", name="学府便利店", api_key="tbk_merchant"),),
    machines=(
        DemoMachine(
            id="NK-W-01",
            merchant_id="NK-M-01",
            kind="water",
            alg=Algorithm.HMAC_SHA256,
            keyid="NK-W-01",
            private_key=KEY,
        ),
    ),
)


def test_it_has_the_form_that_the_design_gives(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    write_demo_file(path, "http://127.0.0.1:8080", CREDENTIALS)
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "base_url": "http://127.0.0.1:8080",
        "operator_key": "tbk_operator",
        "bins": [{"id": "NK-0001", "alg": "ed25519", "keyid": "NK-0001", "private_key": KEY}],
        "residents": [{"id": 7, "card": "04A224B15C6180", "token": "tbr_token"}],
        "merchants": [{"id": "NK-M-01", "name": "学府便利店", "api_key": "tbk_merchant"}],
        "machines": [
            {
                "id": "NK-W-01",
                "merchant_id": "NK-M-01",
                "kind": "water",
                "alg": "hmac-sha256",
                "keyid": "NK-W-01",
                "private_key": KEY,
            }
        ],
    }
    assert read_credentials(path) == CREDENTIALS
    assert read_demo(path).cards == ("04A224B15C6180",)


def test_only_its_owner_can_read_it_whatever_the_umask_and_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    path.write_text("{}")
    path.chmod(0o644)
    # What a run that was killed left behind.
    (tmp_path / "demo.json.new").write_text("half")
    before = os.umask(0)
    try:
        write_demo_file(path, "http://127.0.0.1:8080", CREDENTIALS)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["demo.json"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"operator_key": "k"}'])
def test_a_file_that_is_not_whole_gives_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "demo.json"
    path.write_text(content)
    assert read_credentials(path) is None


def test_no_file_gives_nothing(tmp_path: Path) -> None:
    assert read_credentials(tmp_path / "demo.json") is None


def test_a_secret_is_not_in_what_is_printed_of_it() -> None:
    text = repr(CREDENTIALS)
    assert not any(secret in text for secret in (KEY, "tbk_", "tbr_", "04A224B15C6180"))
