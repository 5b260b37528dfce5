"""`tanbi demo` as a process: what a newcomer starts, stops, and starts again."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.embedded import EmbeddedPostgres

COMMAND = str(Path(sys.executable).with_name("tanbi"))
# For what takes a second or ten; a machine that is slower than this is not slow but stuck.
SECONDS_MAX = 120.0
POLL_SECONDS = 0.1


class Demo:
    """A running `tanbi demo`, in a process group of its own as in a terminal."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        self._output = (data.parent / f"{data.name}.output").open("w+")
        before = self.demo_file_written_at()
        self.process = subprocess.Popen(
            [COMMAND, "demo", "--data", str(data), "--port", "0", *arguments],
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("TANBI_")},
            start_new_session=True,
        )
        self._wait_until_new = lambda: self.demo_file_written_at() != before

    @property
    def output(self) -> str:
        self._output.seek(0)
        return self._output.read()

    @property
    def file(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.data / "demo.json").read_text())
        return content

    def demo_file_written_at(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return (self.data / "demo.json").stat().st_mtime_ns
        return 0

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        while not condition():
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(POLL_SECONDS)

    def until_it_serves(self) -> None:
        self.until(self._wait_until_new)

    def get(self, path: str, token: str | None = None) -> bytes:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self.file["base_url"] + path, headers=headers)  # noqa: S310, our own
        with urllib.request.urlopen(request, timeout=SECONDS_MAX) as response:  # noqa: S310
            content: bytes = response.read()
            return content

    def metric(self, name: str) -> float:
        """A metric's value, 0 where it is not there yet; `name` with its labels."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics").decode(), re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    def counted(self, name: str) -> bool:
        return self.metric(name) > 0

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """As Ctrl-C in a terminal: to the whole group. The exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(SECONDS_MAX)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            with EmbeddedPostgres(self.data):
                pass  # the last one out stops it
        self._output.close()


@contextlib.contextmanager
def demo_of(data: Path, *arguments: str) -> Iterator[Demo]:
    demo = Demo(data, *arguments)
    try:
        yield demo
    finally:
        demo.end()


