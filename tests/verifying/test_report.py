"""What an operator sees of a verification."""

import asyncio
import io

from rich.console import Console
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings
from service.verifying.report import verify_and_report
from service.verifying.verify import CHECKS
from tests.verifying.city import City
from tests.verifying.damage import as_superuser


async def reported(settings: Settings) -> tuple[bool, str]:
    """In a thread, because it runs a loop of its own."""
    console = Console(file=io.StringIO(), width=200)
    holds = await asyncio.to_thread(verify_and_report, settings, console)
    assert isinstance(console.file, io.StringIO)
    return holds, console.file.getvalue()


async def test_a_sound_city_is_reported_check_by_check(city: City, settings: Settings) -> None:
    holds, text = await reported(settings)
    assert holds
    assert all(check.name in text for check in CHECKS)
    assert "all checks hold" in text


async def test_a_breach_is_reported_with_its_rows_whatever_a_bin_called_its_events(
    city: City, admin_engine: AsyncEngine, settings: Settings
) -> None:
    await as_superuser(
        admin_engine,
        "UPDATE weigh_event SET event_id = '[/red]', site_id = 'nowhere' WHERE event_id = 'unclaimed'",
    )
    holds, text = await reported(settings)
    assert not holds
    assert "bin_id=NK-0002, event_id=[/red], problem=no such site" in text
    assert f"3 of {len(CHECKS)} checks failed" in text
