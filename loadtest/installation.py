"""An installation of Tanbi to put load on: a data directory of its own, and processes of the command `tanbi` on it.

loadtest is a client, so the service is started as anyone would start it. What is started here is ended here, by its
process; the database ends with its last user (the embedded server's own rule).
"""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import psutil

from loadtest.target import Target

HOST = "127.0.0.1"
START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 60.0
COMMAND_SECONDS_MAX = 120.0
POLL_SECONDS = 0.05
LOG_TAIL_LINES = 15

DATABASE = "tanbi"
ADMIN_ROLE = "postgres"
DATABASE_PORT = 5432

# A run must not reach the operator's own database, whatever the shell that it was started from has set.
FORGOTTEN = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "SECRET_KEY", "DATA_DIR", "HOST", "PORT", "DEMO", "WORKERS")


class CannotStart(Exception):
    """The service under test does not start; the message ends with what it said."""


class NoDatabase(Exception):
    """The data directory has no running embedded PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The embedded server's first process and where its socket is, as `postmaster.pid` tells."""

    pid: int
    socket_dir: str


def tanbi_command() -> Path:
    """The console script beside this Python. Raises CannotStart where there is none."""
    path = Path(sys.executable).parent / "tanbi"
    if not path.exists():
        raise CannotStart(f"There is no {path}: install Tanbi into this environment, or name it with --tanbi.")
    return path


