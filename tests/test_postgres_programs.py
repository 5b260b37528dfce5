"""Whom root has the server run as, and how it comes to where that user may not go: real users, real capabilities."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedPostgres
from service.postgres_programs import SERVER_USER, EmbeddedPostgresError, bin_dir, server_user
from tests.embedded import REPOSITORY, answers, command, enterable_directory, said_pid, user_of

needs_linux = pytest.mark.skipif(shutil.which("setpriv") is None, reason="capabilities are Linux's")
# Such as a clone in root's home, where every server of these tests needs the capability.
needs_open_checkout = pytest.mark.skipif(
    not all(directory.stat().st_mode & 0o001 for directory in bin_dir().parents),
    reason="this checkout is closed to other users",
)
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")

NORMAL_USER = """
    import os, pwd, sys
    from pathlib import Path
    import service.embedded
    user = pwd.getpwnam(sys.argv[2])
    os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
    with service.embedded.EmbeddedPostgres(Path(sys.argv[1])) as postgres:
        print(postgres.postmaster_pid is not None, flush=True)
"""


REFUSED_USER = """
    import sys
    from pathlib import Path
    from service.embedded import EmbeddedPostgres
    from service.postgres_programs import EmbeddedPostgresError
    try:
        EmbeddedPostgres(Path(sys.argv[1])).start()
    except EmbeddedPostgresError as error:
        print(error)
"""

# Bits of the sets in /proc/<pid>/status, by number in linux/capability.h.
DAC_OVERRIDE, DAC_READ_SEARCH = 1 << 1, 1 << 2


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with enterable_directory() as directory:
        yield directory / "data"


@pytest.fixture
def closed_dir() -> Iterator[Path]:
    """What `mktemp -d` makes: for its owner, root, alone."""
    with enterable_directory() as directory:
        directory.chmod(0o700)
        yield directory


def status_of(pid: int | None) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def capabilities_of(pid: int | None) -> set[int]:
    """Every set but the bounding one, which gives nothing by itself."""
    status = status_of(pid)
    return {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}


def root_without(*capabilities: str) -> list[str]:
    """What to put before a command that is to be root without these, as in a container."""
    withheld = ",".join(f"-{capability}" for capability in capabilities)
    return ["setpriv", f"--bounding-set={withheld}", f"--inh-caps={withheld}", "--"]


def mode_of(directory: Path) -> int:
    return directory.stat().st_mode & 0o7777


@needs_linux
async def test_a_data_directory_for_root_alone_is_used_as_it_is(closed_dir: Path) -> None:
    with EmbeddedPostgres(closed_dir) as postgres:
        assert await answers(postgres)
        assert mode_of(closed_dir) == 0o700
    assert postgres.postmaster_pid is None
    with postgres:
        assert await answers(postgres)


@needs_linux
async def test_a_data_directory_below_one_for_root_alone_is_made_and_used(closed_dir: Path) -> None:
    with EmbeddedPostgres(closed_dir / "some" / "data") as postgres:
        assert await answers(postgres)
        assert mode_of(closed_dir) == 0o700


@needs_linux
def test_the_server_gets_no_capability_but_the_one_to_search_and_read(closed_dir: Path) -> None:
    with EmbeddedPostgres(closed_dir) as postgres:
        status = status_of(postgres.postmaster_pid)
        assert capabilities_of(postgres.postmaster_pid) == {DAC_READ_SEARCH}
    user = server_user(closed_dir / "postgres")
    assert user is not None
    assert user.uid != 0
    assert status["Uid"].split() == [str(user.uid)] * 4
    assert status["Gid"].split() == [str(user.gid)] * 4
    assert status["Groups"] == ""
    assert status["NoNewPrivs"] == "1"


@needs_open_checkout
@needs_linux
def test_where_every_directory_can_be_entered_the_server_gets_no_capability(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as postgres:
        assert capabilities_of(postgres.postmaster_pid) == {0}


@needs_linux
def test_programs_installed_where_only_root_can_go_are_run_all_the_same(data_dir: Path, closed_dir: Path) -> None:
    installed = bin_dir().parent
    package = closed_dir / installed.parent.name
    shutil.copytree(installed, package / installed.name, symlinks=True)
    (package / "__init__.py").touch()
    libraries = installed.parent.with_suffix(".libs")
    shutil.copytree(libraries, closed_dir / libraries.name)
    with user_of(data_dir, PYTHONPATH=str(closed_dir)) as user:
        pid = said_pid(user)
        assert Path(f"/proc/{pid}/exe").readlink().is_relative_to(closed_dir)
        assert capabilities_of(pid) == {DAC_READ_SEARCH}


def without(capabilities: str) -> list[str]:
    """What to put before a command that is to be root without these, as in a container."""
    return ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}", "--"]


@needs_linux
def test_in_a_container_that_withholds_the_smaller_capability_the_larger_does(closed_dir: Path) -> None:
    with user_of(closed_dir, before=root_without("dac_read_search")) as user:
        assert capabilities_of(said_pid(user)) == {DAC_OVERRIDE}


REFUSAL = (
    r"who cannot enter {closed} \(mode 0700\) on the way to {closed}/data/postgres and cannot be let through "
    r"\({why}\): choose a data directory such as --data /srv/tanbi, or run as a normal user\."
)


@needs_open_checkout
@needs_linux
def test_where_both_capabilities_are_withheld_the_directory_is_named_with_what_to_do(closed_dir: Path) -> None:
    done = subprocess.run(
        [*root_without("dac_read_search", "dac_override"), *command(REFUSED_USER, closed_dir / "data")],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=True,
    )
    assert re.search(REFUSAL.format(closed=closed_dir, why="setpriv: .+"), done.stdout)


@needs_open_checkout
def test_without_setpriv_the_directory_is_named_with_what_to_do(
    closed_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_user(closed_dir)  # makes the user, where no test before did
    monkeypatch.setenv("PATH", "")
    why = "setpriv, of util-linux, is not installed"
    with pytest.raises(EmbeddedPostgresError, match=REFUSAL.format(closed=closed_dir, why=why)):
        EmbeddedPostgres(closed_dir / "data").start()


@needs_open_checkout
def test_it_works_as_a_normal_user_too(data_dir: Path) -> None:
    server_user(data_dir)  # makes the user, where no test before did
    data_dir.mkdir()
    shutil.chown(data_dir, SERVER_USER)
    done = subprocess.run(
        command(NORMAL_USER, data_dir, SERVER_USER), capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")
