"""The proxy's configuration under a real nginx, where there is one: what passes, what does not, what is repeated."""

import asyncio
import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

NGINX_CONF = Path(__file__).parent.parent / "docs" / "deploy" / "nginx" / "nginx.conf"
BODY = bytes(range(256)) * 4

# In CI a missing nginx is an error of its set-up, which the first test then shows.
pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None and os.environ.get("CI") != "true",
    reason="nginx is not on the PATH: the proxy is not run",
)


class Replica:
    """Keeps each request as it came; answers with its name, or hangs up as it is told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.hangs_up = False
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *fields = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append((line, headers, body))
            if not self.hangs_up:
                answer = self.name.encode()
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(answer), answer)
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Proxy:
    """nginx behind a socket file, before two replicas."""

    def __init__(self, directory: Path, replicas: list[Replica]) -> None:
        self.socket = directory / "nginx.sock"
        self.access_log = directory / "access.log"
        self.replicas = replicas

    @property
    def seen(self) -> list[tuple[str, dict[str, str], bytes]]:
        return [request for replica in self.replicas for request in replica.requests]

    async def answers(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(str(self.socket))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def send(self, request: bytes) -> tuple[int, str, bytes]:
        """Raw, because a client library would tidy the target up. Returns status, head and body."""
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)content-length: (\d+)", head)
        assert length is not None, head
        # Not to the end of the connection: nginx keeps it for a while where it did not want the whole body.
        body = await reader.readexactly(int(length[1]))
        writer.close()
        await writer.wait_closed()
        return int(head.split()[1]), head, body

    async def get(self, target: str) -> tuple[int, str, bytes]:
        return await self.send(f"GET {target} HTTP/1.1\r\nHost: tanbi\r\nConnection: close\r\n\r\n".encode())

    async def post(self, target: str, body: bytes = BODY, field: str = "X-None: 0") -> tuple[int, str, bytes]:
        fields = ["Host: tanbi", "Connection: close", f"Content-Length: {len(body)}", field]
        head = "\r\n".join([f"POST {target} HTTP/1.1", *fields, "", ""])
        return await self.send(head.encode() + body)


def local_configuration(replicas: list[Replica], directory: Path) -> str:
    """The same file with this machine's names for replicas, socket, log and temporary files."""
    text = NGINX_CONF.read_text()
    for replica in replicas:
        text = text.replace(f"server {replica.name}:8080 resolve", f"server 127.0.0.1:{replica.port}")
    text = re.sub(r"^\s*resolver .*$", "", text, flags=re.MULTILINE)
    text = text.replace("worker_processes auto;", "worker_processes 1; daemon off;")
    text = text.replace(" /tmp/", f" {directory}/")
    # Whoever ends TLS stands at the socket file here.
    text = text.replace("set_real_ip_from 127.0.0.0/8;", "set_real_ip_from unix:;")
    text = text.replace("/dev/stdout", f"{directory}/access.log").replace("/dev/stderr", f"{directory}/error.log")
    # A socket file: a free port could be someone else's by the time nginx takes it.
    return text.replace("listen 8080;", f"listen unix:{directory}/nginx.sock;")


