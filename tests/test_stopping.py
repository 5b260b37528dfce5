"""SIGTERM while events are on their way: what was accepted is answered, nothing more is taken, the process ends."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from service.db import transaction
from service.settings import Settings
from tests.blocking import until_blocked, wait_until
from tests.conftest import SECRET_KEY
from tests.test_serving import port_of
from tests.world import World, post, weigh_event

EVENTS = 12


@pytest.mark.parametrize("workers", [1, 2])
async def test_what_was_accepted_before_sigterm_is_answered_and_nothing_after_it_is_taken(
    world: World, admin_engine: AsyncEngine, settings: Settings, tmp_path: Path, workers: int
) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TANBI_")},
        "TANBI_DATA_DIR": str(tmp_path),
        "TANBI_DATABASE_URL": settings.database_url or "",
        "TANBI_SECRET_KEY": SECRET_KEY,
    }
    tanbi = str(Path(sys.executable).with_name("tanbi"))
    command = [tanbi, "serve", "--port", "0", "--workers", str(workers)]
    process = subprocess.Popen(command, env=environment)  # noqa: ASYNC220
    try:
        port = await port_of(psutil.Process(process.pid))
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            client: Any = session
            # The batch waits for its wallet, so that the signal finds all of it accepted and none of it committed.
            async with transaction(admin_engine) as connection:
                await connection.execute(sa.text("SELECT * FROM wallet FOR UPDATE"))
                answers = [asyncio.create_task(post(client, world.hmac, weigh_event("NK-0002"))) for _ in range(EVENTS)]
                # The others have been read by then, or are read by a service that still answers what it read.
                await until_blocked(admin_engine)
                process.send_signal(signal.SIGTERM)
                await _until_refused(port)
            outcomes = [(await (await answer).json())["outcomes"][0] for answer in answers]
        assert [outcome["outcome"] for outcome in outcomes] == ["credited"] * EVENTS
        assert max(outcome["balance_coins"] for outcome in outcomes) == 125 * EVENTS
        assert await asyncio.to_thread(process.wait) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


async def _until_refused(port: int) -> None:
    async def refused() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return True
        writer.close()
        return False

    await wait_until(refused)
