"""The whole composition on one screen."""

import asyncio
import gc
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from aiohttp import web

from service import keys
from service.db import create_engine, driver_pool, is_poison, is_retryable
from service.groupcommit import GroupCommit, Limits
from service.metrics import Metrics, metrics_middleware
from service.problems import problems_middleware
from service.recovery import embedded_kept_running
from service.reference import Reference
from service.redemption import routes as redemption
from service.secrets import Keyring
from service.settings import Settings
from service.weighing import crediting, intake, rules
from service.weighing import routes as weighing

FEATURES = (weighing.routes, redemption.routes)


def build_app(settings: Settings) -> web.Application:
    """The service as an aiohttp application. `settings.database_url` and `settings.secret_key` must be set."""
    metrics = Metrics()
    app = web.Application(
        middlewares=[metrics_middleware(metrics), problems_middleware],
        client_max_size=settings.body_bytes_max,
    )
    app[keys.SETTINGS] = settings
    app[keys.METRICS] = metrics
    for routes in FEATURES:
        routes.add_to(app)
    app.cleanup_ctx.append(lambda app: _resources(app, settings))
    return app


async def _resources(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """What lives as long as the application, opened in order and closed in reverse."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(embedded_kept_running(settings))
        engine = create_engine(settings)
        stack.push_async_callback(engine.dispose)
        keyring = Keyring.of(settings)
        reference = Reference(engine, keyring, demo=settings.demo)
        await reference.refresh()
        writers = await stack.enter_async_context(driver_pool(settings, settings.groupcommit_writers))
        group_commit = await stack.enter_async_context(
            GroupCommit(
                partial(crediting.credit, writers, demo=settings.demo),
                limits=Limits(
                    writers=settings.groupcommit_writers,
                    batch_items_max=settings.groupcommit_batch_items_max,
                    queue_items_max=settings.groupcommit_queue_items_max,
                    retry_seconds_max=settings.groupcommit_retry_seconds_max,
                ),
                is_poison=is_poison,
                is_retryable=is_retryable,
                observer=app[keys.METRICS],
            )
        )
        bounds = rules.Bounds(
            future_max=timedelta(seconds=settings.event_future_seconds_max),
            age_max=timedelta(days=settings.event_age_days_max),
            weight_grams_max=settings.weight_grams_max,
        )
        app[keys.ENGINE] = engine
        app[keys.KEYRING] = keyring
        app[keys.REFERENCE] = reference
        app[weighing.INTAKE] = intake.Intake(group_commit, reference, keyring, bounds)
        await stack.enter_async_context(_background(reference.refresh_forever(settings.reference_poll_seconds)))
        await stack.enter_async_context(_background(app[keys.METRICS].watch_loop_forever()))
        # What stands after start stays: the collector need not look at it again in every full pass.
        gc.collect()
        gc.freeze()
        yield


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
