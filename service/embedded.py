"""The embedded PostgreSQL: a real server out of a wheel, for whoever has no database of their own (DESIGN §6).

In the data directory: `postgres/` is the cluster, with the socket in it; `postgres.conf` our settings, written at each
start; `postgres.log` the server's log. Three locks, which the kernel drops with the process, so that no `kill -9` needs
cleaning up: `postgres.lock` for whoever starts or stops the server; `postgres.users`, shared by each process that uses
it; `postgres.server`, inherited by every process of the server: free means that none is left.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from service.postgres_programs import (
    POSTGRES_MAJOR,
    EmbeddedPostgresError,
    ServerUser,
    able_to_reach,
    bin_dir,
    is_alive,
    last_lines,
    recorded_pid,
    run,
    server_user,
)
from service.postgres_socket import PORT, is_listening, prepare_socket_dir, socket_dir_of

DATABASE = "tanbi"
ADMIN_ROLE = "postgres"
APP_ROLE = "tanbi"

# Crash recovery reads up to max_wal_size again, on whatever disk there is.
START_SECONDS_MAX = 300
STOP_SECONDS_MAX = 60
# How long the children of a postmaster that was killed may take to notice: a busy one finishes its statement first.
ORPHAN_SECONDS_MAX = 30
POLL_SECONDS = 0.05
LOG_BYTES_MAX = 16 * 1024 * 1024

# terse: a DETAIL line would carry rows, and with them what residents own, into the log.
SERVER_SETTINGS = """\
# Written by Tanbi at each start: change it in service/embedded.py, or by ALTER SYSTEM.
listen_addresses = ''
port = {port}
unix_socket_directories = '{socket_dir}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 256MB
fsync = on
synchronous_commit = on
full_page_writes = on
max_wal_size = 4GB
checkpoint_timeout = 15min
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
log_error_verbosity = terse
"""

PROVISION_SQL = f"""\
SELECT 'CREATE ROLE {APP_ROLE} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{APP_ROLE}') \\gexec
SELECT 'CREATE DATABASE {DATABASE}'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec
"""  # noqa: S608 - constants of this module

# What a server says that needs only patience. LC_ALL=C keeps it in English.
NOT_YET_READY = ("is starting up", "is shutting down", "is in recovery mode", "not yet accepting connections")


class EmbeddedPostgres:
    """One process's use of the server whose cluster lives in `data_dir`/postgres.

    The first user starts the server, later ones attach, the last one out stops it. It survives the death of any of
    them. `start()` may be called again at any time, also after the postmaster died. A fork is no user of its own.
    Blocking: call it before the event loop runs, or in a thread. Raises EmbeddedPostgresError.
    """

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.cluster_dir = self.data_dir / "postgres"
        self.log_path = self.data_dir / "postgres.log"
        self.socket_dir = socket_dir_of(self.cluster_dir)
        self._user: ServerUser | None = None
        self._users_fd: int | None = None
        self._users_pid = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def admin_url(self, database: str = DATABASE) -> str:
        """SQLAlchemy URL (asyncpg) of the superuser: migrations, tests, templates; never the service's own."""
        return self._url(ADMIN_ROLE, database)

    def app_url(self, database: str = DATABASE) -> str:
        """SQLAlchemy URL (asyncpg) of the role the service works as: it owns nothing and is no superuser."""
        return self._url(APP_ROLE, database)

    @property
    def postmaster_pid(self) -> int | None:
        """The pid of the running server's first process; None when none runs."""
        pid = recorded_pid(self.cluster_dir / "postmaster.pid")
        return pid if pid is not None and self._is_our_postmaster(pid) else None

    def start(self) -> None:
        """Start the server or attach to it; return when it answers and has its role and database."""
        with self._explained():
            self._user = server_user(self.cluster_dir)
            self._prepare_data_dir()
            with self._gate() as gate_fd:
                try:
                    self._join()
                    self._ensure_cluster(gate_fd)
                    self._ensure_ready()
                except BaseException:
                    self._leave()
                    raise

    def stop(self) -> None:
        """End this process's use; stop the server if nobody else uses it."""
        # A forked worker may unwind through the `with` it was born in: the server is not the worker's to stop.
        if self._users_fd is None or self._users_pid != os.getpid():
            return
        with self._explained(), self._gate():
            self._leave()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            advice = f" Run as the user that owns {self.data_dir}." if isinstance(error, PermissionError) else ""
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL in {self.data_dir} cannot be used: {error}.{advice}"
            ) from error

    def _prepare_data_dir(self) -> None:
        if re.search(r'["$`\\\n]', str(self.data_dir)):
            # pg_ctl pastes it into a shell's command line.
            raise EmbeddedPostgresError(f'The data directory {self.data_dir} must not have " $ ` or \\ in its path.')
        if not self.data_dir.is_dir():
            self.data_dir.mkdir(parents=True)
            # The server's user must pass through, and needs to see nothing.
            self.data_dir.chmod(0o711 if self._user else 0o700)
        if self._user:
            advice_by_path = {
                bin_dir() / "postgres": "install Tanbi where every user can go, such as /opt/tanbi",
                self.cluster_dir: "choose a data directory such as --data /srv/tanbi",
            }
            self._user = able_to_reach(self._user, advice_by_path)

    # Who uses it, and what runs

    def _open(self, name: str, flags: int) -> int:
        # NOFOLLOW: root may be writing into a directory that belongs to someone else.
        return os.open(self.data_dir / name, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    @contextlib.contextmanager
    def _gate(self) -> Iterator[int]:
        """Hold the lock of whoever starts or stops the server."""
        fd = self._open("postgres.lock", os.O_RDWR)
        deadline = time.monotonic() + START_SECONDS_MAX + STOP_SECONDS_MAX
        try:
            while not _try_lock(fd, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise EmbeddedPostgresError(
                        f"Another process has been starting or stopping the server in {self.data_dir} for too long."
                    )
                time.sleep(POLL_SECONDS)
            yield fd
        finally:
            os.close(fd)

    def _join(self) -> None:
        """Become a user of the server, with the gate held."""
        if self._users_fd is not None and self._users_pid == os.getpid():
            return
        self._users_fd, self._users_pid = self._open("postgres.users", os.O_RDWR), os.getpid()
        if not _try_lock(self._users_fd, fcntl.LOCK_SH):
            raise EmbeddedPostgresError(f"{self.data_dir / 'postgres.users'} is locked by a program that is not Tanbi.")

    def _leave(self) -> None:
        """Give up this process's use, with the gate held, so that nobody joins between the question and the stop."""
        fd, self._users_fd = self._users_fd, None
        if fd is None:
            return
        try:
            if _try_lock(fd, fcntl.LOCK_EX):
                self._stop_server()
                if self.socket_dir != self.cluster_dir:
                    shutil.rmtree(self.socket_dir, ignore_errors=True)
        finally:
            # Unlocked by name: closing alone would leave the lock with forked workers, who share it.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _is_our_postmaster(self, pid: int) -> bool:
        # By command line where there is a /proc (a child changes its own): after a crash the pid may be anyone's.
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return not Path("/proc/self").exists() and is_alive(pid)
        return arguments[0].endswith(b"/postgres") and os.fsencode(self.cluster_dir) in arguments

    # Making and starting

    def _ensure_cluster(self, gate_fd: int) -> None:
        try:
            major = (self.cluster_dir / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            self._initialise(gate_fd)
            return
        if major != POSTGRES_MAJOR:
            raise EmbeddedPostgresError(
                f"{self.cluster_dir} was made by PostgreSQL {major}; this version of Tanbi runs {POSTGRES_MAJOR}. "
                f"Dump it with PostgreSQL {major} and restore it into a new data directory."
            )

    def _initialise(self, gate_fd: int) -> None:
        # Made beside and renamed: an initdb that was killed leaves no half cluster to start from.
        new_dir = self.data_dir / "postgres.new"
        if new_dir.exists():
            shutil.rmtree(new_dir)
        new_dir.mkdir(mode=0o700)
        if self._user:
            os.chown(new_dir, self._user.uid, self._user.gid)
        self._initdb(new_dir, gate_fd)
        with (new_dir / "postgresql.conf").open("a") as conf:
            conf.write("\n# Tanbi's settings, beside the cluster\ninclude '../postgres.conf'\n")
            conf.flush()
            os.fsync(conf.fileno())
        new_dir.rename(self.cluster_dir)
        # A rename that a power cut takes back would leave a full cluster under the name that is thrown away.
        fd = os.open(self.data_dir, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _initdb(self, cluster_dir: Path, gate_fd: int) -> None:
        # C.UTF-8 of PostgreSQL itself: byte order, and the same answers on every system library.
        # The gate's fd goes along: should this process die, nobody gets through the gate while initdb still writes.
        done = run(
            self._user,
            "initdb",
            f"--pgdata={cluster_dir}",
            f"--username={ADMIN_ROLE}",
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            # A new segment is filled with zeros by whoever needs it, while all commits wait: 50 ms for the usual 16 MB.
            "--wal-segsize=2",
            "--no-instructions",
            pass_fds=(gate_fd,),
        )
        if done.returncode != 0:
            raise EmbeddedPostgresError(
                f"initdb could not make {self.cluster_dir}:\n{last_lines(done.stdout + done.stderr)}"
            )

    def _ensure_ready(self) -> None:
        began = time.monotonic()
        while True:
            seconds_max = START_SECONDS_MAX
            if is_listening(self.socket_dir):
                done = run(None, "psql", *self._psql_arguments(), text=PROVISION_SQL)
                if done.returncode == 0:
                    return
                trouble = last_lines(done.stderr)
                # One that is coming up or going down, or was killed just now, is tried again.
                if not any(word in trouble for word in NOT_YET_READY) and is_listening(self.socket_dir):
                    seconds_max = 0
            elif self._launch():
                trouble = "It ends as soon as it has started."
            else:
                trouble = "Processes of a server that was killed still work on the cluster: wait for them, or end them."
                seconds_max = ORPHAN_SECONDS_MAX
            if time.monotonic() - began > seconds_max:
                raise EmbeddedPostgresError(
                    f"The embedded PostgreSQL in {self.data_dir} does not answer. {trouble}\nIts log: {self.log_path}"
                )
            time.sleep(POLL_SECONDS)

    def _psql_arguments(self) -> list[str]:
        where = [f"--host={self.socket_dir}", f"--port={PORT}", f"--username={ADMIN_ROLE}", "--dbname=postgres"]
        return ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *where]

    def _launch(self) -> bool:
        """Start the server; False, and nothing done, while a process of an earlier one is left."""
        server_fd = self._open("postgres.server", os.O_RDWR)
        try:
            if not _try_lock(server_fd, fcntl.LOCK_EX):
                return False
            if self.socket_dir != self.cluster_dir:
                prepare_socket_dir(self.socket_dir, self._user)
            self._write_settings()
            self._prepare_log()
            self._forget_stale_pids()
            log_bytes_before = self.log_path.stat().st_size
            # pg_ctl gives the postmaster a session of its own, so that Ctrl-C in our terminal is not its end.
            done = self._pg_ctl("start", START_SECONDS_MAX, f"--log={self.log_path}", pass_fds=(server_fd,))
        finally:
            os.close(server_fd)  # not unlocked: the server keeps its share
        if done.returncode != 0:
            with self.log_path.open("rb") as log:
                log.seek(log_bytes_before)
                said = log.read().decode(errors="replace") or done.stderr
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL did not start. The end of {self.log_path}:\n{last_lines(said)}"
            )
        return True

    def _pg_ctl(
        self, action: str, seconds: int, *arguments: str, pass_fds: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        wait = ("--silent", "--wait", f"--timeout={seconds}", f"--pgdata={self.cluster_dir}")
        return run(self._user, "pg_ctl", action, *wait, *arguments, pass_fds=pass_fds)

    def _write_settings(self) -> None:
        with os.fdopen(self._open("postgres.conf.new", os.O_WRONLY | os.O_TRUNC), "w") as conf:
            os.fchmod(conf.fileno(), 0o644)
            conf.write(SERVER_SETTINGS.format(port=PORT, socket_dir=self.socket_dir))
        (self.data_dir / "postgres.conf.new").replace(self.data_dir / "postgres.conf")

    def _prepare_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.log_path.stat().st_size > LOG_BYTES_MAX:
                self.log_path.replace(self.data_dir / "postgres.log.1")
        fd = self._open(self.log_path.name, os.O_WRONLY | os.O_APPEND)
        if self._user:
            os.fchown(fd, self._user.uid, self._user.gid)
        os.close(fd)

    def _forget_stale_pids(self) -> None:
        # PostgreSQL takes a recorded pid that is alive for a running server, for ever. But it may be another program's
        # by now (after a crash, above all of a container), or be dead and not yet reaped.
        for path in (self.cluster_dir / "postmaster.pid", self.socket_dir / f".s.PGSQL.{PORT}.lock"):
            pid = recorded_pid(path)
            if pid is not None and is_alive(pid) and not self._is_our_postmaster(pid):
                path.unlink(missing_ok=True)

    def _stop_server(self) -> None:
        for mode in ("fast", "immediate"):
            if self.postmaster_pid is None:
                return
            if self._pg_ctl("stop", STOP_SECONDS_MAX, f"--mode={mode}").returncode == 0:
                return
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL (process {self.postmaster_pid}) does not stop. Its log is {self.log_path}."
        )

    def _url(self, role: str, database: str) -> str:
        # The port is named, or asyncpg would take PGPORT. The socket's directory has nothing that needs quoting.
        return f"postgresql+asyncpg://{role}@/{quote(database, safe='')}?host={self.socket_dir}&port={PORT}"


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
