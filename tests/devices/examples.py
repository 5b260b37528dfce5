"""The reference client in Python, which is a program and no module of a package."""

import importlib.util
import sys
from types import ModuleType

from tests.devices.compiling import EXAMPLES


def reference_client() -> ModuleType:
    """docs/examples/bin.py, imported; it finds bin_memory.py beside it, as where it is run."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location("tanbi_reference_bin", EXAMPLES / "bin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
