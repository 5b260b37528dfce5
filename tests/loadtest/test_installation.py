import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from loadtest.installation import CannotStart, Installation, ServiceProcess, environment, free_port, tuned_by

ENDS_AT_ONCE = [sys.executable, "-c", "print('no database today'); raise SystemExit(3)"]
SLEEPS = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]


def process(command: list[str], tmp_path: Path) -> ServiceProcess:
    return ServiceProcess(command, environment({}), free_port(), tmp_path / "service.log")


def test_what_leads_to_another_database_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANBI_DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("TANBI_MIGRATION_DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("TANBI_DATA_DIR", "/var/lib/tanbi")
    monkeypatch.setenv("TANBI_SECRET_KEY", "secret")
    monkeypatch.setenv("TANBI_DEMO", "true")
    monkeypatch.setenv("TANBI_GROUPCOMMIT_WRITERS", "3")
    kept = {name: value for name, value in environment({"TANBI_WORKERS": "2"}).items() if name.startswith("TANBI_")}
    assert kept == {"TANBI_GROUPCOMMIT_WRITERS": "3", "TANBI_WORKERS": "2"}


def test_the_report_names_tuning_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANBI_WECHAT_SECRET", "secret")
    monkeypatch.setenv("TANBI_WECHAT_BASE_URL", "http://inside")
    monkeypatch.setenv("TANBI_GROUPCOMMIT_WRITERS", "3")
    assert tuned_by() == {"TANBI_GROUPCOMMIT_WRITERS": "3"}


def test_a_service_that_ends_says_why(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"(?s)status 3:.*no database today"):
        process(ENDS_AT_ONCE, tmp_path).wait_until_it_answers()


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", free_port()))


def test_leaving_ends_what_was_started_and_removes_the_directory(tmp_path: Path) -> None:
    command = tmp_path / "tanbi"
    command.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(600)\n")
    command.chmod(0o755)
    with Installation(command) as installation:
        started = psutil.Process(installation.serve().pid)
        assert started.is_running()
        assert installation.postmaster() is None
    assert not started.is_running()
    assert not installation.data_dir.exists()


def test_what_is_to_be_kept_is_kept_and_copied(tmp_path: Path) -> None:
    with Installation(tmp_path / "tanbi") as first:
        first.demo_json.write_text("{}")
        first.demo_json.chmod(0o600)
        with Installation(tmp_path / "tanbi", like=first) as second:
            assert second.data_dir != first.data_dir
            assert (second.demo_json.read_text(), second.demo_json.stat().st_mode & 0o777) == ("{}", 0o600)


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def test_a_paused_process_takes_no_time(tmp_path: Path) -> None:
    running = process(SLEEPS, tmp_path)
    try:
        # A signal takes effect a moment after it was sent.
        with running.paused():
            until(lambda: psutil.Process(running.pid).status() == psutil.STATUS_STOPPED)
        until(lambda: psutil.Process(running.pid).status() != psutil.STATUS_STOPPED)
        assert running.resident_bytes() > 0
    finally:
        running.kill()
    assert running.members() == []
