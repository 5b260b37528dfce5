"""The commands for bins in the field, as an operator types them."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.errors import BinNotClaimed, BinRetired, ValidationFailed
from service.fleet.pictures import claim_code_blocks
from tests.managing.conftest import Tanbi

CODE = re.compile(r"([0-9A-Z]{5}-){4}[0-9A-Z]{5}")
WHY = ("--reason", "季度巡检")


def test_a_bin_is_registered_and_its_code_printed_as_text_and_as_a_picture(tanbi: Tanbi, tmp_path: Path) -> None:
    scale = ("--box-capacity-grams", "40000", "--certificate-expires-on", "2027-12-31", "--model", "HB-2")
    shown = tanbi("bin", "register", "NK-0099", "--site", "s1", *scale, "--qr", str(tmp_path / "code.svg"))
    found = CODE.search(shown)
    assert found is not None
    assert " ".join(claim_code_blocks(found[0]).split()) in shown
    assert "not shown again" in shown
    assert (tmp_path / "code.svg").read_text().startswith("<svg ")
    assert "│ NK-0099 │ s1 │ registered │" in tanbi("bin", "list", "--state", "registered", "--model", "HB-2")
    record = json.loads(tanbi("bin", "show", "NK-0099"))["record"]
    assert (record["box_capacity_grams"], record["certificate_expires_on"]) == (40_000, "2027-12-31")
    newer = tanbi("bin", "claim-code", "NK-0099", "--qr", str(tmp_path / "code.png"))
    assert found[0] not in newer
    assert (tmp_path / "code.png").read_bytes().startswith(b"\x89PNG")
    history = tanbi("bin", "history", "NK-0099")
    assert history.count("claim_code") == 2
    assert found[0] not in history


def test_a_picture_of_another_kind_is_refused_before_anything_is_registered(tanbi: Tanbi) -> None:
    refused = CliRunner().invoke(app, ["bin", "register", "NK-0099", "--site", "s1", "--qr", "code.pdf"])
    assert refused.exit_code == 2
    assert "NK-0099" not in tanbi("bin", "list")


@pytest.mark.parametrize("name", ["nowhere/code.svg", "there.svg"])
def test_a_picture_that_cannot_be_written_is_refused_before_anything_is_registered(
    tanbi: Tanbi, tmp_path: Path, name: str
) -> None:
    (tmp_path / "there.svg").write_text("another bin's")
    arguments = ["bin", "register", "NK-0099", "--site", "s1", "--qr", str(tmp_path / name)]
    assert CliRunner().invoke(app, arguments).exit_code == 2
    assert "NK-0099" not in tanbi("bin", "list")
    assert (tmp_path / "there.svg").read_text() == "another bin's"


def test_what_is_done_to_a_bin_is_in_its_history(tanbi: Tanbi) -> None:
    tanbi("bin", "add", "NK-0001", "--site", "s1")
    tanbi("site", "add", "s2", "--area", "c", "--kind", "community", "--name", "二号", "--name-en", "Two")
    assert tanbi("bin", "move", "NK-0001", "s2", *WHY).startswith("Bin NK-0001 stands at s2 since 20")
    assert "was visited at 20" in tanbi("bin", "service", "NK-0001", *WHY)
    tanbi("bin", "scale", "NK-0001", "--certificate-expires-on", "2028-12-31", *WHY)
    assert tanbi("bin", "suspend", "NK-0001", *WHY) == "Bin NK-0001 is suspended."
    assert tanbi("bin", "resume", "NK-0001", *WHY) == "Bin NK-0001 is active."
    assert tanbi("bin", "retire", "NK-0001", *WHY) == "Bin NK-0001 is retired."
    history = tanbi("bin", "history", "NK-0001")
    kinds = ["retired", "key_ended", "resumed", "suspended", "scale", "serviced", "moved", "key_added", "registered"]
    assert re.findall(r"│ ([a-z_]+) │ 20", history) == kinds
    assert "certificate to 2028-12-31 │ 季度巡检" in history
    with pytest.raises(BinRetired):
        tanbi("bin", "resume", "NK-0001", *WHY)


def test_a_stolen_key_is_ended_or_all_are_replaced(tanbi: Tanbi) -> None:
    tanbi("bin", "add", "NK-0001", "--site", "s1")
    assert "│ NK-0001 │ ed25519 │ 20" in tanbi("bin", "keys", "NK-0001")
    assert CODE.search(tanbi("bin", "rotate", "NK-0001", *WHY))
    assert "newest" not in tanbi("bin", "keys", "NK-0001")
    tanbi("bin", "add", "NK-0002", "--site", "s1")
    ended = tanbi("bin", "end-key", "NK-0002", "NK-0002", *WHY)
    assert ended.startswith("Key NK-0002 is over. Bin NK-0002 has no good key now: tanbi bin claim-code NK-0002")
    assert "newest" not in tanbi("bin", "keys", "NK-0002")


def test_mistakes_are_told(tanbi: Tanbi) -> None:
    tanbi("bin", "register", "NK-0001", "--site", "s1")
    with pytest.raises(BinNotClaimed):
        tanbi("bin", "suspend", "NK-0001", *WHY)
    with pytest.raises(ValidationFailed, match="certificate_expires_on: Must be a day"):
        tanbi("bin", "scale", "NK-0001", "--certificate-expires-on", "soon", *WHY)
    with pytest.raises(ValidationFailed, match="Name at least one field"):
        tanbi("bin", "scale", "NK-0001", *WHY)
    with pytest.raises(ValidationFailed, match="reason: Must be 1 to 200 characters"):
        tanbi("bin", "retire", "NK-0001", "--reason", " ")
    notice = ("--notice", "升级", "--notice-en", "Update", "--url", "https://firmware.example/x")
    with pytest.raises(ValidationFailed, match="url and sha256 together"):
        tanbi("firmware", "announce", "2.4.1", *notice)


def test_firmware_is_announced_by_model(tanbi: Tanbi) -> None:
    notice = ("--notice", "修复缓存", "--notice-en", "Mends the queue")
    told = tanbi("firmware", "announce", "2.4.1", *notice, "--model", "HB-2", "--from", "2099-01-01")
    assert told == "Bins of HB-2 hear of 2.4.1 from 2099-01-01T00:00:00+08:00 on."
    assert "│ HB-2 │ 2.4.1 │ 2099-01-01T00:00:00+08:00 │ 修复缓存 Mends the queue │" in tanbi("firmware", "list")
