"""Rows that were read once and are wanted again: on disk, since there may be very many."""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO

from service.indicator.importing.sheet import SheetRow


class KeptRows:
    """In the order they are kept, so many at a time as they came. Blocks: for a thread."""

    def __init__(self) -> None:
        # Nobody else can open it, so nobody else has written what is unpickled.
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="tanbi-rows-")  # noqa: SIM115  # closed by __exit__
        self._chunks = 0

    def __enter__(self) -> "KeptRows":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._file.close()

    def keep(self, rows: Sequence[SheetRow]) -> None:
        pickle.dump(rows, self._file, pickle.HIGHEST_PROTOCOL)
        self._chunks += 1

    def __iter__(self) -> Iterator[list[SheetRow]]:
        self._file.seek(0)
        for _ in range(self._chunks):
            yield pickle.load(self._file)  # noqa: S301
