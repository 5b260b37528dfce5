"""How long the service itself took for requests, as its own metric has it: without client and socket."""

import http.client
from dataclasses import dataclass

from loadtest.target import Target

METRIC = "tanbi_http_request_seconds"
ANSWER_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class ServerTime:
    """Of one route since the process began: seconds in the handler, and requests."""

    seconds: float
    requests: int


def read_server_time(target: Target, route: str) -> ServerTime:
    """Of `GET route` so far; the service has counted every request that it had answered by then."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    found = {
        part: next(
            (
                float(line.rsplit(" ", 1)[1])
                for line in lines
                if line.startswith(f"{METRIC}_{part}{{") and f'route="{route}"' in line and 'method="GET"' in line
            ),
            0.0,
        )
        for part in ("sum", "count")
    }
    return ServerTime(found["sum"], int(found["count"]))
