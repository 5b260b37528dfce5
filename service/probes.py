"""What machines ask about a running service: is it alive, may it be given requests, how is it doing."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

import asyncpg
import sqlalchemy.exc
from aiohttp import hdrs, web
from prometheus_client import Metric
from sqlalchemy.ext.asyncio import AsyncEngine

from schemas.common import Check, Health
from service.business_days import business_today
from service.figures import read_figures
from service.fleet.states import limits_of
from service.keys import ENGINE, METRICS, SETTINGS
from service.migrating import current_revision
from service.routing import Routes, json_response

logger = logging.getLogger(__name__)

DATABASE_SECONDS_MAX: Final = 1.0
# Less than Prometheus waits for a scrape by default in docs/deploy (5 s).
FIGURES_SECONDS_MAX: Final = 3.0
OPENMETRICS: Final = "application/openmetrics-text"

DATABASE_ERRORS: Final = (
    TimeoutError,
    OSError,
    sqlalchemy.exc.SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)


class Readiness:
    """Whether this process may be given requests; `head` is the migration that its code was written for."""

    def __init__(self, head: str | None) -> None:
        self._head = head
        self._draining = False

    async def drain(self, _app: web.Application) -> None:
        """From now on: whoever asks is sent to another replica."""
        self._draining = True

    async def health(self, engine: AsyncEngine) -> Health:
        checks = {
            "accepting": Check(ok=False, detail="shutting down")
            if self._draining
            else Check(ok=True, detail="takes requests"),
            **await self._database(engine),
        }
        ready = all(check.ok for check in checks.values())
        return Health(status="ok" if ready else "unavailable", checks=checks)

    async def _database(self, engine: AsyncEngine) -> dict[str, Check]:
        try:
            async with asyncio.timeout(DATABASE_SECONDS_MAX), engine.connect() as connection:
                revision = await current_revision(connection)
        except DATABASE_ERRORS as error:
            # Its name only: a driver's message may hold an address or a statement.
            detail = f"no answer within {DATABASE_SECONDS_MAX:g} s" if isinstance(error, TimeoutError) else "no answer"
            return {
                "database": Check(ok=False, detail=f"{detail} ({type(error).__name__})"),
                "migration": Check(ok=False, detail="not known while the database does not answer"),
            }
        at_head = revision == self._head
        told = f"at {revision}" if at_head else f"at {revision}, but this version needs {self._head}: run tanbi migrate"
        return {"database": Check(ok=True, detail="answers"), "migration": Check(ok=at_head, detail=told)}


READINESS = web.AppKey("readiness", Readiness)

routes = Routes("operations")


@routes.route("GET", "/livez", summary="Is the process alive", answers={200: Health})
async def get_livez(_request: web.Request) -> web.Response:
    """200 as long as the event loop turns; the database is not asked."""
    return json_response(Health(status="ok", checks={}))


@routes.route("GET", "/readyz", summary="May the process be given requests", answers={200: Health, 503: Health})
async def get_readyz(request: web.Request) -> web.Response:
    """200 where the database answers within a second, is at the migration this version needs, and the process is not
    shutting down; 503 otherwise."""
    health = await request.app[READINESS].health(request.app[ENGINE])
    return json_response(health, 200 if health.status == "ok" else 503)


@routes.route("GET", "/metrics", summary="Metrics for Prometheus", answers={200: {"text/plain": str, OPENMETRICS: str}})
async def get_metrics(request: web.Request) -> web.Response:
    """Prometheus' text format, or OpenMetrics where `Accept` asks for it. Counts of all processes of this port; figures
    of the database from one instance only."""
    body, content_type = request.app[METRICS].exposition(
        request.headers.get(hdrs.ACCEPT, ""), await _figures(request.app)
    )
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


async def _figures(app: web.Application) -> Iterable[Metric]:
    """None of them where the database does not answer: what the process knows is told all the same."""
    settings = app[SETTINGS]
    try:
        async with asyncio.timeout(FIGURES_SECONDS_MAX):
            figures = await read_figures(
                app[ENGINE],
                instance=settings.instance,
                today=business_today(settings.business_timezone),
                formula_id=settings.indicator_formula,
                bin_limits=limits_of(settings),
                demo=settings.demo,
            )
    except DATABASE_ERRORS as error:
        app[METRICS].count_scrape_error()
        logger.warning("metrics are answered without the database's figures: %s", type(error).__name__)
        return ()
    return () if figures is None else figures.families()
