"""Counters of several processes behind one port. Imports nothing of prometheus_client: see below."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def shared_metrics_directory() -> Iterator[None]:
    """Where the processes of one port keep their counters, so that any of them can answer for all.

    To be entered before prometheus_client is imported, which looks at the variable only then.
    """
    directory = Path(tempfile.mkdtemp(prefix="tanbi-metrics-"))
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)
