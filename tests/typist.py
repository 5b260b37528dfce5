"""Types commands of `tanbi`: each a process of its own, but born of one that has read all of Tanbi once.

An interpreter reads Tanbi for two seconds of CPU before it begins with a command. Here that is done once; what follows,
from the arguments to the exit code, is a process's as ever. A test that needs the start itself runs `tanbi`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

REPOSITORY = Path(__file__).parent.parent


class Typist:
    """Whoever types; blocking."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TANBI_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.typist"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env=environment,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # At the end of what is typed it ends.
        self._process.communicate()

    def type(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `tanbi` with these arguments to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as directory:
            paths = Path(directory, "stdout"), Path(directory, "stderr")
            print(json.dumps([arguments, *map(str, paths)]), file=self._process.stdin, flush=True)
            exit_code = int(self._process.stdout.readline())
            said, complained = (path.read_text() for path in paths)
        return subprocess.CompletedProcess(["tanbi", *arguments], exit_code, said, complained)


def _take_dictation() -> None:
    """A line is the arguments and where stdout and stderr go; it is answered with the exit code."""
    from service.cli import main

    for line in sys.stdin:
        arguments, *paths = json.loads(line)
        pid = os.fork()
        if pid == 0:
            sys.argv = ["tanbi", *arguments]
            with _typed_into(*paths):
                main()
            return
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


@contextmanager
def _typed_into(stdout: str, stderr: str) -> Iterator[None]:
    """Standard streams as a command has them whose output somebody reads: nothing to ask, and files to write to."""
    with Path(os.devnull).open("rb") as nothing, Path(stdout).open("wb") as said, Path(stderr).open("wb") as complained:
        for number, file in enumerate((nothing, said, complained)):
            os.dup2(file.fileno(), number)
    yield


if __name__ == "__main__":
    _take_dictation()
