"""The commands, as an operator types them: each a process of its own on an embedded database."""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedPostgres
from tests.typist import Typist

TANBI = Path(sys.executable).parent / "tanbi"
SETUP: tuple[tuple[str, ...], ...] = (
    ("area", "add", "tianjin", "--kind", "city", "--name", "天津市", "--name-en", "Tianjin"),
    ("area", "add", "nankai", "--kind", "district", "--parent", "tianjin", "--name", "南开区", "--name-en", "Nankai"),
    ("site", "add", "s1", "--area", "nankai", "--kind", "community", "--name", "一号", "--name-en", "One"),
    ("material", "add", "paper", "--name", "废纸", "--name-en", "Paper"),
    ("tariff", "set", "paper", "100"),
)


class City:
    """A data directory, and who types commands for it."""

    def __init__(self, data: Path, typist: Typist) -> None:
        self.data = data
        self.typist = typist

    def tanbi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.typist.type(*arguments, "--data", str(self.data))

    def start_tanbi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same by the installed command, from its first byte on."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TANBI_")}
        return subprocess.run(
            [TANBI, *arguments, "--data", str(self.data)], capture_output=True, text=True, check=False, env=environment
        )


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    """One with one site, set up by commands alone."""
    data = Path(tempfile.mkdtemp(prefix="tanbi-cli-"))
    with Typist() as typist:
        city = City(data, typist)
        # Each of these starts the server and stops it; later ones join one that runs.
        for run, arguments in ((city.start_tanbi, ("migrate",)), (city.tanbi, SETUP[0])):
            done = run(*arguments)
            assert done.returncode == 0, done.stderr
            assert EmbeddedPostgres(data).postmaster_pid is None
        with EmbeddedPostgres(data):
            for arguments in SETUP[1:]:
                done = city.tanbi(*arguments)
                assert done.returncode == 0, done.stderr
            yield city
    shutil.rmtree(data)


def test_a_bin_is_added_with_a_key_that_is_shown_once(city: City) -> None:
    added = city.tanbi("bin", "add", "NK-0001", "--site", "s1")
    shown = json.loads(added.stdout)
    assert (shown["id"], shown["alg"], shown["keyid"]) == ("NK-0001", "ed25519", "NK-0001")
    assert len(base64.b64decode(shown["private_key"])) == 32
    assert "not shown again" in added.stderr
    again = city.tanbi("bin", "add", "NK-0001", "--site", "s1")
    assert again.returncode == 1
    assert "There is a bin NK-0001 already" in again.stderr
    assert "Traceback" not in again.stderr
    assert city.tanbi("bin", "suspend", "NK-0001", "--reason", "test").returncode == 0


def test_a_merchant_gets_a_key_and_operators_theirs_by_role(city: City) -> None:
    merchant = json.loads(city.tanbi("merchant", "add", "M1", "--name", "小店", "--name-en", "Shop").stdout)
    operator = json.loads(city.tanbi("key", "create", "--role", "auditor", "--name", "审计").stdout)
    assert merchant["api_key"].startswith("tbk_")
    assert operator["role"] == "auditor"
    assert operator["api_key"] != merchant["api_key"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("bin", "suspend", "NK-9999", "--reason", "test"), "There is no bin NK-9999"),
        (("bin", "add", "NK-0002", "--site", "nowhere"), "There is no site nowhere"),
        (("bin", "add", "a b", "--site", "s1"), "1 to 63 letters, digits"),
        (
            ("site", "add", "s2", "--area", "x", "--kind", "scenic", "--name", "a", "--name-en", "a"),
            "There is no area x",
        ),
        (("area", "add", "x", "--kind", "district", "--name", "a", "--name-en", "a"), "A city has no parent"),
        (("tariff", "set", "gold", "100"), "There is no material gold"),
        (("tariff", "set", "paper", "1", "--from", "2020-01-01T00:00:00+0800"), "at least a minute from now"),
        (("key", "create", "--role", "merchant", "--name", "x"), "names its merchant"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(city: City, arguments: tuple[str, ...], sentence: str) -> None:
    done = city.tanbi(*arguments)
    assert done.returncode == 1
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_what_stands_in_brackets_is_told_too(city: City, tmp_path: Path) -> None:
    key = json.loads(city.tanbi("key", "create", "--role", "operator", "--name", "李工").stdout)["api_key"]
    key_file, report = tmp_path / "key", tmp_path / "report.pdf"
    key_file.write_text(key)
    report.write_bytes(b"a report")
    by = ("--source", "a", "--document", str(report), "--document-date", "2026-01-15", "--key-file", str(key_file))
    assert city.tanbi("indicator", "record", "nankai", "2025", "cleared", "5t", *by).returncode == 0
    done = city.tanbi("indicator", "record", "nankai", "2025-03", "cleared", "5t", *by)
    chinese, english = done.stderr.splitlines()
    assert "［cleared nankai 2025 “a”］；" in chinese
    assert "[cleared nankai 2025 “a”] is recorded already" in english


def test_a_mistyped_directory_does_not_pass_for_a_city(city: City) -> None:
    typo = city.data / "typo"
    done = City(typo, city.typist).tanbi("verify")
    assert done.returncode == 1
    assert "There is no database" in done.stderr
    assert "TANBI_DATA_DIR" in done.stderr
    assert "中没有数据库" in done.stderr
    assert not typo.exists()


def test_a_suspended_bin_is_resumed(city: City) -> None:
    assert city.tanbi("bin", "add", "NK-0007", "--site", "s1").returncode == 0
    why = ("--reason", "test")
    assert city.tanbi("bin", "suspend", "NK-0007", *why).returncode == 0
    assert "is active" in city.tanbi("bin", "resume", "NK-0007", *why).stdout
    assert city.tanbi("bin", "resume", "NK-9999", *why).returncode == 1


def test_verify_holds_on_a_fresh_city(city: City) -> None:
    done = city.start_tanbi("verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all checks hold" in done.stdout


def test_sums_are_rebuilt(city: City) -> None:
    assert city.tanbi("volumes", "rebuild").returncode == 0


def test_a_busy_port_is_told_in_one_sentence(city: City) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = city.start_tanbi("serve", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "cannot listen" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_is_found_by_its_name_and_revoked_by_its_id(city: City) -> None:
    assert city.tanbi("key", "create", "--role", "viewer", "--name", "revocable").returncode == 0
    listed = city.tanbi("key", "list").stdout
    (line,) = (line for line in listed.splitlines() if "revocable" in line)
    key_id = line.split()[1]
    assert city.tanbi("key", "revoke", key_id).returncode == 0
    unknown = city.tanbi("key", "revoke", "00000000-0000-0000-0000-000000000000")
    assert unknown.returncode == 1
