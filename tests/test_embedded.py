"""The embedded server, real each time: who may use it, who stops it, and what it survives."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from service.embedded import EmbeddedPostgres
from service.postgres_programs import EmbeddedPostgresError, run, server_user
from tests.embedded import REPOSITORY, USER, answers, command, enterable_directory, rows, runs, said_pid, user_of

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")

# The worker unwinds through the `with` as gunicorn's do.
FORKING_USER = """
    import os, sys
    from pathlib import Path
    from service.embedded import EmbeddedPostgres
    with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
        before = postgres.postmaster_pid
        worker = os.fork()
        if not worker:
            sys.exit(0)
        os.waitpid(worker, 0)
        print(before is not None and before == postgres.postmaster_pid, flush=True)
"""

# The worker outlives its master's use.
FORKING_USER_THAT_LEAVES = """
    import os, sys
    from pathlib import Path
    from service.embedded import EmbeddedPostgres
    reading, writing = os.pipe()
    with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
        worker = os.fork()
        if not worker:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    print(postgres.postmaster_pid is None, flush=True)
    with postgres:
        print(postgres.postmaster_pid is not None, flush=True)
    os.close(writing)
    os.waitpid(worker, 0)
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with enterable_directory() as directory:
        yield directory / "data"


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    with enterable_directory() as directory, EmbeddedPostgres(directory / "data") as running:
        yield running


# What it offers


async def test_each_url_connects_as_its_role_to_the_database_it_names(postgres: EmbeddedPostgres) -> None:
    who = "SELECT current_user::text, current_database()::text"
    assert await rows(postgres.app_url(), who) == [("tanbi", "tanbi")]
    assert await rows(postgres.admin_url(), who) == [("postgres", "tanbi")]
    assert await rows(postgres.admin_url("postgres"), who) == [("postgres", "postgres")]


async def test_an_environment_meant_for_another_postgresql_changes_nothing(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "/nowhere", "PGDATABASE": "other", "PGUSER": "other"}.items():
        monkeypatch.setenv(name, value)
    postgres.start()
    assert await answers(postgres)


async def test_the_services_role_is_no_superuser_owns_nothing_and_makes_nothing(postgres: EmbeddedPostgres) -> None:
    rights = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls FROM pg_roles WHERE rolname = 'tanbi'"
    owner = "SELECT datdba::regrole::text FROM pg_database WHERE datname = 'tanbi'"
    assert await rows(postgres.admin_url(), rights) == [(False, False, False, False)]
    assert await rows(postgres.admin_url(), owner) == [("postgres",)]
    with pytest.raises(DBAPIError, match="permission denied for schema public"):
        await rows(postgres.app_url(), "CREATE TABLE own (id int)")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("timezone", "UTC"),
        ("max_connections", "100"),
        ("shared_buffers", "256MB"),
        ("max_wal_size", "4GB"),
        ("checkpoint_timeout", "15min"),
        ("log_min_messages", "warning"),
        ("log_error_verbosity", "terse"),
    ],
)
async def test_the_server_runs_with_our_settings(postgres: EmbeddedPostgres, setting: str, value: str) -> None:
    assert await rows(postgres.app_url(), f"SHOW {setting}") == [(value,)]


async def test_text_sorts_by_its_bytes(postgres: EmbeddedPostgres) -> None:
    in_order = "SELECT string_agg(word, ' ' ORDER BY word) FROM unnest(ARRAY['津', 'é', 'b', 'B', 'a', '1']) AS word"
    assert await rows(postgres.app_url(), in_order) == [("1 B a b é 津",)]


async def test_it_is_postgresql_18(postgres: EmbeddedPostgres) -> None:
    [(version,)] = await rows(postgres.app_url(), "SHOW server_version_num")
    assert str(version).startswith("18")


def test_only_the_servers_user_reaches_the_socket(postgres: EmbeddedPostgres) -> None:
    assert postgres.socket_dir.stat().st_mode & 0o077 == 0
    assert (postgres.socket_dir / ".s.PGSQL.5432").stat().st_mode & 0o077 == 0


def test_ctrl_c_in_the_users_terminal_does_not_reach_the_server(postgres: EmbeddedPostgres) -> None:
    assert postgres.postmaster_pid is not None
    assert os.getsid(postgres.postmaster_pid) != os.getsid(0)


@needs_proc
def test_the_server_does_not_keep_our_secrets_in_its_environment(data_dir: Path) -> None:
    with user_of(data_dir, TANBI_SECRET_KEY="a-secret") as user:
        assert b"a-secret" not in Path(f"/proc/{said_pid(user)}/environ").read_bytes()


