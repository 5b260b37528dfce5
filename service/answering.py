"""What stands between aiohttp and every handler: failures become problems, and each answer is counted.

A wrapper around each handler, not middleware: aiohttp runs each middleware as a coroutine of its own around every
request, which together cost a twentieth of a weigh event.
"""

import time
from collections import defaultdict
from collections.abc import Iterable

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from service.errors import MethodNotAllowed, NotFound
from service.metrics import Metrics
from service.problems import answer_failure
from service.routing import Endpoint

UNMATCHED = "unmatched"
# Any token may be sent as a method; only known ones become labels.
OTHER_METHOD = "OTHER"


def add_endpoints(app: web.Application, endpoints: Iterable[Endpoint], metrics: Metrics) -> None:
    """Route each endpoint, and answer every other method of its path and every other path with a problem."""
    by_path: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in endpoints:
        by_path[endpoint.path].append(endpoint)
    for path, of_path in by_path.items():
        resource = app.router.add_resource(path)
        for endpoint in of_path:
            resource.add_route(endpoint.method, answering(endpoint.handler, path, endpoint.method, metrics))
        resource.add_route("*", answering(_not_allowed([endpoint.method for endpoint in of_path]), path, None, metrics))
    app.router.add_route("*", "/{path:.*}", answering(_not_found, UNMATCHED, None, metrics))


def answering(handler: Handler, route: str, method: str | None, metrics: Metrics) -> Handler:
    """`handler` with its failures answered and its answers counted under `route`, a template: ids never become labels.

    `method` is None where the route takes any.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001  # the outermost wall: each failure has an answer
            response = answer_failure(request, error)
        metrics.request_answered(
            route, method or _known_method(request), response.status, time.perf_counter() - started
        )
        return response

    return answer


def _known_method(request: web.Request) -> str:
    return request.method if request.method in hdrs.METH_ALL else OTHER_METHOD


def _not_allowed(methods: list[str]) -> Handler:
    allowed = ", ".join(sorted(methods))

    async def not_allowed(_request: web.Request) -> web.StreamResponse:
        raise MethodNotAllowed(headers={hdrs.ALLOW: allowed})

    return not_allowed


async def _not_found(_request: web.Request) -> web.StreamResponse:
    raise NotFound
