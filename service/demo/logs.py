"""The log goes to a file while a panel is on the terminal: a line in the middle of it would tear it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

BYTES_MAX: Final = 4 * 1024 * 1024
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class KeptLog(RotatingFileHandler):
    """A file that only its owner can read; counts its lines, so that the panel can say there are some."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=BYTES_MAX, backupCount=1, encoding="utf-8", delay=True)
        self.setFormatter(logging.Formatter(FORMAT))
        self.lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1
        super().emit(record)

    def _open(self):  # type: ignore[no-untyped-def]
        stream = super()._open()
        os.fchmod(stream.fileno(), 0o600)
        return stream


@contextmanager
def logs_kept_in(path: Path) -> Iterator[KeptLog]:
    """All that is logged in this block goes to the file, and nothing to the terminal."""
    root = logging.getLogger()
    before = root.handlers[:]
    kept = KeptLog(path)
    root.handlers[:] = [kept]
    try:
        yield kept
    finally:
        root.handlers[:] = before
        kept.close()