def test_using_it_prints_nothing_and_warns_of_nothing(data_dir: Path) -> None:
    script = USER.replace("print(postgres.postmaster_pid, flush=True)", "pass")
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    done = subprocess.run(
        command(script, data_dir), input=b"", capture_output=True, cwd=REPOSITORY, env=environment, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")


# Who stops it


async def test_a_second_process_attaches_and_leaves_the_server_running(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        with user_of(data_dir) as user:
            assert said_pid(user) == postgres.postmaster_pid
        assert user.returncode == 0
        assert await answers(postgres)


def test_the_last_one_out_stops_the_server(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as last:
        with user_of(data_dir) as user:
            pid = said_pid(user)
        assert last.postmaster_pid == pid
    assert not runs(pid)
    last.stop()  # and once more is no error


async def test_a_user_that_was_killed_neither_stops_the_server_nor_keeps_it(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        with user_of(data_dir) as user:
            said_pid(user)
            user.kill()
        assert await answers(postgres)
    assert postgres.postmaster_pid is None


def test_a_command_stops_the_server_that_a_killed_service_left(data_dir: Path) -> None:
    with user_of(data_dir) as service:
        pid = said_pid(service)
        service.kill()
    with EmbeddedPostgres(data_dir) as postgres:
        assert postgres.postmaster_pid == pid
    assert postgres.postmaster_pid is None


def test_a_forked_worker_does_not_stop_its_masters_server(data_dir: Path) -> None:
    done = subprocess.run(command(FORKING_USER, data_dir), capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout == "True\n"
    assert EmbeddedPostgres(data_dir).postmaster_pid is None


def test_a_forked_worker_that_lives_on_keeps_no_lock(data_dir: Path) -> None:
    done = subprocess.run(
        command(FORKING_USER_THAT_LEAVES, data_dir), capture_output=True, text=True, cwd=REPOSITORY, check=True
    )
    assert done.stdout == "True\nTrue\n"


def test_processes_that_start_at_the_same_moment_share_one_server(data_dir: Path) -> None:
    with user_of(data_dir) as one, user_of(data_dir) as two, user_of(data_dir) as three:
        assert said_pid(one) == said_pid(two) == said_pid(three)
    assert EmbeddedPostgres(data_dir).postmaster_pid is None


# What it survives


async def test_after_kill_9_of_the_postmaster_a_start_brings_back_what_was_committed(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        killed = postgres.postmaster_pid
        assert killed is not None
        await rows(postgres.admin_url(), "CREATE TABLE kept AS SELECT 42 AS id", "SELECT 1")
        os.kill(killed, SIGKILL)
        await asyncio.to_thread(postgres.start)
        assert await rows(postgres.admin_url(), "SELECT id FROM kept") == [(42,)]
        assert postgres.postmaster_pid not in (None, killed)


async def test_a_start_waits_for_the_children_of_a_killed_postmaster(data_dir: Path) -> None:
    # A busy backend does not look whether its postmaster lives, and works on until it is done.
    busy = "SELECT count(*) FROM generate_series(1, 15000000) AS busy"
    seen = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%15000000) AS busy'"
    with EmbeddedPostgres(data_dir) as postgres:
        assert postgres.postmaster_pid is not None
        working = asyncio.create_task(rows(postgres.admin_url(), busy))
        while not (found := await rows(postgres.admin_url("postgres"), seen)):
            assert not working.done()
        os.kill(postgres.postmaster_pid, SIGKILL)
        await asyncio.to_thread(postgres.start)
        assert not runs(int(str(found[0][0])))
        assert await answers(postgres)
        await asyncio.wait([working])
        working.exception()


@pytest.fixture
def stranger(data_dir: Path) -> Iterator[int]:
    """The pid of a program that is no server, run by the server's user."""
    user = server_user(data_dir / "postgres")
    with subprocess.Popen([shutil.which("sleep") or "sleep", "600"], user=user.uid if user else None) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_stale_pid_that_is_another_programs_by_now_is_no_server(data_dir: Path, stranger: int) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        killed = postgres.postmaster_pid
        assert killed is not None
        os.kill(killed, SIGKILL)
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            path = postgres.cluster_dir / name
            path.write_text(path.read_text().replace(str(killed), str(stranger), 1))
        postgres.start()
        assert postgres.postmaster_pid not in (None, killed, stranger)
    assert runs(stranger)


def test_an_initdb_that_was_killed_half_way_is_begun_again(data_dir: Path) -> None:
    half = data_dir / "postgres.new" / "base"
    half.mkdir(parents=True)
    data_dir.chmod(0o711)
    with EmbeddedPostgres(data_dir) as postgres:
        assert postgres.postmaster_pid is not None
    assert not half.exists()


def test_a_log_that_has_grown_is_put_aside_at_the_next_start(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        pass
    monkeypatch.setattr("service.embedded.LOG_BYTES_MAX", 10)
    before = postgres.log_path.read_text()
    with postgres:
        assert (data_dir / "postgres.log.1").read_text() == before


# Where it lives


def test_a_path_that_a_shell_would_read_otherwise_is_refused(data_dir: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="must not have"):
        EmbeddedPostgres(data_dir / "$HOME").start()


def test_a_data_directory_that_is_a_file_is_refused(data_dir: Path) -> None:
    data_dir.write_text("")
    with pytest.raises(EmbeddedPostgresError, match="File exists"):
        EmbeddedPostgres(data_dir).start()


def test_a_cluster_of_another_version_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    data_dir.chmod(0o711)
    (data_dir / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 17"):
        EmbeddedPostgres(data_dir).start()


def test_a_start_that_fails_shows_the_end_of_the_log_and_can_be_tried_again(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        pass
    settings = postgres.cluster_dir / "postgresql.auto.conf"
    settings.write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        postgres.start()
    settings.write_text("")
    with EmbeddedPostgres(data_dir) as another:
        assert another.postmaster_pid is not None
    assert another.postmaster_pid is None  # the one that failed does not count as a user


def test_an_interrupt_just_when_a_program_has_ended_stays_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    communicate = subprocess.Popen.communicate
    interrupts = iter((KeyboardInterrupt,))

    def interrupted(self: Any, *arguments: Any, **named: Any) -> Any:
        said = communicate(self, *arguments, **named)
        for interrupt in interrupts:
            raise interrupt
        return said

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(None, "postgres", "--version")
