"""The reference client in C, built as a reader would build it and so that it notices its own faults."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "examples"
LIBRARY = [EXAMPLES / f"bin_{name}.c" for name in ("events", "client", "writer", "answer", "sha256")]
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

# In CI a missing compiler is a failure of the set-up, not a reason to look at nothing.
needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None and os.environ.get("CI") != "true",
    reason="cc is not on the PATH: the client in C is not built",
)


def build(source: Path, into: Path) -> Path:
    """The program of `source` with the library, with sanitizers where the compiler has them."""
    program = into / source.stem
    flags = [*FLAGS, *(SANITIZERS if _has_sanitizers(into) else ["-O2"])]
    _compile([*flags, f"-I{EXAMPLES}", "-o", str(program), str(source), *map(str, LIBRARY)])
    return program


def compile_alone(source: Path, into: Path, *flags: str) -> Path:
    """The object file of one part of the library."""
    object_file = into / f"{source.stem}.o"
    _compile([*FLAGS, *flags, "-c", "-o", str(object_file), str(source)])
    return object_file


def _has_sanitizers(into: Path) -> bool:
    empty = into / "empty.c"
    empty.write_text("int main(void) { return 0; }\n")
    tried = subprocess.run(["cc", *SANITIZERS, "-o", into / "empty", empty], capture_output=True, check=False)  # noqa: S607  # wherever it is
    return tried.returncode == 0 and subprocess.run([into / "empty"], capture_output=True, check=False).returncode == 0


def _compile(arguments: list[str]) -> None:
    done = subprocess.run(["cc", *arguments], capture_output=True, text=True, check=False)  # noqa: S607  # wherever it is
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
