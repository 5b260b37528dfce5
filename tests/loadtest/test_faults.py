"""What a run says when something stays dead; that it comes back is shown by tests/test_crash.py."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loadtest import faults
from loadtest.faults import Fault, FaultKind, Saboteur
from loadtest.installation import Installation
from loadtest.patience import Patient, open_session
from tests.loadtest.prepared import draws

# In place of `tanbi`: answers HTTP, and nobody sends it anything that it could acknowledge.
ANSWERS = """\
import http.server, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
print("nothing to do here", flush=True)
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    command = tmp_path / "tanbi"
    command.write_text(f"#!{sys.executable}\n{ANSWERS}")
    command.chmod(0o755)
    with Installation(command) as installation:
        yield installation


def seed_that_begins_with(kind: FaultKind) -> int:
    return next(seed for seed in range(100) if draws(seed).sample(list(FaultKind), len(FaultKind))[0] is kind)


async def sabotage(installation: Installation, kind: FaultKind) -> tuple[Saboteur, list[Fault], int]:
    """One kill of this kind, what was told, and the pid of the service before it."""
    service = installation.serve()
    service.wait_until_it_answers()
    told: list[Fault] = []
    async with open_session() as session:
        patient = Patient(session, [f"http://{service.target.authority}"], draws())
        saboteur = Saboteur(installation, [service], patient, draws(seed_that_begins_with(kind)))
        await saboteur.run(1, 0.01, told.append)
    return saboteur, told, service.pid


async def test_a_service_that_acknowledges_nothing_any_more_is_named(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "RECOVERY_SECONDS_MAX", 0.2)
    saboteur, told, pid = await sabotage(installation, FaultKind.SERVICE)
    assert saboteur.failure is not None
    assert "replicas [0] acknowledge nothing" in saboteur.failure
    assert "nothing to do here" in saboteur.failure
    assert told == saboteur.faults == []
    [replica] = saboteur.replicas
    assert replica.pid != pid, "killed, and started again"
    assert not psutil.pid_exists(pid)


async def test_a_database_that_is_not_there_is_named(installation: Installation) -> None:
    saboteur, told, pid = await sabotage(installation, FaultKind.POSTGRES)
    assert saboteur.failure == "PostgreSQL is gone, and it was not this run that killed it."
    assert told == []
    assert psutil.pid_exists(pid)
