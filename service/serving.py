"""Run the application: one process, or several on one port."""

import socket
import uuid
from collections.abc import Callable
from typing import Any

import uvloop
from aiohttp import web
from gunicorn.app.base import BaseApplication

from service.app import build_app
from service.settings import Settings


def serve(settings: Settings, announce: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; then take nothing more, finish what was accepted, and return.

    `announce` is called when it listens. Raises OSError where it cannot.
    """
    # Tried first: gunicorn would try for five seconds and log each time.
    with socket.create_server((settings.host, settings.port)):
        pass
    named = settings.model_copy(
        update={"instance": settings.instance or f"{socket.gethostname()}:{settings.port}:{uuid.uuid4().hex[:8]}"}
    )
    if named.workers > 1:
        Workers(named, announce).run()
        return
    web.run_app(
        build_app(named),
        host=named.host,
        port=named.port,
        shutdown_timeout=named.shutdown_seconds,
        access_log=None,
        print=lambda *_: announce(),
        loop=uvloop.new_event_loop(),
        backlog=1024,
    )


class Workers(BaseApplication):
    """gunicorn with aiohttp's own worker: it watches, restarts and drains the processes."""

    def __init__(self, settings: Settings, announce: Callable[[], None]) -> None:
        self._settings = settings
        self._announce = announce
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": f"{self._settings.host}:{self._settings.port}",
            "workers": self._settings.workers,
            "worker_class": "aiohttp.GunicornUVLoopWebWorker",
            "graceful_timeout": int(self._settings.shutdown_seconds),
            "backlog": 1024,
            "loglevel": "warning",
            "child_exit": _forget_metrics_of,
            "when_ready": lambda _server: self._announce(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        async def application() -> web.Application:
            return build_app(self._settings)

        return application


def _forget_metrics_of(_server: Any, worker: Any) -> None:
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
