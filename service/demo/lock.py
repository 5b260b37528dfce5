"""One demo at a time on a data directory: two fleets would share the wallets, and demo.json names one address.

A locked file with the address of whoever has the lock. The kernel drops the lock with the process, so that no `kill -9`
needs cleaning up; the file stays.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from service.demo.planting import CannotRun

NAME: Final = "demo.lock"
ADDRESS_BYTES_MAX: Final = 1024


class RunningLock:
    """The lock of one data directory, from `take` to the end of the block."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._fd: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def take(self, *, create: bool) -> None:
        """Have the lock from now on, if it is not ours yet; without `create` only where the file is there.

        Where it is not, no demo has come far enough to change anything. Raises CannotRun where another one has it.
        """
        if self._fd is not None:
            return
        path = self._data_dir / NAME
        # NOFOLLOW: root may be writing into a directory that belongs to someone else.
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT if create else 0)
        try:
            fd = os.open(path, flags, 0o600)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not create:
                return
            raise CannotRun(f"{path} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            base_url = os.pread(fd, ADDRESS_BYTES_MAX, 0).decode().strip()
            os.close(fd)
            raise CannotRun(_refusal(self._data_dir, base_url)) from None
        self._fd = fd
        # The address of an earlier run is nobody's now.
        os.ftruncate(fd, 0)

    def announce(self, base_url: str) -> None:
        """Whoever is refused from now on is told this address; nobody is, while the lock is not taken."""
        if self._fd is not None:
            os.pwrite(self._fd, f"{base_url}\n".encode(), 0)


def _refusal(data_dir: Path, base_url: str) -> str:
    where = f"already, at {base_url}" if base_url else "already; it has only begun to start"
    return f"A demo runs on {data_dir} {where}. Use that one, stop it, or name another directory with --data."
