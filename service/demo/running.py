"""The life of `tanbi demo`: database, sample data, service, fleet, summary; and all of it ended again."""

import asyncio
import errno
import shlex
import socket
import sys
import time
import uuid
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from rich.console import Console
from rich.live import Live

from service.app import build_app
from service.backoff import TIMEOUT
from service.business_days import business_day
from service.db import create_engine, transaction
from service.demo import demo_file, queries, summary
from service.demo.demo_file import Credentials
from service.demo.drops import Standing
from service.demo.fleet import Fleet
from service.demo.lock import RunningLock
from service.demo.logs import logs_kept_in
from service.demo.meter import Meter
from service.demo.modes.stage import left_to_play
from service.demo.people import People
from service.demo.planting import CannotRun, Planted, Size, plant
from service.demo.stopping import StopSignals, stop_signals
from service.demo.uplink import Uplink
from service.folding.worker import tick
from service.installation import installation
from service.secrets import Keyring
from service.settings import Settings, read_settings
from service.settlement.months import Month

PANEL_INTERVAL_SECONDS: Final = 1.0
LINE_INTERVAL_SECONDS: Final = 5.0
# With the database's own end after it, the whole must not take longer than 10 s.
SHUTDOWN_SECONDS_MAX: Final = 5.0
LOG_NAME: Final = "demo.log"
# People look or spend once for so many drops.
EVENTS_A_VISIT: Final = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says, besides where to listen and where the data is."""

    size: Size
    events_per_second: float
    fleet: bool
    # Lines instead of a panel.
    plain: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Where each bin stands, and the last month before `this_month` in which coins were spent, if any was."""

    standings: dict[str, Standing]
    month: Month | None
    this_month: Month


def run_demo(settings: Settings, options: Options, console: Console) -> None:
    """Run until Ctrl-C or SIGTERM; then everything that was started is stopped, the database too.

    Raises CannotRun and EmbeddedPostgresError.
    """
    if settings.database_url is not None:
        raise CannotRun(
            "TANBI_DATABASE_URL is set, and sample data must not get into that database. Unset it: the demo has a"
            " database of its own."
        )
    with stop_signals() as stop, RunningLock(settings.data_dir) as lock:
        try:
            # Asked first: the port that is busy is most often that of the demo which runs already.
            lock.take(create=False)
            with _bind(settings.host, settings.port) as listening:
                lock.announce(_base_url(settings, listening))
                console.print(f"正在启动 starting: {settings.data_dir}", soft_wrap=True, highlight=False)
                with (
                    installation(settings, create=True) as ready,
                    asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
                ):
                    # Now there is a directory to have it in. Of two that came this far together, one goes on.
                    lock.take(create=True)
                    lock.announce(_base_url(settings, listening))
                    runner.run(_run(_as_demo(ready, listening), options, console, listening, stop))
        except KeyboardInterrupt:
            pass
    console.print("已停止 stopped. 下次运行沿用这些数据 the next run goes on with this data.", soft_wrap=True)


def _as_demo(settings: Settings, listening: socket.socket) -> Settings:
    return settings.model_copy(
        update={
            "demo": True,
            # Whoever tries webhooks here has their receiver on this machine.
            "webhook_private_addresses": True,
            "port": _port(listening),
            "instance": settings.instance or f"demo:{uuid.uuid4().hex[:8]}",
            # No bin of the demo's past was offline: what came is all that comes.
            "public_after_days": 0,
            "shutdown_seconds": min(settings.shutdown_seconds, SHUTDOWN_SECONDS_MAX),
        }
    )


def _bind(host: str, port: int) -> socket.socket:
    """Bound before anything else is started, so that a busy port costs nothing. Raises CannotRun."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    return bound


def _cannot_listen(host: str, port: int, error: OSError) -> CannotRun:
    if error.errno == errno.EADDRINUSE:
        return CannotRun(f"Port {port} of {host} is in use by another program. Choose one with --port, or --port 0.")
    return CannotRun(f"Cannot listen on {host}, port {port}: {error.strerror}. Choose others with --host and --port.")


async def _run(
    settings: Settings, options: Options, console: Console, listening: socket.socket, stop: StopSignals
) -> None:
    """From a database that is ready to a service that has finished what it accepted."""
    base_url = _base_url(settings, listening)
    file = settings.data_dir / demo_file.NAME
    place = summary.Place(base_url, file, settings.data_dir / LOG_NAME)
    with stop.as_event() as stopped:
        async with AsyncExitStack() as stack:
            planted, found = await _plant(settings, options.size, file)
            app = build_app(settings)
            await _serve(stack, app, settings, listening)
            # Written when the service answers: whoever waits for it may begin.
            demo_file.write_demo_file(file, base_url, planted.credentials)
            for line in (*_news(planted, options, place), *_to_try(settings, found)):
                console.print(line, soft_wrap=True, highlight=False)
            session = await stack.enter_async_context(
                ClientSession(timeout=TIMEOUT, cookie_jar=DummyCookieJar(), connector=TCPConnector(limit=0))
            )
            workers = [_show(app, session, planted.credentials, place, options, console)]
            if options.fleet:
                workers += _activity(session, base_url, planted.credentials, found.standings, options)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(worker) for worker in workers]
                await stopped.wait()
                for task in tasks:
                    task.cancel()


async def _plant(settings: Settings, size: Size, file: Path) -> tuple[Planted, Found]:
    """The sample data with everyone's credentials, and what the database has besides. Raises CannotRun."""
    # As the owner, who alone may replace keys that were lost.
    engine = create_engine(settings.model_copy(update={"database_url": settings.migration_database_url}))
    zone = settings.business_timezone
    today = datetime.now(ZoneInfo(zone)).date()
    try:
        async with transaction(engine) as connection:
            known = demo_file.read_credentials(file)
            planted = await plant(connection, Keyring.of(settings), size, known, today=today, zone=zone)
            redeemed_at = await queries.last_redeemed(connection, Month.of(today).begins_at(zone))
            month = None if redeemed_at is None else Month.of(business_day(redeemed_at, zone))
            found = Found(await queries.read_standings(connection), month, Month.of(today))
        if not planted.found:
            # Or the first that is shown would be no coins, and a lag of the age of the past.
            await tick(engine, settings)
        return planted, found
    finally:
        await engine.dispose()


