"""The command line as a person uses it: processes, signals, files."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loadtest.demo_file import write_demo

COMMAND = [sys.executable, "-m", "loadtest"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, "run", *arguments], capture_output=True, text=True, check=False)


@pytest.fixture
def bare() -> Iterator[str]:
    """The base address of the bare handler, a process of its own."""
    with subprocess.Popen([*COMMAND, "bare", "--seconds", "120"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0


def test_a_closed_loop_writes_its_result(bare: str, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    done = run(
        *(str(write_demo(tmp_path / "demo.json", bare)), "--requests", "300", "--connections", "4"),
        *("--seconds", "60", "--events-each", "10", "--output", str(output)),
    )
    assert done.returncode == 0, done.stderr
    assert "requests/s" in done.stderr
    result = json.loads(output.read_text())
    assert (result["loop"], result["requests"], result["events"]) == ("closed", 300, 3000)
    assert result["statuses"] == {"200": 300}
    assert result["latency_ms"]["p50"] <= result["latency_ms"]["p99"] <= result["latency_ms"]["max"]


def test_a_rate_makes_it_an_open_loop(bare: str, tmp_path: Path) -> None:
    output = tmp_path / "result.json"
    done = run(
        *(str(write_demo(tmp_path / "demo.json")), "--base-url", bare, "--algorithm", "ed25519"),
        *("--rate", "500", "--seconds", "0.5", "--output", str(output)),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(output.read_text())
    assert (result["loop"], result["requests"], result["statuses"]) == ("open", 250, {"200": 250})
    assert result["lateness_ms"]["mean"] >= 0


@pytest.mark.parametrize("base_url", ["http://192.0.2.1:8080", "http://tanbi.example"])
def test_another_machine_is_refused_with_a_clear_word(base_url: str, tmp_path: Path) -> None:
    done = run(str(write_demo(tmp_path / "demo.json")), "--base-url", base_url)
    assert done.returncode == 2
    assert "Load goes to this machine only" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_a_missing_demo_or_service_is_said(tmp_path: Path) -> None:
    missing = run(str(tmp_path / "demo.json"))
    assert (missing.returncode, "No such file" in missing.stderr) == (2, True)
    # Port 1 is tcpmux's; nobody has served it on a loopback address for decades.
    nobody = run(str(write_demo(tmp_path / "demo.json", "http://127.0.0.1:1")), "--requests", "1")
    assert nobody.returncode == 2
    assert "Start the service first" in " ".join(nobody.stderr.split())
    assert "Traceback" not in nobody.stderr


def test_a_taken_port_is_said(bare: str) -> None:
    second = subprocess.run(
        [*COMMAND, "bare", "--port", bare.rpartition(":")[2]], capture_output=True, text=True, check=False
    )
    assert second.returncode == 2
    assert "Give another --port" in " ".join(second.stderr.split())