@pytest.fixture
def data() -> Iterator[Path]:
    """As `mktemp -d` makes it: mode 0700."""
    directory = Path(tempfile.mkdtemp(prefix="tanbi-test-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)
        directory.with_name(f"{directory.name}.output").unlink(missing_ok=True)


def postmaster_runs(data: Path) -> bool:
    return EmbeddedPostgres(data).postmaster_pid is not None


def run_command(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("TANBI_")} | environment,
    )


def operate(data: Path, *arguments: str, **environment: str) -> str:
    """What a command on a demo's data prints."""
    done = run_command(data, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def simulated(data: Path) -> None:
    """Modes are played on a demo that runs; an answer that is not as designed ends the command with 1."""
    shown = operate(data, "simulate", "leaning", "trader")
    assert (shown.count("是 yes"), shown.count("否 no")) == (2, 0)
    assert "credited → held box_mass_short → credited" in shown
    path = data / "demo.json"
    kept = path.read_bytes()
    path.write_bytes(kept.replace(json.loads(kept)["operator_key"].encode(), b"tbk_nobody"))
    done = run_command(data, "simulate", "leaning")
    path.write_bytes(kept)
    assert done.returncode == 1
    assert "否 no" in done.stdout
    assert "leaning: GET /v1/bins?limit=1: 200 expected, 401 token_invalid answered" in done.stderr


def as_printed(demo: Demo, directory: Path) -> None:
    """Close the month that the demo names, by the command that it prints."""
    commands = [shlex.split(line) for line in demo.output.splitlines() if line.startswith(f"  {COMMAND} ")]
    [month] = {
        words[words.index(option) + 1] for words in commands for option in ("--month", "--from") if option in words
    }
    assert [words[1:3] for words in commands] == [["settle", "--month"], ["report", "coins"]]
    done = subprocess.run(commands[0], capture_output=True, text=True, check=False, cwd=directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("issued") > 10
    assert (directory / f"statements/NK-M-01-{month.replace('-', '')}.html").stat().st_size > 1000


def test_it_runs_is_stopped_by_ctrl_c_and_goes_on_with_the_same_data(data: Path, tmp_path: Path) -> None:
    with demo_of(data, "--events-per-second", "60") as demo:
        demo.until_it_serves()
        redeemed_coins = demo.metric("tanbi_coins_redeemed_total")
        assert demo.metric("tanbi_fold_lag_seconds") < 86_400
        assert (data / "demo.json").stat().st_mode & 0o777 == 0o600
        file = demo.file
        assert list(file) == ["base_url", "operator_key", "bins", "residents", "merchants", "machines"]
        assert [len(file[name]) for name in list(file)[2:]] == [47, 200, 18, 18]
        assert list(file["bins"][0].items())[:3] == [("id", "NK-0001"), ("alg", "ed25519"), ("keyid", "NK-0001")]
        assert not file["base_url"].endswith(":0")
        reader = file["residents"][0]["token"]
        balance_coins = json.loads(demo.get("/v1/me", reader))["balance_coins"]
        for name in (
            'tanbi_weigh_events_total{outcome="credited"}',
            'tanbi_weigh_events_total{outcome="unclaimed"}',
            'tanbi_weigh_events_total{outcome="duplicate"}',
            'tanbi_redemptions_total{outcome="captured"}',
        ):
            demo.until(partial(demo.counted, name))
        demo.until(lambda: demo.metric("tanbi_coins_redeemed_total") > redeemed_coins > 0)
        as_printed(demo, tmp_path)
        assert "the first resident in demo.json is yours" in demo.output
        demo.until(lambda: demo.metric('tanbi_weigh_events_total{outcome="credited"}') > 100)
        assert json.loads(demo.get("/v1/me", reader))["balance_coins"] == balance_coins > 100
        assert demo.metric("tanbi_ledger_imbalance_coins") == 0
        assert postmaster_runs(data)
        assert demo.stop() == 0
        assert "Traceback" not in demo.output
        assert demo.output.rstrip().endswith("with this data.")
    assert not postmaster_runs(data)

    verified = subprocess.run([COMMAND, "verify", "--data", str(data)], capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stdout + verified.stderr

    # So fast that a fleet, were there one, would have posted hundreds before the first line.
    with demo_of(data, "--no-fleet", "--events-per-second", "500") as again:
        again.until_it_serves()
        assert {**again.file, "base_url": ""} == {**file, "base_url": ""}
        again.until(lambda: again.metric("tanbi_coins_issued_total") > 0)
        assert json.loads(again.get("/v1/me", file["residents"][0]["token"]))["lifetime_grams"] > 0
        key, resident = file["operator_key"], str(file["residents"][0]["id"])
        why = ("--reason", "weighed twice", "--reference", "case 7")
        asked = operate(data, "adjustment", "request", resident, "credit", "7", *why, TANBI_OPERATOR_KEY=key)
        assert "waits for another operator" in asked
        assert "whsec_" in operate(data, "webhook", "add", file["merchants"][0]["id"], "http://127.0.0.1:9/tanbi")
        again.until(lambda: "事件 events" in again.output)
        assert "issued 0" not in again.output
        assert 'tanbi_weigh_events_total{outcome="credited"} 0.0' in again.get("/metrics").decode()
        simulated(data)
        assert again.stop(signal.SIGTERM) == 0
    assert not postmaster_runs(data)


def test_a_second_demo_is_refused_and_after_kill_9_a_lost_demo_json_is_made_again_and_said(data: Path) -> None:
    small = ("--no-fleet", "--bins", "3", "--residents", "2")
    with demo_of(data, *small) as demo:
        demo.until_it_serves()
        file = demo.file
        before = {path: path.stat().st_mtime_ns for path in data.iterdir()}
        # On its port too: what is in the way is not just any program.
        refused = run_to_its_end(data, "--port", file["base_url"].rsplit(":", 1)[1])
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            f"tanbi: A demo runs on {data} already, at {file['base_url']}. Use that one, stop it, or name another"
            " directory with --data.\n"
        )
        assert {path: path.stat().st_mtime_ns for path in data.iterdir()} == before
        assert json.loads(demo.get("/v1/me", file["residents"][0]["token"]))["resident_id"]
        demo.process.kill()
        demo.process.wait()
    (data / "demo.json").unlink()
    with demo_of(data, "--no-fleet") as again:
        again.until_it_serves()
        assert "everyone has new keys" in again.output
        assert "going on with 3 bins and 2 residents" in again.output
        assert again.file["operator_key"] != file["operator_key"]
        rate = "/v1/indicator/recycling-rate?area=nankai&period=2025"
        assert json.loads(again.get(rate, again.file["operator_key"]))["rate"] is not None
        with pytest.raises(urllib.error.HTTPError, match="401") as unauthorised:
            again.get(rate, file["operator_key"])
        unauthorised.value.close()
        assert again.stop(signal.SIGHUP) == 0


def test_ctrl_c_while_it_starts_leaves_nothing_running(data: Path) -> None:
    with demo_of(data) as demo:
        demo.until(lambda: "starting" in demo.output)
        assert demo.stop() == 0
        assert "Traceback" not in demo.output
    assert not postmaster_runs(data)


def run_to_its_end(data: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "demo", "--data", str(data), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_a_busy_port_is_one_sentence_and_starts_nothing(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_to_its_end(data, "--port", str(port))
    assert done.returncode == 1
    assert done.stderr == (
        f"tanbi: Port {port} of 127.0.0.1 is in use by another program. Choose one with --port, or --port 0.\n"
    )
    assert list(data.iterdir()) == []


def test_a_host_that_is_not_this_machines_is_one_sentence(data: Path) -> None:
    done = run_to_its_end(data, "--host", "192.0.2.1", "--port", "0")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Cannot listen on 192.0.2.1, port 0" in done.stderr


def test_sample_data_never_gets_into_an_operators_database(data: Path) -> None:
    done = run_to_its_end(data, TANBI_DATABASE_URL="postgresql+asyncpg://tanbi@/tanbi?host=/nowhere")
    assert done.returncode == 1
    assert "TANBI_DATABASE_URL is set" in done.stderr
    assert list(data.iterdir()) == []
