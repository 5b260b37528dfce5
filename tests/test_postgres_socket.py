"""Where the embedded server's socket is when the data directory is no place for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import EmbeddedPostgres
from service.postgres_programs import EmbeddedPostgresError
from tests.embedded import answers, enterable_directory


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with enterable_directory() as directory:
        yield directory / "data"


@pytest.mark.parametrize("name", ["d" * 100, "南开 区, 1"], ids=["long", "unusual"])
async def test_a_path_unfit_for_sockets_gets_a_private_directory_for_them(data_dir: Path, name: str) -> None:
    with EmbeddedPostgres(data_dir / name) as postgres:
        assert postgres.socket_dir.parent == Path("/tmp")  # noqa: S108 - where it is to be
        assert postgres.socket_dir.stat().st_mode & 0o777 == 0o700
        assert EmbeddedPostgres(data_dir / name).app_url() == postgres.app_url()
        assert await answers(postgres)
    assert not postgres.socket_dir.exists()


def test_a_socket_directory_that_someone_else_made_is_not_used(data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir / ("d" * 100))
    postgres.socket_dir.symlink_to(data_dir.parent)
    try:
        with pytest.raises(EmbeddedPostgresError, match=r"belongs to someone else. Remove it or choose a shorter path"):
            postgres.start()
    finally:
        postgres.socket_dir.unlink()
