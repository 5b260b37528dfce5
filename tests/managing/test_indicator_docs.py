"""The commands of docs/indicator.md, and those of docs/inputs.md for scrap stations, one after the other, on a demo
that was just planted."""

import asyncio
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.api_keys import create_api_key
from service.cli import app
from service.db import create_engine, transaction
from service.demo.planting import plant
from service.secrets import Keyring
from service.settings import Settings
from tests.conftest import SECRET_KEY
from tests.demo.conftest import SIZE, TODAY

DOCS = Path(__file__).parents[2] / "docs"
# In the order in which the page has them.
TOLD = (
    ("record", "12.500 t, version 1"),
    ("rate", "= 0."),
    ("outlook", "2026"),
    ("target set", "新增 new: 43.5 %"),
    ("target list", "区规划"),
    ("target set", "撤回 withdrawal: 43.5 % → 已撤回 withdrawn"),
    ("propose", "indicator publish"),
    ("publish", "as publication 4"),
    ("recompute", "is reproduced to the last digit"),
)
TOLD_OF_STATIONS = (
    ("station add", "自 2026-01 起填报"),
    ("key create", '"role": "station"'),
    ("station list", "NK-S-01 │ 学府废品站"),
    ("station close", "填报至 2026-06 为止"),
)


def commands(page: str) -> list[list[str]]:
    """Those of its blocks that begin with a command."""
    blocks = re.findall(r"```sh\n(tanbi .*?)```", (DOCS / page).read_text(), flags=re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [line[1:] for line in lines if line]


async def plant_demo(settings: Settings) -> list[str]:
    """Keys of two operators."""
    engine = create_engine(settings.model_copy(update={"database_url": settings.migration_database_url}))
    async with transaction(engine) as connection:
        await plant(connection, Keyring.of(settings), SIZE, None, today=TODAY, zone=settings.business_timezone)
        keys = [await create_api_key(connection, role="operator", name=name) for name in ("李工", "王工")]
    await engine.dispose()
    return keys


def test_the_commands_of_the_page_work_one_after_the_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    li, wang = asyncio.run(plant_demo(settings))
    monkeypatch.setenv("TANBI_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("TANBI_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("TANBI_OPERATOR_KEY", li)
    monkeypatch.chdir(tmp_path)
    Path("other-operators-key").write_text(wang)
    Path("回收量月报-2025-03.pdf").write_bytes(b"a report")
    proposal = ""
    for arguments, (command, told) in zip(commands("indicator.md"), TOLD, strict=True):
        assert arguments[: 1 + len(command.split())] == ["indicator", *command.split()]
        done = CliRunner().invoke(app, [proposal if each == "ID" else each for each in arguments])
        shown = " ".join(done.output.split())
        assert (done.exit_code, told in shown) == (0, True), (arguments, shown, done.exception)
        proposed = re.search(r"indicator publish (\S+?)`", shown)
        proposal = proposed[1] if proposed is not None else proposal


def test_a_scrap_station_is_set_up_on_a_demo_as_its_page_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(plant_demo(settings))
    monkeypatch.setenv("TANBI_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("TANBI_SECRET_KEY", SECRET_KEY)
    for arguments, (command, told) in zip(commands("inputs.md"), TOLD_OF_STATIONS, strict=True):
        assert arguments[:2] == command.split()
        done = CliRunner().invoke(app, arguments)
        shown = " ".join(done.output.split())
        assert (done.exit_code, told in shown) == (0, True), (arguments, shown, done.exception)
