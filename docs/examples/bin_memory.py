"""What a bin keeps through a power cut: its name and key, its count, and the events that wait. Of bin.py."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple


class Kept(NamedTuple):
    """An event that waits: `body` is what is sent, to the byte, however often."""

    sequence: int
    path: str
    body: bytes


class Memory:
    """What survives a power cut; to be used by one thread that weighs and one that sends.

    AUTOINCREMENT never gives a number twice, also of a row that was forgotten.
    """

    def __init__(self, path: str | Path) -> None:
        self._lock = threading.Lock()
        if path != ":memory:":
            Path(path).touch(mode=0o600)  # it will have the secret in it
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # Each commit is on the disk before it returns, and no second process numbers events here.
        self._db.executescript(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
            "CREATE TABLE IF NOT EXISTS event (sequence INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL,"
            " body BLOB NOT NULL, refused TEXT);"
            "CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
        )

    def facts(self) -> dict[str, str]:
        with self._lock:
            return dict(self._db.execute("SELECT name, value FROM fact").fetchall())

    def learn(self, **facts: str | None) -> None:
        """All of these or none; what is None is forgotten."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for name, value in facts.items():
                self._db.execute("DELETE FROM fact WHERE name = ?", (name,))
                if value is not None:
                    self._db.execute("INSERT INTO fact VALUES (?, ?)", (name, value))

    def count_from(self, sequence: int) -> None:
        """The next event has this number, or a higher one where this memory has counted further."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR IGNORE INTO event (sequence, path, body) VALUES (?, '', '')", (sequence,))
            self._db.execute("DELETE FROM event WHERE path = ''")

    def keep(self, path: str, write: Callable[[int], bytes]) -> Kept:
        """A new event, written by `write` once it has its number: both or neither."""
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            sequence = self._db.execute("INSERT INTO event (path, body) VALUES (?, '')", (path,)).lastrowid or 0
            kept = Kept(sequence, path, write(sequence))
            self._db.execute("UPDATE event SET body = ? WHERE sequence = ?", (kept.body, sequence))
        return kept

    def waiting(self, count_max: int) -> list[Kept]:
        """The oldest first, so that nothing is late that need not be; all of them for one path."""
        query = "SELECT sequence, path, body FROM event WHERE refused IS NULL ORDER BY sequence LIMIT ?"
        with self._lock:
            found = [Kept(*row) for row in self._db.execute(query, (count_max,))]
        return list(takewhile(lambda kept: kept.path == found[0].path, found))

    def forget(self, events: Sequence[Kept]) -> None:
        between = (events[0].sequence, events[-1].sequence)
        with self._lock:
            self._db.execute("DELETE FROM event WHERE sequence BETWEEN ? AND ? AND refused IS NULL", between)

    def set_aside(self, event: Kept, why: str) -> None:
        """Kept for the technician, and in nobody's way."""
        with self._lock:
            self._db.execute("UPDATE event SET refused = ? WHERE sequence = ?", (why, event.sequence))

    def close(self) -> None:
        self._db.close()
