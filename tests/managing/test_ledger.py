"""`tanbi volumes rebuild`, as an operator types it."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from service.business_days import business_today
from service.cli import app
from service.db import create_engine, transaction
from service.errors import ValidationFailed
from service.settings import Settings
from service.tables.volumes import volume, volume_month
from tests.folding.drops import commit_drops, drop, fold_all
from tests.managing.conftest import Tanbi


def rebuild(*arguments: str) -> tuple[int, str]:
    """Exit status and what was printed, in one line."""
    done = CliRunner().invoke(app, ["volumes", "rebuild", *arguments])
    return done.exit_code, " ".join(done.output.split())


@pytest.fixture
def city(tanbi: Tanbi, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With 1 250 g of paper, dropped on the first of March 2026."""
    monkeypatch.setenv("TANBI_MIGRATION_DATABASE_URL", settings.migration_database_url or "")
    tanbi("bin", "add", "NK-0001", "--site", "s1")

    async def fill() -> None:
        engine = create_engine(settings)
        await commit_drops(engine, drop())
        await fold_all(engine, settings.model_copy(update={"instance": "a", "fold_interval_seconds": 1e-6}))
        await engine.dispose()

    asyncio.run(fill())
    return settings


def as_owner(settings: Settings, *statements: Any) -> None:
    async def work() -> None:
        engine = create_engine(settings.model_copy(update={"database_url": settings.migration_database_url}))
        async with transaction(engine) as connection:
            for statement in statements:
                await connection.execute(statement)
        await engine.dispose()

    asyncio.run(work())


def test_nothing_to_change_is_said_and_is_status_0(city: Settings) -> None:
    assert rebuild("--since", "2026-03-01") == (
        0,
        "Volumes from 2026-03-01 on are recomputed; in the volumes of sites there was nothing to change.",
    )
    assert rebuild() == (0, "All sums are recomputed; in the volumes of sites there was nothing to change.")


def test_a_day_to_come_is_refused(city: Settings) -> None:
    tomorrow = business_today("Asia/Shanghai") + timedelta(days=1)
    done = CliRunner().invoke(app, ["volumes", "rebuild", "--since", f"{tomorrow}"])
    assert isinstance(done.exception, ValidationFailed)
    assert "is still to come" in str(done.exception)
    assert "还没有到" in str(done.exception.detail_zh)
    assert rebuild("--since", f"{tomorrow - timedelta(days=1)}")[0] == 0


def test_what_differed_is_listed_and_is_status_1(city: Settings) -> None:
    as_owner(
        city,
        sa.update(volume).values(grams=1251, held_drops=2),
        sa.update(volume_month).values(drops=0),
        sa.insert(volume).values(
            day=date(2026, 3, 7), site_id="s9", material_id="glass", source="bin", grams=4000, drops=2
        ),
    )
    status, said = rebuild("--since", "2026-03-01")
    assert status == 1
    assert "│ 2026-03 │ s1 │ paper │ bin │ 1,250 g, 0 drops │ 1,250 g, 1 drops │" in said
    assert "│ 2026-03-01 │ s1 │ paper │ bin │ 1,251 g, 1 drops; held 0 g, 2 drops │ 1,250 g, 1 drops │" in said
    assert "│ 2026-03-07 │ s9 │ glass │ bin │ 4,000 g, 2 drops │ nothing │" in said
    assert said.endswith("3 rows of volumes were not what the events add up to, and are mended.")
    assert rebuild("--since", "2026-03-01")[0] == 0


def test_of_many_the_first_twenty_are_shown(city: Settings) -> None:
    as_owner(
        city,
        sa.text(
            "INSERT INTO volume (day, site_id, material_id, source, grams, drops)"
            " SELECT date '2026-04-01' + n, 's1', 'paper', 'bin', 1, 1 FROM generate_series(1, 25) AS n"
        ),
    )
    status, said = rebuild()
    assert status == 1
    assert said.count("1 g, 1 drops") == 20
    assert said.endswith(
        "; 25 rows of volumes were not what the events add up to, and are mended. Shown are the first 20."
    )


def test_days_before_the_one_asked_for_are_left(city: Settings) -> None:
    as_owner(city, sa.update(volume).values(grams=1251))
    assert rebuild("--since", "2026-03-02")[0] == 0
    assert rebuild("--since", "2026-03-01")[0] == 1


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30", "1969-12-31", "2026-03-01T00:00", "\uff12026-03-01"])
def test_what_is_no_day_is_refused(city: Settings, text: str) -> None:
    status, said = rebuild("--since", text)
    assert status == 2
    assert "is no day such as 2027-01-31" in said
