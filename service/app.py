"""The whole composition on one screen."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import cache, partial
from typing import Any

from aiohttp import ClientSession, DummyCookieJar, web

from service import keys, probes
from service.adjustments import routes as adjustments
from service.answering import add_endpoints
from service.carbon import routes as carbon
from service.db import Writers, create_engine, engine_use, is_poison, is_retryable
from service.docs import routes as documents
from service.files import sending
from service.fleet import operator_routes, states_routes, telemetry_routes
from service.fleet import routes as fleet
from service.fleet.alarms import Thresholds
from service.fleet.attempts import ClaimAttempts
from service.fleet.telemetry import TelemetryIntake
from service.fleet.telemetry_recording import Recording
from service.fleet.telemetry_retention import forget_forever
from service.fleet.telemetry_rules import Told
from service.folding.worker import fold_forever
from service.groupcommit import GroupCommit, Limits
from service.indicator import (
    dossier_routes,
    import_routes,
    public_routes,
    publication_routes,
    station_routes,
    target_routes,
    volume_routes,
)
from service.indicator import routes as indicator
from service.indicator.importing.turns import Turns
from service.indicator.public_documents import PublicDocuments
from service.ledger.expiring import expire_forever
from service.metrics import Metrics
from service.migrating import head_revision
from service.recovery import embedded_kept_running
from service.redemption import committing, offer_routes
from service.redemption import routes as redemption
from service.redemption.commands import Command
from service.redemption.sweeping import sweep_forever
from service.reference import Reference
from service.residents import kind_routes
from service.residents import routes as residents
from service.residents.claiming import Terms
from service.residents.waiting import credit_waiting_forever
from service.residents.wechat import WechatClient
from service.review import resident_routes as held_drops
from service.review import routes as review
from service.secrets import Keyring
from service.settings import Settings
from service.settlement import routes as settlement
from service.webhooks import routes as webhooks
from service.webhooks.delivering import deliver_forever
from service.webhooks.sending import DELIVERY_THREADS, REGISTRATION_THREADS, Resolver, open_session
from service.weighing import clearance_routes, crediting, intake, pricing, rules
from service.weighing import routes as weighing
from service.weighing.clearance_deciding import PendingClearance, SettledClearance
from service.weighing.clearances import ClearanceIntake
from service.weighing.clearing import Clearing
from service.weighing.pending import NotActive, PendingEvent, Settled

GC_ALLOCATIONS = 50_000
ROUTES = (
    weighing.routes,
    clearance_routes.routes,
    telemetry_routes.routes,
    fleet.routes,
    operator_routes.routes,
    states_routes.routes,
    residents.routes,
    held_drops.routes,
    redemption.routes,
    offer_routes.routes,
    settlement.routes,
    indicator.routes,
    import_routes.routes,
    station_routes.routes,
    target_routes.routes,
    publication_routes.routes,
    dossier_routes.routes,
    public_routes.routes,
    carbon.routes,
    volume_routes.routes,
    adjustments.routes,
    review.routes,
    kind_routes.routes,
    webhooks.routes,
    probes.routes,
    documents.routes,
)
ENDPOINTS = tuple(endpoint for routes in ROUTES for endpoint in routes.endpoints)


def build_app(settings: Settings) -> web.Application:
    """The service as an aiohttp application. `settings.database_url` and `settings.secret_key` must be set."""
    metrics = Metrics()
    # A body in a coding is refused (routing.read_body): unpacked by the server, a broken one would be its failure.
    app = web.Application(client_max_size=settings.body_bytes_max, handler_args={"auto_decompress": False})
    app[keys.SETTINGS] = settings
    app[keys.METRICS] = metrics
    app[documents.DOCUMENTS] = _documents()
    readiness = app[probes.READINESS] = probes.Readiness(head_revision())
    app.on_shutdown.append(readiness.drain)
    add_endpoints(app, ENDPOINTS, metrics)
    app.cleanup_ctx.append(lambda app: _resources(app, settings))
    return app


@cache
def _documents() -> documents.Documents:
    """They follow from the code alone, so one process makes them once, however many applications it builds."""
    return documents.Documents(ENDPOINTS)


async def _resources(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """What lives as long as the application, opened in order and closed in reverse."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(embedded_kept_running(settings))
        engine = app[keys.ENGINE] = create_engine(settings)
        stack.push_async_callback(engine.dispose)
        app[keys.KEYRING] = Keyring.of(settings)
        reference = app[keys.REFERENCE] = Reference(engine, app[keys.KEYRING], demo=settings.demo)
        await reference.refresh_at_start(settings.statement_timeout_seconds)
        writers, command_writers = Writers(settings, by_key=True), Writers(settings, by_key=True)
        stack.callback(writers.close)
        stack.callback(command_writers.close)
        credit = crediting.Crediting(lambda: reference.rules, settings.business_timezone, settings.demo)
        events = await stack.enter_async_context(_group_commit_of_events(app, settings, writers, credit))
        redeeming = committing.Committing(
            command_writers, reference, zone=settings.business_timezone, demo=settings.demo
        )
        commands = await stack.enter_async_context(_group_commit_of_commands(app, settings, redeeming))
        app[redemption.COMMANDS] = commands
        telemetry = await stack.enter_async_context(_group_commit_of_telemetry(app, settings, command_writers))
        app[telemetry_routes.TELEMETRY] = TelemetryIntake(
            telemetry, settings.telemetry_future_seconds_max, settings.telemetry_retention_days
        )
        clearing = Clearing(command_writers, lambda: reference.rules, settings.business_timezone)
        clearances = await stack.enter_async_context(_group_commit_of_clearances(app, settings, clearing))
        app[clearance_routes.CLEARANCES] = ClearanceIntake(clearances, reference, settings.event_age_days_max)
        app[adjustments.RELEASE] = redeeming.release_due
        app[import_routes.IMPORTING], app[import_routes.TRYING] = Turns(), Turns()
        app[sending.WRITING] = asyncio.Semaphore(sending.WRITING_MAX)
        app[settlement.REPORTING] = asyncio.Semaphore(settlement.REPORTING_MAX)
        bounds = rules.Bounds(age_days_max=settings.event_age_days_max, weight_grams_max=settings.weight_grams_max)
        taking = app[weighing.INTAKE] = intake.Intake(events, reference, app[keys.KEYRING], bounds)
        app[weighing.PRICING] = pricing.Pricing(taking, credit, command_writers)
        app[fleet.ATTEMPTS] = ClaimAttempts(settings.claim_failures_per_minute_max, time.monotonic)
        public = app[public_routes.PUBLIC] = PublicDocuments(engine, settings)
        stack.push_async_callback(public.close)
        app[webhooks.RESOLVER] = registering = Resolver(REGISTRATION_THREADS)
        stack.push_async_callback(registering.close)
        resolver = Resolver(DELIVERY_THREADS)
        stack.push_async_callback(resolver.close)
        to_merchants = await stack.enter_async_context(open_session(settings, resolver))
        if settings.wechat_app_id:
            app[residents.WECHAT] = WechatClient(
                await stack.enter_async_context(ClientSession(cookie_jar=DummyCookieJar())),
                app_id=settings.wechat_app_id,
                secret=settings.wechat_secret,
                base_url=settings.wechat_base_url,
                timeout_seconds=settings.wechat_timeout_seconds,
            )
        queues: dict[str, Callable[[], int]] = {
            "weigh_events": lambda: events.queued_items,
            "redemptions": lambda: commands.queued_items,
            "telemetry": lambda: telemetry.queued_items,
            "clearances": lambda: clearances.queued_items,
        }
        pools: dict[str, Callable[[], tuple[int, int]]] = {
            "engine": lambda: engine_use(engine),
            "writers": lambda: (writers.used, writers.idle),
            "command_writers": lambda: (command_writers.used, command_writers.idle),
        }
        for work in _workers(app, settings, redeeming, to_merchants):
            await stack.enter_async_context(_background(work))
        sampling = app[keys.METRICS].sample_forever(queued_items=queues, pools=pools)
        await stack.enter_async_context(_background(sampling))
        # What stands after start stays: the collector need not look at it again in every full pass.
        gc.collect()
        gc.freeze()
        # Requests leave little behind: with the default of 700 the collector would run every twenty events.
        gc.set_threshold(GC_ALLOCATIONS, 20, 50)
        yield