class Installation:
    """A fresh data directory, or a copy of one whose database is stopped. Leaving it ends every process that was
    started on it and removes it."""

    def __init__(self, command: Path, *, like: "Installation | None" = None) -> None:
        self.command = command
        # Not below a private directory: as root the server runs as another user, who has to reach it.
        self.data_dir = Path(tempfile.mkdtemp(prefix="tanbi-load-"))
        self.data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        self.keep = False
        self._processes: list[ServiceProcess] = []
        if like is not None:
            self._copy(like)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            for process in self._processes:
                process.ask_to_stop()
            for process in self._processes:
                process.wait_until_it_ends()
            if self.postmaster() is not None:
                # Its users were killed: whoever joins it and leaves last stops it.
                self.run("migrate")
        finally:
            if not self.keep:
                shutil.rmtree(self.data_dir, ignore_errors=True)

    @property
    def master_key(self) -> str:
        """What the service's secrets are derived from, in base64."""
        return (self.data_dir / "secret.key").read_text()

    @property
    def demo_json(self) -> Path:
        """What `tanbi demo` writes for whoever wants to try the API."""
        return self.data_dir / "demo.json"

    def demo(self, residents: int) -> "ServiceProcess":
        """A demo without a fleet, which makes the sample data first. Raises CannotStart."""
        process = self._start(("demo", "--no-fleet", "--residents", str(residents)), {})
        process.wait_until_it_answers(self.demo_json)
        return process

    def serve(
        self, *, port: int | None = None, workers: int = 1, settings: Mapping[str, str] | None = None
    ) -> "ServiceProcess":
        """One more process that serves the database and takes what the demo made; it answers soon. `settings` are
        TANBI_ variables of its own."""
        return self._start(("serve",), {"TANBI_DEMO": "true", "TANBI_WORKERS": str(workers), **(settings or {})}, port)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One of the operator's commands, to its end. Raises CannotStart when it takes too long."""
        try:
            return subprocess.run(  # noqa: S603 - our own command, no shell
                [str(self.command), *arguments, "--data", str(self.data_dir)],
                env=environment({}),
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CannotStart(f"`tanbi {arguments[0]}` did not end in {COMMAND_SECONDS_MAX:.0f} s.") from None

    def postmaster(self) -> Postmaster | None:
        """The running server; None when none runs."""
        try:
            lines = (self.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
            found = Postmaster(int(lines[0]), lines[4])
            arguments = psutil.Process(found.pid).cmdline()
        except (OSError, IndexError, ValueError, psutil.Error):
            return None
        # After a crash the recorded pid may be anyone's.
        return found if any(str(self.data_dir) in argument for argument in arguments) else None

    async def connect(self, **server_settings: str) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection as the database's owner. Raises NoDatabase, OSError and what asyncpg raises."""
        postmaster = self.postmaster()
        if postmaster is None:
            raise NoDatabase(f"{NoDatabase.__doc__} It was {self.data_dir}.")
        return await asyncpg.connect(
            host=postmaster.socket_dir,
            port=DATABASE_PORT,
            user=ADMIN_ROLE,
            database=DATABASE,
            timeout=10,
            server_settings={"synchronous_commit": "on", **server_settings},
        )

    async def server_version(self) -> str:
        """Of the running PostgreSQL. Raises what `connect` raises."""
        connection = await self.connect()
        try:
            version: str = await connection.fetchval("SHOW server_version")
        finally:
            await connection.close()
        return version

    def _copy(self, other: "Installation") -> None:
        # With owners and modes: as root the cluster belongs to the user that the server runs as.
        command = ["cp", "-a", f"{other.data_dir}/.", str(self.data_dir)]
        subprocess.run(command, check=True, timeout=COMMAND_SECONDS_MAX)  # noqa: S603 - no shell, our own paths

    def _start(
        self, arguments: Sequence[str], variables: Mapping[str, str], port: int | None = None
    ) -> "ServiceProcess":
        port = free_port() if port is None else port
        command = [str(self.command), *arguments, "--data", str(self.data_dir), "--port", str(port)]
        process = ServiceProcess(command, environment(variables), port, self.data_dir / f"service-{port}.log")
        self._processes.append(process)
        return process


class ServiceProcess:
    """One process of the service (and the workers that it forks), on a port of this machine."""

    def __init__(self, command: Sequence[str], variables: Mapping[str, str], port: int, log_path: Path) -> None:
        self.target = Target(HOST, port)
        self._log_path = log_path
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_it_answers(self, file: Path | None = None) -> None:
        """Return when it answers HTTP, and `file` is there. Raises CannotStart when it ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (self._answers() and (file is None or file.exists())):
            if self._process.poll() is not None:
                raise CannotStart(f"The service ended with status {self._process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise CannotStart(f"The service does not answer after {START_SECONDS_MAX:.0f} s:\n{self.log_tail()}")
            time.sleep(POLL_SECONDS)

    def _answers(self) -> bool:
        # Any answer will do. A bound port alone would not: gunicorn binds it before its workers are ready.
        connection = http.client.HTTPConnection(self.target.host, self.target.port, timeout=5)
        try:
            connection.request("GET", "/livez")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        else:
            return True
        finally:
            connection.close()

    def log_tail(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self._log_path.read_text(errors="replace").strip().splitlines()[-LOG_TAIL_LINES:])

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self._process.kill()
        self._process.wait(STOP_SECONDS_MAX)

    def ask_to_stop(self) -> None:
        """SIGTERM; nothing for one that has ended."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not end; nothing for one that has ended."""
        self.ask_to_stop()
        self.wait_until_it_ends()

    def wait_until_it_ends(self) -> None:
        """After `ask_to_stop`: SIGKILL for one that does not end."""
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """It takes no CPU meanwhile, and stays a user of its database, which would stop without one."""
        members = self.members()
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for member in members:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.send_signal(signal.SIGCONT)

    def members(self) -> list[psutil.Process]:
        """The process and what it forked, PostgreSQL left out."""
        return [member for member in family_of(self.pid) if not is_postgres(member)]

    def resident_bytes(self) -> int:
        """Resident memory of all its members, in bytes; pages that they share count each time."""
        total = 0
        for member in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += member.memory_info().rss
        return total


def family_of(pid: int) -> list[psutil.Process]:
    """A process and all that descend from it; empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def is_postgres(process: psutil.Process) -> bool:
    """Whether it is one of the server's."""
    try:
        return process.name() == "postgres"
    except psutil.NoSuchProcess:
        return False


def cpu_seconds_of(processes: Sequence[psutil.Process]) -> float:
    """User and system time that these processes have used so far; of one that is gone, nothing."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would lead the service elsewhere, and with `variables`."""
    forgotten = {f"TANBI_{name}" for name in FORGOTTEN}
    return {name: value for name, value in os.environ.items() if name not in forgotten} | dict(variables)


def tuned_by() -> dict[str, str]:
    """The TANBI_ variables that the service under test gets from this environment, secrets and addresses left out."""
    return {
        name: value
        for name, value in sorted(environment({}).items())
        if name.startswith("TANBI_") and "SECRET" not in name and "URL" not in name
    }


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
