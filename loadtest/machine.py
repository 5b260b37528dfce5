"""Where figures were measured: without it they say little."""

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version

from loadtest.installation import tuned_by

LIBRARIES = ("aiohttp", "asyncpg", "cryptography", "pydantic", "sqlalchemy", "uvloop")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and what runs on it. `cores` are those this process may use; `load_average` is of the last minute,
    at the start: others may share the machine. `tuned_by` are the TANBI_ variables that the service was given."""

    cores: int
    system: str
    python: str
    libraries: dict[str, str]
    load_average: float
    tuned_by: dict[str, str]

    def as_json(self) -> dict[str, object]:
        """The record as `json.dumps` takes it."""
        return asdict(self)


def this_machine() -> Machine:
    """The machine as it is now."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
        load_average=os.getloadavg()[0],
        tuned_by=tuned_by(),
    )