def _group_commit_of_events(
    app: web.Application, settings: Settings, writers: Writers, credit: crediting.Crediting
) -> GroupCommit[PendingEvent, Settled | NotActive]:
    return GroupCommit(
        partial(credit.commit, writers),
        limits=Limits(
            writers=settings.groupcommit_writers,
            batch_items_max=settings.groupcommit_batch_items_max,
            queue_items_max=settings.groupcommit_queue_items_max,
            retry_seconds_max=settings.groupcommit_retry_seconds_max,
            companion_items_min=settings.groupcommit_companion_items_min,
        ),
        is_poison=is_poison,
        is_retryable=is_retryable,
        observer=app[keys.METRICS].group_commit("weigh_events"),
    )


def _group_commit_of_commands(
    app: web.Application, settings: Settings, redeeming: committing.Committing
) -> GroupCommit[Command, committing.Decided]:
    return GroupCommit(
        redeeming.commit,
        limits=Limits(
            writers=settings.redemption_writers,
            batch_items_max=settings.redemption_batch_items_max,
            queue_items_max=settings.redemption_queue_items_max,
            retry_seconds_max=settings.groupcommit_retry_seconds_max,
            companion_items_min=settings.redemption_companion_items_min,
        ),
        is_poison=committing.is_poison,
        is_retryable=committing.is_retryable,
        observer=app[keys.METRICS].group_commit("redemptions"),
    )


