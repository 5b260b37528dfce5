"""Close a month of one merchant with many captures, and read its statement as files: how long, and how much memory.

Time and memory of a command are its whole process's, as whoever runs it sees them; memory of the service is the highest
that its processes had, all together, from the request to the last byte of the file.
"""

import asyncio
import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO
from zoneinfo import ZoneInfo

from loadtest.installation import Installation, ServiceProcess, environment
from loadtest.planting import plant_captures, settle

ZONE = ZoneInfo("Asia/Shanghai")
FEN_PER_1000_COINS = 1500
RESIDENTS_MAX = 10_000
DEMO_RESIDENTS = 10
FILES = ("csv", "xlsx", "html")
ANSWER_SECONDS_MAX = 300.0
PART_BYTES = 1 << 20
KIB = 1024
MIB = 1024 * KIB


class SettlingFailed(Exception):
    """A command or a request did not do what it should; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was done, in seconds, the highest resident memory of who did it, and the bytes that came of it."""

    name: str
    seconds: float
    peak_bytes: int
    answer_bytes: int


@dataclass(frozen=True, slots=True)
class Settling:
    captures: int
    steps: list[Step]

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def run_settling(command: Path, *, captures: int, told: Callable[[Step], None]) -> Settling:
    """Plant last month, close it, and read it. Raises CannotStart, NoDatabase, NotFolded and SettlingFailed."""
    steps: list[Step] = []

    def done(step: Step) -> None:
        steps.append(step)
        told(step)

    month, begins_at, ends_at = last_month(datetime.now(ZONE).date())
    with Installation(command) as installation:
        service = installation.demo(DEMO_RESIDENTS)
        merchant_id = asyncio.run(_plant(installation, captures, begins_at, ends_at - begins_at))
        since = begins_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
        _run(installation, "rate", "set", merchant_id, str(FEN_PER_1000_COINS), "--from", since)
        key = json.loads(
            _run(installation, "key", "create", "--role", "merchant", "--name", "load", "--merchant", merchant_id)[1]
        )
        number = f"{merchant_id}-{month.replace('-', '')}"
        done(_run(installation, "settle", "--month", month, "--merchant", merchant_id)[0])
        for ending in FILES:
            path = f"/v1/merchants/me/statements/{number}/{ending}"
            done(_read(service, path, key["api_key"], f"GET …/{ending}"))
        done(_run(installation, "statement", "export", number, "--output", str(installation.data_dir))[0])
        done(_run(installation, "report", "coins", "--from", month, "--to", month)[0])
        done(_run(installation, "verify")[0])
    return Settling(captures, steps)


def line_of_step(step: Step) -> str:
    """One step, as it is printed when it is over."""
    came = f", {step.answer_bytes:,} bytes" if step.name.startswith("GET") else ""
    return f"{step.name:24} {step.seconds:7.2f} s  {step.peak_bytes / MIB:5.0f} MiB{came}"


def last_month(today: date) -> tuple[str, datetime, datetime]:
    """The month before, as `tanbi settle` names it, and the moments it begins and ends."""
    ends_on = today.replace(day=1)
    begins_on = (ends_on - timedelta(days=1)).replace(day=1)
    begins_at, ends_at = (datetime(day.year, day.month, day.day, tzinfo=ZONE) for day in (begins_on, ends_on))
    return f"{begins_on:%Y-%m}", begins_at, ends_at


async def _plant(installation: Installation, captures: int, begins_at: datetime, over: timedelta) -> str:
    connection = await installation.connect()
    try:
        merchant_id = await plant_captures(
            connection, residents=min(RESIDENTS_MAX, captures), captures=captures, begins_at=begins_at, over=over
        )
        await settle(connection)
    finally:
        await connection.close()
    return merchant_id


def _run(installation: Installation, *arguments: str) -> tuple[Step, str]:
    """A command to its end, and what it printed."""
    name = f"tanbi {' '.join(word for word in arguments[:2] if not word.startswith('-'))}"
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begun = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - our own command, no shell
            [str(installation.command), *arguments, "--data", str(installation.data_dir)],
            env=environment({}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
        )
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SettlingFailed(
                f"`{name}` ended with status {process.returncode}:\n{_all_of(output)}{_all_of(errors)}"
            )
        said = _all_of(output)
    return Step(name, seconds, used.ru_maxrss * KIB, len(said)), said


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _read(service: ServiceProcess, path: str, token: str, name: str) -> Step:
    """A file from the service, and how high its memory went meanwhile."""
    forget_peaks(service)
    connection = http.client.HTTPConnection(service.target.host, service.target.port, timeout=ANSWER_SECONDS_MAX)
    begun = time.monotonic()
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        answer_bytes, beginning = 0, b""
        while part := response.read(PART_BYTES):
            beginning = beginning or part
            answer_bytes += len(part)
    except (OSError, http.client.HTTPException) as error:
        raise SettlingFailed(f"{path}: {error!r}\n{service.log_tail()}") from None
    finally:
        connection.close()
    if response.status != 200:
        raise SettlingFailed(f"{path} is answered with {response.status}: {beginning.decode(errors='replace')}")
    return Step(name, time.monotonic() - begun, peak_bytes(service), answer_bytes)


def forget_peaks(service: ServiceProcess) -> None:
    """Its processes' highest resident memory is from now on counted anew (Linux: proc(5), clear_refs)."""
    for member in service.members():
        Path(f"/proc/{member.pid}/clear_refs").write_text("5")


def peak_bytes(service: ServiceProcess) -> int:
    """The sum of its processes' highest resident memory since it was forgotten."""
    total = 0
    for member in service.members():
        with contextlib.suppress(FileNotFoundError):
            lines = Path(f"/proc/{member.pid}/status").read_text().splitlines()
            total += sum(int(line.split()[1]) * KIB for line in lines if line.startswith("VmHWM:"))
    return total
