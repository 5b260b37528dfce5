"""Calls of the reference client in C, by way of client_check.c."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from hypothesis import settings

from tests.schemas.signing import patiently

# Each example is a program that is started.
few = settings(patiently, max_examples=10)


def hex_of(field: bytes | str | int) -> str:
    data = field if isinstance(field, bytes) else str(field).encode()
    return data.hex() or "-"


class Check:
    """client_check.c, which calls the library as it is told."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def __call__(self, commands: Sequence[Sequence[bytes | str | int]]) -> list[list[str]]:
        said = "".join(" ".join(map(hex_of, command)) + "\n" for command in commands)
        done = subprocess.run([self._program], input=said, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return [line.split() for line in done.stdout.splitlines()]

    def one(self, *command: bytes | str | int) -> list[str]:
        [answer] = self([command])
        return answer

    def written(self, *command: bytes | str | int) -> bytes:
        """What was written into a buffer that was just large enough; every smaller one was refused."""
        result, data = self.one(*command)
        assert result == "ok"
        return bytes.fromhex(data.strip("-"))
