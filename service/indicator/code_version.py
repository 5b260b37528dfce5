"""Which code makes a figure: the release, and a digest of the modules that decide what is frozen of it."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "tanbi"
# Which inputs count, which months and lines are due, the sums, the digits, and how all is written down. By file name:
# imported, some of them would import this module in turn.
DECIDING: Final = (
    "indicator/basis.py",
    "indicator/coverage.py",
    "indicator/documents.py",
    "indicator/evidence.py",
    "indicator/figure.py",
    "indicator/formulas.py",
    "indicator/kinds.py",
    "indicator/queries.py",
    "indicator/rate.py",
    "indicator/record.py",
    "indicator/target_queries.py",
    "indicator/targets.py",
    "indicator/volume_queries.py",
    "periods.py",
)
SERVICE: Final = Path(__file__).parents[1]
DIGEST_DIGITS: Final = 12


@cache
def code_version() -> str:
    """Such as `0.1.0+3f0c1e7a9b52`: the same for the same code, whatever machine it runs on; another one where any of
    the deciding modules is another, were it only by a comment."""
    digest = hashlib.sha256()
    for name in DECIDING:
        digest.update((SERVICE / name).read_bytes())
    return f"{version(DISTRIBUTION)}+{digest.hexdigest()[:DIGEST_DIGITS]}"
