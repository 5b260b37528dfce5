"""Where the embedded server's socket is, and whether anybody listens on it."""

import contextlib
import hashlib
import os
import re
import socket
from pathlib import Path

from service.postgres_programs import EmbeddedPostgresError, ServerUser

PORT = 5432
# The kernel takes 107 bytes (Linux) or 103 (macOS) for a socket's path.
PATH_BYTES_MAX = 100


def socket_dir_of(cluster_dir: Path) -> Path:
    """In the cluster where the path is short and plain enough for sockets and URLs; else in /tmp, by hash of the path.

    /tmp itself and not TMPDIR: two processes must come to the same answer.
    """
    path = str(cluster_dir / f".s.PGSQL.{PORT}")
    if len(os.fsencode(path)) <= PATH_BYTES_MAX and re.fullmatch(r"[A-Za-z0-9._/-]+", path):
        return cluster_dir
    return Path("/tmp") / f"tanbi-{hashlib.sha256(os.fsencode(cluster_dir)).hexdigest()[:16]}"  # noqa: S108 - kept 0700


def prepare_socket_dir(directory: Path, user: ServerUser | None) -> None:
    """Make the directory in /tmp for the server's user alone. Raises EmbeddedPostgresError."""
    owner = user.uid if user else os.geteuid()
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        if user:
            os.chown(directory, user.uid, user.gid)
    # The name can be foretold and /tmp is open to all: what somebody else put there is not used.
    status = directory.lstat()
    if status.st_uid != owner or status.st_mode & 0o077:
        raise EmbeddedPostgresError(
            f"The data directory's path is too long (or has unusual characters) for a socket in it, and "
            f"{directory}, to be used instead, belongs to someone else. Remove it or choose a shorter path."
        )


def is_listening(directory: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(directory / f".s.PGSQL.{PORT}"))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except (TimeoutError, BlockingIOError):
            return True  # somebody listens and is busy
        return True
