"""The system's Mosquitto on a free port of this machine, with what it keeps and logs in a directory of its own."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiomqtt

from tests.blocking import wait_until

# Not on everybody's PATH, and yet where packages put it.
PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

LISTENER = "listener 8883"
FOR_EVERYBODY = f"{LISTENER}\nallow_anonymous true\npersistence true\npersistence_location {{directory}}/\n"


def missing() -> str | None:
    """Why no broker can be run here; None where it can."""
    return None if PROGRAM else "mosquitto is neither on the PATH nor in /usr/sbin: the MQTT bridge is not tried"


class Mosquitto:
    """A broker that keeps sessions and messages over a restart."""

    def __init__(self, directory: Path, configuration: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._log = directory / "log"
        self._configuration = directory / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._configuration.write_text(
            # Started by root, it would become another user, who cannot enter the directory.
            f"user {getpass.getuser()}\nlog_type all\nset_tcp_nodelay true\n"
            + configuration.replace(LISTENER, f"listener {self.port} 127.0.0.1")
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([str(PROGRAM), "-c", str(self._configuration)], stderr=log)
        while not self._listens():
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.005)

    def _listens(self) -> bool:
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """As an operator does: it writes down what it keeps."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    def logged(self, line: str) -> int:
        """How often the log has it."""
        return self._log.read_text(errors="replace").count(line)

    async def until_logged(self, line: str, times: int = 1) -> None:
        async def stands() -> bool:
            return self.logged(line) >= times

        await wait_until(stands)

    def client(self, name: str, **options: object) -> aiomqtt.Client:
        """A device's connection."""
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            identifier=name,
            protocol=aiomqtt.ProtocolVersion.V5,
            **options,  # type: ignore[arg-type]
        )


@contextmanager
def running(directory: Path, configuration: str = FOR_EVERYBODY) -> Iterator[Mosquitto]:
    """A broker that has come up, at a port of its own in place of LISTENER."""
    broker = Mosquitto(directory, configuration.replace("{directory}", str(directory)))
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