def _group_commit_of_telemetry(app: web.Application, settings: Settings, writers: Writers) -> GroupCommit[Told, bool]:
    thresholds = Thresholds(
        heat_celsius=settings.alarm_heat_celsius,
        scale_zero_intervals=settings.alarm_scale_zero_intervals,
        battery_percent=settings.alarm_battery_percent,
    )
    return GroupCommit(
        Recording(writers, thresholds, settings.telemetry_history_seconds).commit,
        limits=Limits(
            # One: no person waits, and two would wait for each other's bins.
            writers=1,
            batch_items_max=settings.telemetry_batch_items_max,
            queue_items_max=settings.telemetry_queue_items_max,
            retry_seconds_max=settings.groupcommit_retry_seconds_max,
            gather_seconds=settings.telemetry_gather_seconds,
        ),
        is_poison=is_poison,
        is_retryable=is_retryable,
        observer=app[keys.METRICS].group_commit("telemetry"),
    )


def _group_commit_of_clearances(
    app: web.Application, settings: Settings, clearing: Clearing
) -> GroupCommit[PendingClearance, SettledClearance | NotActive]:
    return GroupCommit(
        clearing.commit,
        limits=Limits(
            # One: a bin tells of three a day, and two would wait for each other's bins.
            writers=1,
            batch_items_max=settings.groupcommit_batch_items_max,
            queue_items_max=settings.groupcommit_queue_items_max,
            retry_seconds_max=settings.groupcommit_retry_seconds_max,
        ),
        is_poison=is_poison,
        is_retryable=is_retryable,
        observer=app[keys.METRICS].group_commit("clearances"),
    )


def _workers(
    app: web.Application, settings: Settings, redeeming: committing.Committing, to_merchants: ClientSession
) -> Iterator[Coroutine[Any, Any, None]]:
    """What goes on beside the requests, for as long as the application lives."""
    engine, metrics = app[keys.ENGINE], app[keys.METRICS]
    yield credit_waiting_forever(
        engine,
        lambda: Terms.of(settings, app[keys.REFERENCE]),
        interval_seconds=settings.waiting_interval_seconds,
    )
    yield fold_forever(engine, settings)
    yield sweep_forever(
        redeeming, interval_seconds=settings.hold_sweep_interval_seconds, swept=metrics.count_expired_holds
    )
    yield expire_forever(engine, settings)
    yield deliver_forever(engine, settings, app[keys.KEYRING], to_merchants, metrics)
    yield forget_forever(engine, retention=timedelta(days=settings.telemetry_retention_days))
    yield app[keys.REFERENCE].refresh_forever(settings.reference_poll_seconds)


@asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