@pytest.fixture
def directory() -> Iterator[Path]:
    """For a socket, whose path must be short, and for nginx, which root starts as another user."""
    with tempfile.TemporaryDirectory(prefix="tanbi-proxy-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
async def proxy(directory: Path) -> AsyncIterator[Proxy]:
    replicas = [Replica("service-1"), Replica("service-2")]
    for replica in replicas:
        await replica.start()
    conf, error_log = directory / "nginx.conf", directory / "error.log"
    conf.write_text(local_configuration(replicas, directory))
    nginx = await asyncio.create_subprocess_exec("nginx", "-e", str(error_log), "-p", str(directory), "-c", str(conf))
    proxy = Proxy(directory, replicas)
    try:
        while not await proxy.answers():
            assert nginx.returncode is None, error_log.read_text()
            await asyncio.sleep(0.01)
        yield proxy
    finally:
        if nginx.returncode is None:
            nginx.terminate()
            await nginx.wait()
        for replica in replicas:
            await replica.stop()


@pytest.mark.parametrize(
    "target",
    [
        "/v1/weigh-events?b=2&a=%31&&c",
        "/v1/redemptions/%7Ba%2Fb%7D/x?q=%20+",
        "/v1//a/../b/./c?x=/../y",
        "/a%C3%A9;v=1",
    ],
)
async def test_target_and_body_arrive_byte_for_byte(proxy: Proxy, target: str) -> None:
    signature = 'sig1=("@method" "@path" "@query" "content-digest");created=1;keyid="NK-0001"'
    status, _, _ = await proxy.post(target, field=f"Signature-Input: {signature}")
    assert status == 200
    ((line, headers, body),) = proxy.seen
    assert line.split(" ")[:2] == ["POST", target]
    assert body == BODY
    assert headers["signature-input"] == signature


async def test_a_body_in_chunks_arrives_whole(proxy: Proxy) -> None:
    head = b"POST /v1/weigh-events HTTP/1.1\r\nHost: tanbi\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    status, _, _ = await proxy.send(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
    assert status == 200
    assert proxy.seen[0][2] == BODY


@pytest.mark.parametrize(
    "target", ["/metrics", "/metrics?x=1", "/metrics/", "//metrics", "/%6Detrics", "/v1/../metrics"]
)
async def test_metrics_are_not_for_the_outside(proxy: Proxy, target: str) -> None:
    status, head, body = await proxy.get(target)
    assert status == 404
    assert "application/problem+json" in head
    assert json.loads(body)["code"] == "not_found"
    assert proxy.seen == []


async def test_a_body_of_one_mebibyte_passes_and_no_larger_one(proxy: Proxy) -> None:
    status, _, _ = await proxy.post("/v1/weigh-events", b"x" * 1024 * 1024)
    assert status == 200
    status, head, body = await proxy.send(
        b"POST /v1/weigh-events HTTP/1.1\r\nHost: tanbi\r\nConnection: close\r\nContent-Length: 1048577\r\n\r\n"
    )
    assert status == 413
    assert "application/problem+json" in head
    assert json.loads(body)["code"] == "body_too_large"
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("target", ["/v1/weigh-events", "/v1/sessions"])
async def test_a_replica_that_cannot_be_reached_costs_nobody_a_request(proxy: Proxy, target: str) -> None:
    await proxy.replicas[0].stop()
    answers = [await proxy.post(target) for _ in range(4)]
    assert [(status, body) for status, _, body in answers] == [(200, b"service-2")] * 4
    await proxy.replicas[0].start()


async def test_weigh_events_that_one_replica_dropped_go_to_the_other(proxy: Proxy) -> None:
    for replica, other in (proxy.replicas, proxy.replicas[::-1]):
        replica.hangs_up, other.hangs_up = True, False
        assert [(await proxy.post("/v1/weigh-events"))[0] for _ in range(2)] == [200, 200]


async def test_no_other_post_is_sent_twice(proxy: Proxy) -> None:
    for replica in proxy.replicas:
        replica.hangs_up = True
    status, head, body = await proxy.post("/v1/me/redemptions")
    assert len(proxy.seen) == 1
    assert status == 503
    assert "Retry-After: 1" in head
    assert json.loads(body)["code"] == "unavailable"


async def test_claims_of_one_address_are_limited_and_anothers_are_not(proxy: Proxy) -> None:
    one, another = (f"X-Forwarded-For: 198.51.100.1, 203.0.113.{number}" for number in (9, 10))
    answers = [await proxy.post("/v1/bins/claim", field=one) for _ in range(30)]
    statuses = [status for status, _, _ in answers]
    passed = statuses.count(200)
    assert 20 <= passed <= 25
    assert statuses == [200] * passed + [429] * (30 - passed)
    _, head, body = answers[-1]
    assert "Retry-After: 6" in head
    assert json.loads(body)["code"] == "claims_rate_limited"
    assert (await proxy.post("/v1/bins/claim", field=another))[0] == 200
    assert (await proxy.post("/v1/bins/me/keys", field=one))[0] == 200
    assert all("x-forwarded-for" not in headers for _, headers, _ in proxy.seen)


async def test_the_log_has_no_query_and_no_address(proxy: Proxy) -> None:
    await proxy.get("/v1/me?token=secret-in-query")
    for replica in proxy.replicas:
        replica.hangs_up = True
    await proxy.post("/v1/me/cards?value=secret-in-query", field="X-Forwarded-For: 203.0.113.9")
    while "POST" not in (log := proxy.access_log.read_text()):  # noqa: ASYNC110  # another process writes it
        await asyncio.sleep(0.01)
    log += proxy.access_log.with_name("error.log").read_text()
    assert "POST /v1/me/cards" in log
    assert "secret-in-query" not in log
    assert "203.0.113.9" not in log
    assert all("x-forwarded-for" not in headers for _, headers, _ in proxy.seen)
