"""Which code computes a rate: the release, and a digest of the modules that decide its digits."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Final

from service import periods
from service.indicator import evidence, figure, formulas, kinds

DISTRIBUTION: Final = "tanbi"
DECIDING: Final = (evidence, figure, formulas, kinds, periods)
DIGEST_DIGITS: Final = 12


@cache
def code_version() -> str:
    """Such as `0.1.0+3f0c1e7a9b52`: the same for the same code, whatever machine it runs on."""
    digest = hashlib.sha256()
    for module in DECIDING:
        # Always there: they are modules of ours, from files.
        digest.update(Path(str(module.__file__)).read_bytes())
    return f"{version(DISTRIBUTION)}+{digest.hexdigest()[:DIGEST_DIGITS]}"
