import logging
from pathlib import Path

import pytest

from service.demo.logs import logs_kept_in


def test_the_log_goes_to_a_private_file_and_its_lines_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "demo.log"
    root = logging.getLogger()
    before = root.handlers[:]
    with logs_kept_in(path) as kept:
        logging.getLogger("service.somewhere").warning("the database went away")
    assert root.handlers == before
    assert kept.lines == 1
    assert "WARNING service.somewhere: the database went away" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr() == ("", "")


def test_nothing_logged_leaves_no_file(tmp_path: Path) -> None:
    with logs_kept_in(tmp_path / "demo.log"):
        pass
    assert list(tmp_path.iterdir()) == []
