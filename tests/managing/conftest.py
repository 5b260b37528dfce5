"""A small city, and its operator at the command line."""

import asyncio
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.db import create_engine, transaction
from service.redemption.merchants import add_merchant
from service.settings import Settings
from service.weighing.places import add_area, add_site
from tests.conftest import SECRET_KEY

Tanbi = Callable[..., str]


@pytest.fixture
def tanbi(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Tanbi:
    """Runs a command on a city with the merchant M1 and the site s1; what it prints, or its failure."""
    monkeypatch.setenv("TANBI_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("TANBI_SECRET_KEY", SECRET_KEY)

    async def set_up() -> None:
        engine = create_engine(settings)
        async with transaction(engine) as connection:
            await add_merchant(connection, merchant_id="M1", name="小店", name_en="Shop")
            await add_area(connection, area_id="c", parent_id=None, kind="city", name="天津", name_en="Tianjin")
            await add_site(connection, site_id="s1", area_id="c", kind="community", name="一号", name_en="One")
        await engine.dispose()

    asyncio.run(set_up())

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, list(arguments))
        if done.exception is not None:
            raise done.exception
        return " ".join(done.output.split())

    return run
