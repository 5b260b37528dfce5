"""Other processes that use an embedded server, and what its tests ask of one."""

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from service.embedded import EmbeddedPostgres

REPOSITORY = Path(__file__).parent.parent

# Says the postmaster's pid, then uses the server until its standard input ends.
USER = """
    import sys
    from pathlib import Path
    from service.embedded import EmbeddedPostgres
    with EmbeddedPostgres(Path(sys.argv[1])) as postgres:
        print(postgres.postmaster_pid, flush=True)
        sys.stdin.read()
"""


@contextmanager
def enterable_directory() -> Iterator[Path]:
    """A new directory that the server's user may pass through (pytest's tmp_path, as root, is for root only)."""
    directory = Path(tempfile.mkdtemp(prefix="tanbi-test-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        for pid_file in directory.rglob("postgres/postmaster.pid"):
            with EmbeddedPostgres(pid_file.parent.parent):
                pass  # the last one out stops it
        shutil.rmtree(directory)


def command(script: str, *arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", "-c", textwrap.dedent(script), *map(str, arguments)]


@contextmanager
def user_of(data_dir: Path, before: Sequence[str] = (), **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server until it is told to end by the end of this block.

    Its command comes after `before`, its environment is ours and `environment`.
    """
    process = subprocess.Popen(
        [*before, *command(USER, data_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | environment,
    )
    with process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def said_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def runs(pid: int) -> bool:
    """Whether the process lives; one that only waits for its parent to notice does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def rows(url: str, *statements: str) -> list[tuple[object, ...]]:
    """The rows of the last statement, after the others, in one transaction."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            for statement in statements[:-1]:
                await connection.execute(text(statement))
            return [tuple(row) for row in await connection.execute(text(statements[-1]))]
    finally:
        await engine.dispose()


async def answers(postgres: EmbeddedPostgres) -> bool:
    return await rows(postgres.app_url(), "SELECT 1") == [(1,)]
