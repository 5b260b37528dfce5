"""What `tanbi simulate` says where it cannot play. How it plays is in tests/demo."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.demo.demo_file import Credentials, DemoResident, write_demo_file
from service.demo.modes.catalogue import MODES

# Port 1 is nobody's.
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TANBI_DATABASE_URL", raising=False)


def simulate(data: Path, *modes: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *modes, "--data", str(data)])


def test_without_a_mode_all_are_listed(tmp_path: Path) -> None:
    done = simulate(tmp_path)
    assert done.exit_code == 0
    for mode in MODES.values():
        assert mode.name in done.output
        assert mode.zh in done.output


def test_a_mode_that_there_is_not_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    done = simulate(tmp_path, "leaning", "flying")
    assert done.exit_code == 2
    assert "no mode flying" in " ".join(done.output.split())


def test_without_a_demo_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = simulate(tmp_path, "all")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"There is no {tmp_path / 'demo.json'}. Start a demo with `tanbi demo`" in done.stderr


def test_a_demo_that_was_stopped_is_said_to_be_and_no_database_is_started(tmp_path: Path) -> None:
    residents = tuple(DemoResident(id=number, card=f"{number:014}", token="t") for number in range(3))
    nobody = Credentials(operator_key="k", bins=(), residents=residents, merchants=(), machines=())
    write_demo_file(tmp_path / "demo.json", NOBODY, nobody)
    done = simulate(tmp_path, "all")
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"Nothing answers at {NOBODY}" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]


def test_an_operators_database_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TANBI_DATABASE_URL", "postgresql+asyncpg://tanbi@/tanbi?host=/nowhere")
    done = simulate(tmp_path, "all")
    assert done.exit_code == 1
    assert "TANBI_DATABASE_URL is set" in done.stderr