async def _serve(stack: AsyncExitStack, app: web.Application, settings: Settings, listening: socket.socket) -> None:
    """Serve until the stack is unwound; then finish what was accepted. Raises CannotRun."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=settings.shutdown_seconds)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.SockSite(runner, listening, backlog=1024).start()
    except OSError as error:
        # Two may bind a port that nobody listens on yet.
        raise _cannot_listen(settings.host, settings.port, error) from error


def _activity(
    session: ClientSession,
    base_url: str,
    credentials: Credentials,
    standings: Mapping[str, Standing],
    options: Options,
) -> list[Coroutine[Any, Any, None]]:
    """What the simulated bins and residents do."""
    played = credentials.model_copy(update={"residents": left_to_play(credentials.residents)})
    fleet = Fleet(
        Uplink(session, base_url),
        played.bins,
        [each.card for each in played.residents],
        standings,
        random=Random(f"{options.size.seed} fleet"),  # noqa: S311, nothing secret is drawn
        events_per_second=options.events_per_second,
    )
    people = People(
        session,
        base_url,
        played,
        random=Random(f"{options.size.seed} people"),  # noqa: S311
        visits_per_second=options.events_per_second / EVENTS_A_VISIT,
    )
    return [fleet.run_forever(), people.run_forever()]


async def _show(
    app: web.Application,
    session: ClientSession,
    credentials: Credentials,
    place: summary.Place,
    options: Options,
    console: Console,
) -> None:
    meter = Meter(app, session, place.base_url, credentials.operator_key)
    if options.plain:
        while True:
            await asyncio.sleep(LINE_INTERVAL_SECONDS)
            console.print(summary.line(await meter.read()), soft_wrap=True, highlight=False)
    began = time.monotonic()
    with (
        logs_kept_in(place.log_file) as kept,
        Live(summary.panel(place, await meter.read(), timedelta(), 0), console=console, auto_refresh=False) as live,
    ):
        while True:
            await asyncio.sleep(PANEL_INTERVAL_SECONDS)
            ran = timedelta(seconds=time.monotonic() - began)
            live.update(summary.panel(place, await meter.read(), ran, kept.lines), refresh=True)


def _news(planted: Planted, options: Options, place: summary.Place) -> Iterator[str]:
    """What is worth a line before the panel."""
    bins, residents = len(planted.credentials.bins), len(planted.credentials.residents)
    if planted.reissued:
        yield (
            f"{place.demo_file} 缺失或无效，已重新签发全部密钥 was missing or not of this database and its key:"
            " everyone has new keys, the old ones are refused."
        )
    if planted.found and (bins, residents) != (options.size.bins, options.size.residents):
        yield (
            f"沿用已有数据 going on with {bins} bins and {residents} residents:"
            " --bins and --residents are for a new data directory."
        )
    if options.fleet and residents > 1:
        yield (
            "demo.json 中的第一位居民归您使用，其余由模拟程序扮演 the first resident in demo.json is yours;"
            " the others are played (with --no-fleet nobody is)."
        )
    if options.plain:
        yield f"接口文档 API: {place.base_url}/docs · 密钥 keys: {place.demo_file} · 按 Ctrl-C 停止 stops everything"


def _to_try(settings: Settings, found: Found) -> Iterator[str]:
    """Commands for what only a month that is over can show, as one types them where this was started."""
    if found.month is None:
        return
    data = [] if read_settings(None).data_dir == settings.data_dir else ["--data", str(settings.data_dir)]
    month, this_month = str(found.month), str(found.this_month)
    yield "另一终端可试 to try, in another terminal:"
    for command in (
        ["settle", "--month", month, "--output", "statements/"],
        ["report", "coins", "--from", month, "--to", this_month],
    ):
        yield "  " + shlex.join([sys.argv[0], *command, *data])


def _base_url(settings: Settings, listening: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{_port(listening)}"


def _port(listening: socket.socket) -> int:
    port: int = listening.getsockname()[1]
    return port
